"""`python -m parking_cloud.demo.outside`: the adapters of carriers, the invoice service and gates, for the
demo.

It takes what the real ones take, once by its id also after a kill -9, and sends nothing anywhere: what
came in is read at /inbox with the key. An invoice's amount must be above zero, and a red one must name one
that was issued.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import NotAuthorizedException

_KINDS = ("sms", "mail", "invoice")
_SHOWN = 200
_SLOW_S = 8.0
"""Longer than the platform waits for a gate's answer."""


class Inbox:
    """What has come in, in a file; each id once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as store:
            store.execute("pragma journal_mode = wal")
            store.execute(
                "create table if not exists taken (number integer primary key autoincrement,"
                " kind text not null, id text not null, body text not null, unique (kind, id))"
            )

    def take(self, kind: str, id_: str, body: str) -> int:
        """Its number; the same for the same id."""
        with self._open() as store:
            store.execute(
                "insert into taken (kind, id, body) values (?, ?, ?) on conflict do nothing",
                (kind, id_, body),
            )
            row = store.execute("select number from taken where kind = ? and id = ?", (kind, id_)).fetchone()
        return int(row[0])

    def has_invoice(self, number: str) -> bool:
        with self._open() as store:
            found = store.execute(
                "select 1 from taken where kind = 'invoice' and number = cast(? as integer)",
                (number.removeprefix("D"),),
            )
            return found.fetchone() is not None

    def newest(self) -> list[dict[str, Any]]:
        """What came last, the newest first."""
        with self._open() as store:
            rows = store.execute(
                "select number, kind, body from taken order by number desc limit ?", (_SHOWN,)
            ).fetchall()
        return [{"number": number, "kind": kind, "body": json.loads(body)} for number, kind, body in rows]

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)


def create_outside(inbox: Inbox, key: str) -> Litestar:
    """The adapters as an application."""

    def check(request: Request[Any, Any, Any]) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {key}"):
            raise NotAuthorizedException

    @post("/{kind:str}", status_code=200)
    async def take(request: Request[Any, Any, Any], kind: str) -> Response[dict[str, str]]:
        check(request)
        body = await request.json()
        if kind not in _KINDS or not isinstance(body, dict) or not body.get("id"):
            return Response({"error": "not understood"}, status_code=422)
        if kind != "invoice":
            number = await asyncio.to_thread(inbox.take, kind, str(body["id"]), json.dumps(body))
            return Response({"id": f"local-{number}"})
        return await _invoice(body)

    async def _invoice(body: dict[str, Any]) -> Response[dict[str, str]]:
        red_of = str(body.get("red_of", ""))
        if not isinstance(body.get("amount"), int) or body["amount"] <= 0:
            return Response({"error": "the amount must be above zero"}, status_code=422)
        if red_of and not await asyncio.to_thread(inbox.has_invoice, red_of):
            return Response({"error": "there is no such invoice to reverse"}, status_code=422)
        number = await asyncio.to_thread(inbox.take, "invoice", str(body["id"]), json.dumps(body))
        return Response({"number": f"D{number:020d}", "url": ""})

    @post("/gate/{mood:str}/{code:str}", status_code=200)
    async def gate(request: Request[Any, Any, Any], mood: str, code: str) -> Response[dict[str, Any]]:
        """The adapter of a shared facility's gate; it opens nothing, and behaves as its address says."""
        if mood == "away":
            return Response({}, status_code=503)
        if mood == "slow":
            await asyncio.sleep(_SLOW_S)
        data = (await request.json())["data"]
        await asyncio.to_thread(inbox.take, "gate", f"{code}-{data['version']}", json.dumps(_told(data)))
        ids = [entry["id"] for entry in data["entries"]]
        if mood == "full":
            refused = [{"id": id_, "reason": "名单已满（演示）"} for id_ in ids]
            return Response({"version": data["version"], "accepted": [], "refused": refused})
        return Response({"version": data["version"], "accepted": ids, "refused": []})

    @get("/inbox")
    async def shown(request: Request[Any, Any, Any]) -> list[dict[str, Any]]:
        check(request)
        return await asyncio.to_thread(inbox.newest)

    @get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ready"}

    return Litestar(route_handlers=[take, gate, shown, health], openapi_config=None)


def outside_url() -> str:
    """Where this process listens, by the environment."""
    return f"http://127.0.0.1:{os.environ.get('PARKING_OUTSIDE_PORT', '8090')}"


def _told(data: dict[str, Any]) -> dict[str, Any]:
    """What a gate was told, without plates: the inbox is read by people."""
    entries = [{**entry, "plate": "***" if entry["plate"] else None} for entry in data["entries"]]
    return {**data, "entries": entries}


def main() -> None:
    """Serve on 127.0.0.1 and nowhere else."""
    inbox = Inbox(Path(os.environ["PARKING_OUTSIDE_FILE"]))
    app = create_outside(inbox, os.environ["PARKING_CARRIER_KEY"])
    port = int(os.environ["PARKING_OUTSIDE_PORT"])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
