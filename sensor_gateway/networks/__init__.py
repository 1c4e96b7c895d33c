"""Network servers: each module turns one server's messages into Uplinks."""

from __future__ import annotations

from sensor_gateway.networks import chirpstack, nb_iot, the_things_stack
from sensor_gateway.networks.base import MalformedMessage, Parser, Uplink

__all__ = ["PARSERS", "MalformedMessage", "Parser", "Uplink", "network_of_path", "network_of_topic"]

PARSERS: dict[str, Parser] = {
    "chirpstack": chirpstack.parse,
    "the-things-stack": the_things_stack.parse,
    "nb-iot": nb_iot.parse,
}
"""By the network server's name."""


def network_of_topic(topic: str) -> str:
    """Which network server publishes on a topic."""
    return "the-things-stack" if topic.startswith("v3/") else "chirpstack"


def network_of_path(path: str) -> str:
    """Which network server posts to a path of the intake."""
    return path.rpartition("/")[2]
