"""The local payment provider (`demo/provider`) as a process of ours: how it is started and talked to."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from parking_cloud.devstack import Server, free_port
from parking_cloud.payments.stripe_reading import WEBHOOK_EVENTS


class ProviderKeys(msgspec.Struct, frozen=True):
    """Made for one home or one test run; shaped as Stripe's test keys are."""

    secret_key: str
    publishable_key: str
    webhook_secret: str


def make_keys() -> ProviderKeys:
    return ProviderKeys(*(f"{kind}_{secrets.token_hex(16)}" for kind in ("sk_test", "pk_test", "whsec")))


class DevProvider:
    """Its address, its environment, and what the platform has to be told of it."""

    command = [sys.executable, "-m", "parking_cloud.demo.provider"]

    def __init__(self, home: Path, keys: ProviderKeys, webhook_url: str = "") -> None:
        self._home = home
        self._keys = keys
        self._webhook_url = webhook_url
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What the process itself reads."""
        return {
            "LOCAL_PROVIDER_FOLDER": str(self._home / "provider"),
            "LOCAL_PROVIDER_PORT": str(self._port),
            "LOCAL_PROVIDER_SECRET_KEY": self._keys.secret_key,
            "LOCAL_PROVIDER_PUBLISHABLE_KEY": self._keys.publishable_key,
            "LOCAL_PROVIDER_WEBHOOK_URL": self._webhook_url,
            "LOCAL_PROVIDER_WEBHOOK_EVENTS": ",".join(WEBHOOK_EVENTS),
            "LOCAL_PROVIDER_WEBHOOK_SECRET": self._keys.webhook_secret if self._webhook_url else "",
        }

    @property
    def settings(self) -> dict[str, str]:
        """The platform's settings, by field."""
        return {
            "stripe_secret_key": self._keys.secret_key,
            "stripe_publishable_key": self._keys.publishable_key,
            "stripe_webhook_secret": self._keys.webhook_secret,
            "stripe_api_url": self.url,
            "stripe_script_url": f"{self.url}/v3/",
        }

    def start(self) -> None:
        """Start it, or start it again after a kill; returns when it answers. Raises DevstackError."""
        self._home.mkdir(parents=True, exist_ok=True)
        server = self._server()
        server.start(self.command, environment=os.environ | self.environment)
        server.wait(self.answers)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """kill -9."""
        self._server().stop(signal.SIGKILL)

    def stop(self) -> None:
        self._server().stop()

    def _server(self) -> Server:
        return Server("provider", self._home)
