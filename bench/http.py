"""A lean HTTP client over keep-alive connections: what loads the machine has to be what is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """One server; as many connections as requests are under way."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        common = {"Host": parts.netloc, "Accept": "application/json", **(headers or {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in common.items())
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, target: str) -> Answer:
        return await self._ask("GET", target, b"", "application/json")

    async def post(self, target: str, said: Any) -> Answer:
        return await self._ask("POST", target, msgspec.json.encode(said), "application/json")

    async def post_form(self, target: str, form: str) -> Answer:
        return await self._ask("POST", target, form.encode(), "application/x-www-form-urlencoded")

    async def _ask(self, method: str, target: str, body: bytes, kind: str) -> Answer:
        """Raises OSError or asyncio.IncompleteReadError where the server is away, or goes."""
        reader, writer = await self._connection()
        try:
            head = f"{method} {target} HTTP/1.1\r\n{self._head}"
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await _read(reader)
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()  # the server was tired of waiting
        return await asyncio.open_connection(self._host, self._port)

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()


async def _read(reader: asyncio.StreamReader) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if name}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, body)
