"""The whole platform, as `make up` starts it: its own servers, processes and demo city."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

from parking_cloud.devstack import Stack, free_port
from parking_cloud.launcher import Platform


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Started once for all that kill none of it; without the simulator, so that only the test speaks."""
    for name in ("PARKING_DATABASE_URL", "PARKING_REDIS_URL", "PARKING_MQTT_URL"):
        os.environ.pop(name, None)
    home = tmp_path_factory.mktemp("platform")
    stack = Stack(home / "servers", progress=lambda _: None, fast=True)
    # Not the well-known port: another platform may be starting on it at this moment.
    port = free_port()
    running = Platform(stack, home, simulate=False, api_port=port, progress=lambda _: None)
    running.start()
    try:
        yield running
    finally:
        running.stop()
        stack.remove()


@pytest.fixture
def api(platform: Platform) -> Iterator[httpx.Client]:
    """The API, not signed in."""
    with httpx.Client(base_url=platform.running["api_url"], timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def intake(platform: Platform) -> Iterator[httpx.Client]:
    """The gateway's HTTP intake, with the key for observations."""
    key = platform.running["api_keys"]["observations"]
    with httpx.Client(
        base_url=platform.running["intake_url"], headers={"X-Api-Key": key}, timeout=10, trust_env=False
    ) as client:
        yield client


@pytest.fixture
def administrator(platform: Platform, api: httpx.Client) -> httpx.Client:
    """The API, signed in as a city administrator."""
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    answer = api.post("/v1/auth/login", json={k: login[k] for k in ("username", "password")})
    api.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return api
