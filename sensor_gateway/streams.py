"""Reading Redis streams: the client's many possible answers brought down to entries.

Published beside `observation` and `directory`: the platform reads its streams by the same functions.
"""

from __future__ import annotations

from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import Connection
from redis.exceptions import ClusterError, ConnectionError, RedisClusterException

_CLUSTER = "redis-cluster://"

Entry = tuple[bytes, dict[bytes, bytes]]
"""(id, fields)"""


class _Connection(Connection):
    """A connection to a cluster's node.

    When a node goes away, the cluster client closes connections that other tasks are about to write to.
    """

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        """Write. Raises RedisError, also where the connection was closed meanwhile."""
        try:
            await super().send_packed_command(*args, **options)
        except (RuntimeError, AttributeError) as error:  # a closed transport's answer; no transport any more
            raise ConnectionError(f"closed while writing: {error}") from error


class _Cluster(RedisCluster):
    """A Redis Cluster whose being away is a RedisError, as a single Redis's is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.connection_kwargs["connection_class"] = _Connection
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = _Connection
        # By default one node answers for all: the others may be away, or full.
        self.command_flags |= dict.fromkeys(("PING", "INFO"), RedisCluster.PRIMARIES)

    async def initialize(self, *args: Any, **options: Any) -> RedisCluster:
        """Find the nodes. Raises RedisError."""
        try:
            return await super().initialize(*args, **options)
        except RedisClusterException as error:
            raise ClusterError(str(error)) from error


def connect(url: str, *, timeout_s: float = 10.0) -> Redis:
    """A client for `redis://…`, or for a Redis Cluster by any of its nodes: `redis-cluster://…`.

    `timeout_s` bounds every answer; reads that block must ask for less.
    """
    options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": 3}
    if url.startswith(_CLUSTER):
        # The two clients share the commands that are used here, though not a base class.
        cluster = _Cluster.from_url(url.replace(_CLUSTER, "redis://", 1).removesuffix("/0"), **options)
        return cast("Redis", cluster)
    return Redis.from_url(url, **options)


async def used_memory(redis: Redis) -> int:
    """Bytes that Redis holds; of a cluster, the fullest node's."""
    answer = await redis.info("memory")
    nodes = [answer] if "used_memory" in answer else list(answer.values())
    return max(int(node["used_memory"]) for node in nodes)


async def read_after(redis: Redis, stream: str, after: str, *, count: int, block_ms: int) -> list[Entry]:
    """Entries after the id `after`, waiting up to `block_ms` for the first."""
    return entries_of(await redis.xread({stream: after}, count=count, block=block_ms))


async def read_range(redis: Redis, stream: str, start: str, *, count: int) -> list[Entry]:
    """Entries from `start` on ("-": the first; "(id": after that id)."""
    return cast("list[Entry]", await redis.xrange(stream, min=start, count=count))


async def read_newest(redis: Redis, stream: str, *, count: int = 1, before: str = "+") -> list[Entry]:
    """The newest entries, newest first; `before`: "(id" for those before that id."""
    return cast("list[Entry]", await redis.xrevrange(stream, max=before, count=count))


async def newest_id(redis: Redis, stream: str) -> str:
    """The id of the newest entry, or "0-0"."""
    newest = await read_newest(redis, stream)
    return newest[0][0].decode() if newest else "0-0"


def entries_of(answer: Any) -> list[Entry]:
    """The entries in the answer to a read of one stream."""
    return cast("list[Entry]", answer[0][1]) if answer else []
