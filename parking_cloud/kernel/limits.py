"""How often one may ask: sliding windows in Redis, all of a question's in one round trip.

While Redis is away each process counts by itself, more strictly: never is there no limit.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from parking_cloud.kernel.problems import Problem

_PREFIX = "parking:{limit}:"
"""In one slot of a Redis cluster, since one script reads them all."""
_LOCAL_SHARE = 4
_LOCAL_KEYS = 10_000

_SCRIPT = """
local now, id, counted = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
for i, key in ipairs(KEYS) do
  local most, window = tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i])
  redis.call('zremrangebyscore', key, '-inf', now - window)
  if redis.call('zcard', key) >= most then
    local oldest = redis.call('zrange', key, 0, 0, 'withscores')[2]
    return math.max(1, math.ceil(tonumber(oldest) + window - now))
  end
end
for i = 1, counted do
  redis.call('zadd', KEYS[i], now, id)
  redis.call('expire', KEYS[i], math.ceil(tonumber(ARGV[3 + 2 * i])))
end
return 0
"""
_ONE_HOLDERS_V6 = 64
"""Bits of an IPv6 address that its holder was given; the others they choose as they like."""

log = structlog.get_logger(__name__)


class TooManyTries(Problem):
    slug = "too-many-tries"
    status = 429
    title = {"zh-CN": "操作过于频繁", "en": "Too many tries"}
    detail = {
        "zh-CN": "请 {seconds} 秒后再试。",
        "en": "Try again in {seconds} seconds.",
    }


class Limit(NamedTuple):
    """At most so many within a window, of what `key` names."""

    key: str
    most: int
    window: timedelta


def network_of(address: str) -> str:
    """Whom an address stands for: itself, or the whole network that one holder of IPv6 is given."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), _ONE_HOLDERS_V6), strict=False))


class Limiter:
    """One for each process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._local: OrderedDict[str, deque[float]] = OrderedDict()

    async def count(
        self, limits: Sequence[Limit], now: datetime, *, unless_past: Sequence[Limit] = ()
    ) -> None:
        """Count one try against all of `limits`, or against none.

        `unless_past`: counted elsewhere, they must not be used up either. Raises TooManyTries.
        """
        seconds = now.timestamp()
        looked_at = [*limits, *unless_past]
        arguments: list[Any] = [seconds, secrets.token_hex(8), len(limits)]
        for limit in looked_at:
            arguments += [limit.most, limit.window.total_seconds()]
        try:
            keys = [_PREFIX + limit.key for limit in looked_at]
            wait = int(cast(int, await self._script(keys=keys, args=arguments)))
        except RedisError:
            log.warning("Redis is away: tries are counted in this process")
            wait = self._count_here(looked_at, len(limits), seconds)
        if wait:
            raise TooManyTries(seconds=wait)

    async def note(self, limit: Limit, now: datetime) -> None:
        """Count what has happened already: there is nothing left to refuse."""
        with suppress(TooManyTries):
            await self.count([limit], now)

    def _count_here(self, limits: Sequence[Limit], to_count: int, now: float) -> int:
        """Seconds to wait; 0: counted."""
        counted = []
        for limit in limits:
            tries = self._local.setdefault(limit.key, deque())
            self._local.move_to_end(limit.key)
            window = limit.window.total_seconds()
            while tries and tries[0] <= now - window:
                tries.popleft()
            if len(tries) >= max(limit.most // _LOCAL_SHARE, 1):
                return max(1, int(tries[0] + window - now))
            counted.append(tries)
        for tries in counted[:to_count]:
            tries.append(now)
        while len(self._local) > _LOCAL_KEYS:
            self._local.popitem(last=False)
        return 0
