"""A small HTTP receiver of webhooks, on 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Receiver:
    """What was received, and what is answered."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.received: list[tuple[bytes, dict[str, str]]] = []
        self._more = asyncio.Condition()

    async def until(self, enough: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until what was received is enough."""
        async with asyncio.timeout(seconds), self._more:
            await self._more.wait_for(enough)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:]
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                async with self._more:
                    self.received.append((body, headers))
                    self._more.notify_all()
                writer.write(f"HTTP/1.1 {self.status} x\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver._serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield receiver
    finally:
        server.close()
