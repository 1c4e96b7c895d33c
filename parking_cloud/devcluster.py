"""A private Redis Cluster for tests: three nodes without replicas on free ports of 127.0.0.1."""

from __future__ import annotations

import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType

import redis

from parking_cloud.devstack import Server, ensure_program, free_port, write_private

NODES = 3
_SLOTS = 16_384
_LOCALHOST = "127.0.0.1"


class DevCluster:
    """The nodes under `home`, with one password; their data are removed when the context ends."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._password = secrets.token_urlsafe(18)
        self._servers: list[Server] = []
        self._ports: list[int] = []

    @property
    def url(self) -> str:
        """For PARKING_REDIS_URL: the first node, which names the others."""
        return f"redis-cluster://:{self._password}@{_LOCALHOST}:{self._ports[0]}"

    def __enter__(self) -> DevCluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Start the nodes and join them. Raises DevstackError, leaving nothing running."""
        ports = _free_ports(2 * NODES)
        self._ports, bus_ports = ports[:NODES], ports[NODES:]
        try:
            for number, (port, bus_port) in enumerate(zip(self._ports, bus_ports, strict=True)):
                self._configure(number, port, bus_port)
                self._launch(number, self._answers)
            self._join(bus_ports)
            for number, server in enumerate(self._servers):
                server.wait(partial(self._is_whole, number))
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Stop the nodes and delete their data."""
        for server in self._servers:
            server.stop()
        self._servers.clear()
        shutil.rmtree(self._home, ignore_errors=True)

    def kill(self, number: int) -> None:
        """kill -9 of one node."""
        self._servers[number].stop(signal.SIGKILL)

    def revive(self, number: int) -> None:
        """Start one node again, on the same ports and data, and wait until it takes part."""
        self._launch(number, self._is_whole)

    @contextmanager
    def node(self, number: int) -> Iterator[redis.Redis]:
        """A client of one node alone, which is not led on to the others."""
        with redis.Redis(host=_LOCALHOST, port=self._ports[number], password=self._password) as client:
            yield client

    def _configure(self, number: int, port: int, bus_port: int) -> None:
        folder = self._folder(number)
        folder.mkdir(parents=True)
        write_private(
            folder / "redis.conf",
            f"bind {_LOCALHOST}\nport {port}\ndir {folder}\n"
            f"requirepass {self._password}\nmasterauth {self._password}\n"
            # The usual port + 10000 may be taken, or lie beyond the last port.
            f"cluster-enabled yes\ncluster-port {bus_port}\ncluster-announce-ip {_LOCALHOST}\n"
            'appendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'.encode(),
        )
        self._servers.append(Server(f"redis-{number}", self._home))

    def _launch(self, number: int, ready: Callable[[int], bool]) -> None:
        program = ensure_program("redis-server", lambda _: None)
        server = self._servers[number]
        server.start([program, self._folder(number) / "redis.conf"])
        server.wait(lambda: ready(number))

    def _folder(self, number: int) -> Path:
        return self._home / f"redis-{number}"

    def _join(self, bus_ports: list[int]) -> None:
        """Give each node its share of the slots and an epoch of its own, then make them meet."""
        bounds = [_SLOTS * number // NODES for number in range(NODES + 1)]
        for number in range(NODES):
            with self.node(number) as client:
                client.cluster("ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
                client.cluster("SET-CONFIG-EPOCH", number + 1)
        with self.node(0) as client:
            for port, bus_port in list(zip(self._ports, bus_ports, strict=True))[1:]:
                client.cluster("MEET", _LOCALHOST, port, bus_port)

    def _answers(self, number: int) -> bool:
        try:
            with self.node(number) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _is_whole(self, number: int) -> bool:
        if not self._answers(number):
            return False
        with self.node(number) as client:
            info: dict[str, str] = client.cluster("INFO")
        return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(NODES)


def _free_ports(count: int) -> list[int]:
    """Different free ports; one that was just let go may be given twice."""
    found: dict[int, None] = {}
    while len(found) < count:
        found[free_port()] = None
    return list(found)
