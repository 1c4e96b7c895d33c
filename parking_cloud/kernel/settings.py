"""Settings: one typed object from the environment (`PARKING_…`), checked at start.

There is no default secret: `make run` makes its own and passes them on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names the variable and says what it should be."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All the platform's settings. The variable is `PARKING_` and the field's name in capitals."""

    database_url: str
    """postgresql://user:password@host:port/name"""
    redis_url: str
    """redis://:password@host:port/0"""
    mqtt_url: str = ""
    """mqtt://user:password@host:port; used by the gateway and the simulator."""
    secret_key: str
    """At least 32 characters; signs tokens and cookies."""
    plate_key: str = ""
    """32 bytes as hex; encrypts plates and keys their look-up hash. Needed once stays exist."""
    stream_shards: int = 4
    stale_after_s: int = 7200
    """Past this, a facility's numbers are marked stale. Two hours: the carry-forward rule of public feeds."""
    projector_batch: int = 2000
    """About so many observations are written in one transaction."""
    projector_block_ms: int = 200
    worker_metrics_port: int = 0
    """The worker's Prometheus figures on 127.0.0.1; 0: none."""
    database_pool: int = 10
    secure_cookies: bool = True
    demo: bool = False
    log_level: str = "INFO"
    tile_url: str = ""
    """Map tiles, such as http://tiles.example/{z}/{x}/{y}.png; empty: the map draws outlines only."""
    public_url: str = "http://127.0.0.1:8000"
    """Where people's phones find these pages: QR codes and redirects of payments lead here."""
    trusted_proxies: str = "127.0.0.1"
    """Addresses or networks of our own reverse proxies, with commas between: only they are believed about
    whom they speak for (X-Forwarded-For). The limits of paying by plate count by that address."""
    stripe_secret_key: str = ""
    """sk_…; empty: nothing can be paid but cash."""
    stripe_publishable_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_api_url: str = ""
    """Another address than Stripe's own: the local provider's, in the demo and in tests."""
    stripe_script_url: str = "https://js.stripe.com/v3/"
    sms_url: str = ""
    """The SMS carrier's adapter, to which notices are posted; empty: they wait."""
    mail_url: str = ""
    carrier_key: str = ""
    """The Bearer key of both adapters."""
    invoice_url: str = ""
    """The invoice service's adapter; empty: requests wait."""
    invoice_key: str = ""
    hooks_inside: bool = False
    """Corrections and allow lists may be pushed to private addresses: operators' systems and gates are in the
    city's own network."""
    pace_file: str = ""
    """The city's own speeds and factors (see guidance/data/pace.json); empty: those that come with this."""
    routing_url: str = ""
    """A routing service that speaks OSRM's `table`; empty: straight lines and the city's factor."""
    routing_timeout_ms: int = 300
    """Past this a query is answered by straight lines."""
    series_days: int = 100
    """So long the five-minute series of occupancy is kept, in whole months."""
    timezone: str = "Asia/Shanghai"

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with the driver named."""
        return self.database_url.replace("postgresql://", "postgresql+psycopg://", 1)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings. Raises SettingsError with the variable's name."""
    environ = os.environ if environ is None else environ
    given = {
        field.name: environ[f"PARKING_{field.name.upper()}"]
        for field in msgspec.structs.fields(Settings)
        if environ.get(f"PARKING_{field.name.upper()}")
    }
    for name in ("database_url", "redis_url", "secret_key"):
        if name not in given:
            raise SettingsError(f"PARKING_{name.upper()} is not set. `make up` sets it for you; see README.")
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"A PARKING_… setting is wrong: {error}") from error
    if len(settings.secret_key) < 32:
        raise SettingsError("PARKING_SECRET_KEY is too short: give at least 32 characters.")
    return settings
