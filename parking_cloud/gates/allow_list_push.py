"""Lists pushed to gates: signed, in order, and again with growing pauses until the gate has answered.

One message a gate is under way at a time. A gate that holds another version than we think (409) is sent the
whole list. What a gate does not name in its answer is not answered.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import httpx
import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.gates.allow_list_rules import next_try
from parking_cloud.gates.allow_list_wire import ListAnswer, Told, note_answer, note_told, told_after
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.hook_address import allowed_by
from parking_cloud.kernel.hooks import Answer, Message, derived_secret, post_signed
from parking_cloud.kernel.settings import Settings
from parking_cloud.registry.service import facility_labels
from sensor_gateway.sealing import PlateVault

_LEASE = timedelta(seconds=60)
_AT_ONCE = 20
_OTHER_VERSION = 409

log = structlog.get_logger(__name__)


class _Due(NamedTuple):
    facility_id: UUID
    url: str
    secret: bytes
    generation: int
    attempts: int
    told: Told


class _Heard(NamedTuple):
    """What came of one push: the gate's answer, or why there is none."""

    failure: str
    answer: ListAnswer | None = None
    other_version: bool = False


def secret_of(key: str, facility_id: UUID, generation: int) -> bytes:
    """The secret that signs what is pushed to a facility's gate."""
    return derived_secret(key, f"gate allow list {facility_id} {generation}")


class ListDesk:
    """One desk; several may work side by side."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        client: httpx.AsyncClient,
        settings: Settings,
        vault: PlateVault | None,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._client = client
        self._allowed = allowed_by(settings)
        self._key = settings.secret_key
        self._vault = vault
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    async def start_due(self) -> None:
        """Begin to tell the gates that are to be told. A slow one holds up no other."""
        now = self._clock.now()
        async with transaction(self._sessions) as session:
            due = await _claim(session, self._key, self._vault, now)
        for one in due:
            task = asyncio.create_task(self._safely(one, now))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def turn(self) -> int:
        """Tell the gates that are to be told, and hear what they answer; how many."""
        await self.start_due()
        started = list(self._running)
        await asyncio.gather(*started)
        return len(started)

    async def _safely(self, due: _Due, now: datetime) -> None:
        """One that fails is taken up again after its lease."""
        try:
            await self._push(due, now)
        except Exception:
            log.exception("a gate could not be told", facility=due.told.message.facility)

    async def _push(self, due: _Due, now: datetime) -> None:
        message = due.told.message
        body = msgspec.json.encode({"type": "gate.allow_list", "timestamp": now, "data": message})
        id_ = f"allow-list-{due.facility_id}-{message.after}-{message.version}"
        said = await post_signed(self._client, self._allowed, Message(due.url, due.secret, id_, body), now)
        async with transaction(self._sessions) as session:
            await _note(session, due, _read(due.told, said), self._clock.now())


async def _claim(session: AsyncSession, key: str, vault: PlateVault | None, now: datetime) -> list[_Due]:
    rows = (
        await session.execute(
            text(
                "with due as (select facility_id from gate_allow_list where way = 'push' and push_at <= :now"
                " and (leased_until is null or leased_until <= :now)"
                " order by push_at limit :most for update skip locked)"
                " update gate_allow_list l set push_at = :until, leased_until = :until from due"
                " where l.facility_id = due.facility_id"
                " returning l.facility_id, l.url, l.generation, l.attempts, l.version, l.held_version"
            ),
            {"now": now, "until": now + _LEASE, "most": _AT_ONCE},
        )
    ).all()
    labels = await facility_labels(session, [row.facility_id for row in rows])
    due = []
    for row in rows:
        code = labels[row.facility_id].code
        told = await told_after(
            session, vault, row.facility_id, code, version=row.version, after=row.held_version, now=now
        )
        await note_told(session, told, now)
        secret = secret_of(key, row.facility_id, row.generation)
        due.append(_Due(row.facility_id, row.url, secret, row.generation, row.attempts, told))
    return due


def _read(told: Told, said: Answer) -> _Heard:
    """An answer that does not name every entry leaves those unanswered, and the list is told again."""
    if said.status == _OTHER_VERSION:
        return _Heard("the gate holds another version", other_version=True)
    if said.failure:
        return _Heard(said.failure)
    try:
        answer = msgspec.json.decode(said.body, type=ListAnswer)
    except msgspec.DecodeError:
        return _Heard("the answer is no answer to a list")
    if answer.version != told.message.version:
        return _Heard("the answer is to another version")
    named = {*answer.accepted, *(refused.id for refused in answer.refused)}
    missing = [entry for entry in told.message.entries if entry.id not in named]
    return _Heard("not every entry was answered" if missing else "", answer)


async def _note(session: AsyncSession, due: _Due, heard: _Heard, now: datetime) -> None:
    """The lease ends; what was changed meanwhile is told at once. A gate that was replaced meanwhile has
    nothing more to say."""
    row = (
        await session.execute(
            text(
                "select version, held_version, generation from gate_allow_list"
                " where facility_id = :id for update"
            ),
            {"id": due.facility_id},
        )
    ).one()
    if row.generation != due.generation:
        return
    if heard.answer is not None:
        await note_answer(session, due.facility_id, heard.answer, now)
    message = due.told.message
    held = row.held_version if heard.failure else message.version
    push_at = None if row.version == message.version else now
    if heard.other_version and not message.full:
        held, push_at = 0, now
    elif heard.failure:
        push_at = now + next_try(due.attempts + 1)
    await session.execute(
        text(
            "update gate_allow_list set leased_until = null, held_version = :held, push_at = :push_at,"
            " failure = :failure, attempts = case when :failure = '' then 0 else attempts + 1 end,"
            " heard_at = case when :heard then :now else heard_at end where facility_id = :id"
        ),
        {
            "id": due.facility_id,
            "held": held,
            "push_at": push_at,
            "failure": heard.failure,
            "heard": heard.answer is not None or heard.other_version,
            "now": now,
        },
    )
