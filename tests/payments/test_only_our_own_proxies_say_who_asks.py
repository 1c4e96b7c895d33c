"""Behind a proxy the limits count the phone's address; from anybody else a claimed address counts nothing."""

from __future__ import annotations

import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.payments.parts import KEY, minute
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

_A_MINUTE = 30


@pytest.mark.parametrize(
    ("trusted", "after_the_last"), [("10.0.0.0/8, testclient", 200), ("10.0.0.0/8", 429)]
)
async def test_the_address_that_counts(
    settings: Settings, session: AsyncSession, redis: Redis, trusted: str, after_the_last: int
) -> None:
    settings = msgspec.structs.replace(settings, plate_key=KEY, trusted_proxies=trusted)
    async with client_of(settings, FixedClock(minute(0))) as client:

        async def ask(number: int, chain: str) -> int:
            asked = {"plate": f"浙E{number:05}"}
            headers = {"X-Forwarded-For": chain}
            return (await client.post("/v1/pay/offers", json=asked, headers=headers)).status_code

        for number in range(_A_MINUTE):
            assert await ask(number, f"198.51.100.{number}, 203.0.113.7") == 200
        assert await ask(_A_MINUTE, "203.0.113.8") == after_the_last
        assert await ask(_A_MINUTE + 1, "203.0.113.8, 203.0.113.7") == 429
