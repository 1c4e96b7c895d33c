"""The gateway's settings, from the environment (`PARKING_…`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
"""The port by the broker address's scheme, where none is given."""


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names the variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The variable is `PARKING_` and the field's name in capitals."""

    redis_url: str
    mqtt_url: str = ""
    """mqtt://user:password@host:port, by TLS mqtts://… (port 8883); empty: HTTP intake only.

    A broker's certificate is checked against the system's authorities, or those in the file SSL_CERT_FILE.
    """
    gateway_id: str = "parking-gateway"
    """The MQTT session's name. It must stay the same, so that what was queued meanwhile is delivered."""
    intake_host: str = "127.0.0.1"
    intake_port: int = 8010
    stream_shards: int = 4
    shared_group: str = ""
    """Gateways of one group share the uplinks between them (MQTT shared subscription); empty: one gateway.

    Mosquitto 2.0 forgets shared subscriptions, though not plain ones, when it is killed. It also keeps the
    share of a gateway that is away until that gateway is back: for one that will not come back, run
    `python -m sensor_gateway leave` under its `gateway_id`.
    """
    spool_folder: str = ""
    """Where observations wait on disk while Redis is away; empty: senders are refused meanwhile.

    The devices and keys that were last known are kept here too, for a start while Redis is away.
    """
    spool_limit_mb: int = 2_000
    pull_file: str = ""
    """Sources that only publish, to be polled: TOML or JSON (sensor_gateway/pull/example.toml shows how)."""
    plate_key: str = ""
    """32 bytes as hex, the same as the platform's; seals plates. Empty: records with plates are refused."""
    redis_memory_mb: int = 2_000
    """Senders are held back while Redis holds more than this; 0: no limit."""
    log_level: str = "INFO"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check. Raises SettingsError."""
    environ = os.environ if environ is None else environ
    names = [field.name for field in msgspec.structs.fields(Settings)]
    given = {
        name: environ[f"PARKING_{name.upper()}"] for name in names if environ.get(f"PARKING_{name.upper()}")
    }
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"a PARKING_… setting of the gateway is missing or wrong: {error}") from error
    _check_broker(settings.mqtt_url)
    return settings


def _check_broker(url: str) -> None:
    """The message does not show the address: it holds a password."""
    try:
        parts = urlsplit(url)
        good = not url or (parts.scheme in MQTT_PORTS and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        good = False
    if not good:
        schemes = " or ".join(f"{scheme}://" for scheme in MQTT_PORTS)
        raise SettingsError(f"PARKING_MQTT_URL is not {schemes} with a host")
