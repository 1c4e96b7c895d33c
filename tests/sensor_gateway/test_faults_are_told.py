"""What goes wrong on our side is in the log with its traceback, and logging itself breaks nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from redis.asyncio import Redis

from sensor_gateway import logs
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.publish import Publisher
from sensor_gateway.transports.http import create_intake_app

pytestmark = pytest.mark.anyio


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The gateway's log, as it is written."""
    file = io.StringIO()
    logs.configure("info", file)
    try:
        yield file
    finally:
        structlog.reset_defaults()


async def test_a_fault_of_ours_is_logged_with_its_traceback(written: io.StringIO) -> None:
    def broken() -> list[object]:
        raise LookupError("nobody thought of this")

    redis = Redis(port=1)
    app = create_intake_app(
        redis=redis,
        directory=DirectoryFollower(redis),
        publisher=Publisher(redis, 1),
        pulled=broken,  # type: ignore[arg-type]
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as client:
        answer = await client.get("/health/sources")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:parking-cloud:problem:internal")
    assert "nobody thought of this" not in answer.text
    (line,) = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (line["level"], line["path"]) == ("error", "/health/sources")
    assert "LookupError: nobody thought of this" in line["exception"]
    assert "in broken" in line["exception"]


def test_a_log_on_a_full_disk_breaks_nothing() -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails, as it should
    logs.configure("info", full)
    try:
        log = structlog.get_logger("gateway")
        log.warning("to nobody")
        log.bind(a=1).error("nor this")
    finally:
        structlog.reset_defaults()
        with pytest.raises(OSError, match="No space left"):
            full.close()
