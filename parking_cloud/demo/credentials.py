"""What the launcher makes up for an installation: the demo city's logins and the keys of its sources."""

from __future__ import annotations

import msgspec

from parking_cloud.accounts.roles import Role

SCOPES = {
    "chirpstack": ("uplinks",),
    "the-things-stack": ("uplinks",),
    "observations": ("observations",),
    "gates": ("gate-events",),
    "patrols": ("sightings",),
}
"""The sources, and what each may send."""


class DemoLogin(msgspec.Struct, frozen=True):
    role: Role
    username: str
    password: str


class Credentials(msgspec.Struct, frozen=True):
    api_keys: dict[str, str]
    logins: list[DemoLogin]
    signs_key: str
    """From which each guidance board's key is made."""
