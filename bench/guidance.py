"""Guidance queries per second, against the same server's empty JSON route."""

from __future__ import annotations

import asyncio

from bench.load import get_many
from parking_cloud.launcher import Platform

_REQUESTS = 3_000
_CONNECTIONS = 8


def run(platform: Platform) -> None:
    """Print both and their ratio."""
    api = platform.running["api_url"]
    query = f"{api}/v1/guidance/facilities?lat=30.8693&lon=120.0965&radius_m=3000&limit=20"
    for url in (query, f"{api}/health/live"):
        asyncio.run(get_many(url, requests=200, connections=_CONNECTIONS))
    empty = asyncio.run(get_many(f"{api}/health/live", requests=_REQUESTS, connections=_CONNECTIONS))
    guidance = asyncio.run(get_many(query, requests=_REQUESTS, connections=_CONNECTIONS))
    print(guidance.line("guidance, 20 facilities"))
    print(empty.line("empty JSON route"))
    print(f"ratio                    {guidance.rate / empty.rate:8.3f}")
