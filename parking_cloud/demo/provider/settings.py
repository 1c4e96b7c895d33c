"""The local provider's settings: from the environment, as `LOCAL_PROVIDER_…`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Keys are made by whoever starts it; there is no default."""

    folder: Path
    """Where it remembers."""
    port: int
    secret_key: str
    publishable_key: str
    webhook_url: str = ""
    webhook_events: str = "*"
    """Of which it is told; with commas between."""
    webhook_secret: str = ""

    @property
    def public_url(self) -> str:
        """Where payers' browsers find its pages: on this machine only."""
        return f"http://127.0.0.1:{self.port}"


def load_provider_settings(environ: Mapping[str, str] = os.environ) -> ProviderSettings:
    """Raises msgspec.ValidationError where something is missing."""
    given = {
        field.name: environ[f"LOCAL_PROVIDER_{field.name.upper()}"]
        for field in msgspec.structs.fields(ProviderSettings)
        if environ.get(f"LOCAL_PROVIDER_{field.name.upper()}")
    }
    return msgspec.convert(given, ProviderSettings, strict=False, dec_hook=lambda kind, value: kind(value))
