"""What scripts need to know of a running platform: `running.json`, written by `make up`."""

from __future__ import annotations

from pathlib import Path

import msgspec


class NotRunning(RuntimeError):
    """There is no `running.json`; the message says what to do."""


class Login(msgspec.Struct, frozen=True):
    role: str
    username: str
    password: str


class Running(msgspec.Struct, frozen=True):
    api_url: str
    intake_url: str
    mqtt_url: str
    database_url: str
    redis_url: str
    api_keys: dict[str, str]
    """By source."""
    logins: list[Login] = []
    signs_key: str = ""
    """From which the demo's guidance boards make their keys."""
    provider_url: str = ""
    """The local payment provider; empty where the platform was given real keys."""


def read_running(home: Path) -> Running:
    """The platform that was started in `home`. Raises NotRunning."""
    path = home / "running.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError) as error:
        raise NotRunning(f"{path} cannot be read: start the platform first with `make up`.") from error
