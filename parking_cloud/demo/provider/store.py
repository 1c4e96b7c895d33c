"""What the local provider remembers, in SQLite: one transaction a request, so kill -9 forgets no answer."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from parking_cloud.demo.provider.forms import invalid

Thing = dict[str, Any]
"""An object of the API. Names that begin with `_` are ours, and are not shown."""

_TABLES = """
create table if not exists thing (
    number integer primary key autoincrement,
    id text not null unique,
    object text not null,
    created integer not null,
    intent text not null,
    key text not null,
    data blob not null
);
create index if not exists thing_by_object on thing (object, number);
create index if not exists thing_by_time on thing (object, created, number);
create index if not exists thing_by_intent on thing (intent, object);
create index if not exists thing_by_key on thing (key) where key <> '';
create table if not exists answer (
    key text primary key, said blob not null, status integer not null, body blob not null, at real not null
);
create table if not exists delivery (
    event text not null, endpoint text not null, attempts integer not null, at real not null,
    primary key (event, endpoint)
);
create table if not exists later (id text not null, deed text not null, at real not null);
"""
_KEYS_KEPT_S = 24 * 3600
_EVENTS_KEPT_S = 30 * 24 * 3600


class Store:
    """Objects, answers by idempotency key, webhooks to deliver, and deeds for later."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        # What is committed is with the system, and survives our death; only a power cut could lose it.
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = off")
        self._db.executescript(_TABLES)
        now = time.time()
        self._db.execute("delete from answer where at < ?", [now - _KEYS_KEPT_S])
        self._db.execute(
            "delete from thing where object = 'event' and created < ?"
            " and id not in (select event from delivery)",
            [now - _EVENTS_KEPT_S],
        )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def add(self, prefix: str, thing: Thing) -> Thing:
        """A new object: given its id and time, and kept."""
        id = f"{prefix}_{secrets.token_hex(12)}"
        thing = {"id": id, "created": int(time.time()), "livemode": False, **thing}
        self._db.execute(
            "insert into thing (id, object, created, intent, key, data) values (?, ?, ?, ?, ?, ?)",
            [
                thing["id"],
                thing["object"],
                thing["created"],
                thing.get("payment_intent") or "",
                (thing.get("metadata") or {}).get("key", ""),
                msgspec.json.encode(thing),
            ],
        )
        return thing

    def save(self, thing: Thing) -> None:
        """Keep an object as it now is."""
        self._db.execute("update thing set data = ? where id = ?", [msgspec.json.encode(thing), thing["id"]])

    def get(self, id: str, *objects: str) -> Thing:
        """An object of one of these kinds. Raises Refusal."""
        row = self._db.execute("select object, data from thing where id = ?", [id]).fetchone()
        if row is None or (objects and row[0] not in objects):
            what = objects[0] if objects else "object"
            raise invalid("resource_missing", f"No such {what}: '{id}'", status=404)
        return msgspec.json.decode(row[1], type=Thing)

    def find(
        self,
        object: str,
        *,
        intent: str = "",
        key: str = "",
        since: int = 0,
        before: int = 1 << 40,
        after_id: str = "",
        limit: int = 10,
    ) -> list[Thing]:
        """Newest first; with `after_id`, what is older than that one."""
        where, values = "object = ? and created >= ? and created < ?", [object, since, before]
        for column, value in (("intent", intent), ("key", key)):
            if value:
                where, values = f"{where} and {column} = ?", [*values, value]
        if after_id:
            where, values = (
                f"{where} and number < (select number from thing where id = ?)",
                [*values, after_id],
            )
        rows = self._db.execute(
            f"select data from thing where {where} order by number desc limit ?", [*values, limit]
        )
        return [msgspec.json.decode(data, type=Thing) for (data,) in rows]

    def tell(self, kind: str, thing: Thing) -> None:
        """An event, to be delivered to every endpoint that wants its kind."""
        event = self.add(
            "evt",
            {
                "object": "event",
                "type": kind,
                "data": {"object": shown(thing)},
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
            },
        )
        for endpoint in self.find("webhook_endpoint", limit=100):
            if endpoint["status"] == "enabled" and {"*", kind} & set(endpoint["enabled_events"]):
                self._db.execute("insert into delivery values (?, ?, 0, ?)", [event["id"], endpoint["id"], 0])

    def deliveries(self, now: float, limit: int) -> list[tuple[str, str, int]]:
        """(event, endpoint, attempts so far) that are due."""
        rows = self._db.execute(
            "select event, endpoint, attempts from delivery where at <= ? order by at, rowid limit ?",
            [now, limit],
        )
        return list(rows)

    def delivered(self, event: str, endpoint: str) -> None:
        self._db.execute("delete from delivery where event = ? and endpoint = ?", [event, endpoint])

    def deliver_again(self, event: str, endpoint: str, at: float) -> None:
        self._db.execute(
            "update delivery set attempts = attempts + 1, at = ? where event = ? and endpoint = ?",
            [at, event, endpoint],
        )

    def do_later(self, id: str, deed: str, seconds: float) -> None:
        self._db.execute("insert into later values (?, ?, ?)", [id, deed, time.time() + seconds])

    def take_due(self, now: float) -> list[tuple[str, str]]:
        """(id, deed) whose time has come; they are not given again once this transaction is through."""
        return list(self._db.execute("delete from later where at <= ? returning id, deed", [now]))

    def next_at(self) -> float | None:
        """When something is due next."""
        row = self._db.execute(
            "select min(at) from (select at from delivery union all select at from later)"
        ).fetchone()
        return None if row is None else row[0]

    def answered(self, key: str) -> tuple[bytes, int, bytes] | None:
        """What was asked with a key, and its answer."""
        row = self._db.execute("select said, status, body from answer where key = ?", [key]).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def remember_answer(self, key: str, said: bytes, status: int, body: bytes) -> None:
        self._db.execute("insert into answer values (?, ?, ?, ?, ?)", [key, said, status, body, time.time()])


def shown(thing: Thing) -> Thing:
    """As the API shows it."""
    return {name: value for name, value in thing.items() if not name.startswith("_")}
