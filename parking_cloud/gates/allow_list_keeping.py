"""How a facility's gate is told, and gates that fetch their lists themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.allow_list_rules import Way
from parking_cloud.gates.allow_list_wire import AllowList, ListAnswer, note_answer, note_told, told_after
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotFound
from parking_cloud.registry.service import FacilityLabel, facility_label
from sensor_gateway.sealing import PlateVault

_OF_AN_OPERATOR = (Role.OPERATOR_STAFF, Role.INTEGRATION)


class FacilityNotFound(NotFound):
    slug = "facility-not-found"
    title = {"zh-CN": "没有这个停车场", "en": "There is no such facility"}


class AdapterIn(msgspec.Struct, frozen=True, kw_only=True):
    """How a gate learns of passes. `url` with `push` only."""

    way: Way
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]+\Z", max_length=500)] | None = None


class AdapterOut(msgspec.Struct, frozen=True, kw_only=True):
    """How a gate is told and how far it is. `waiting`: passes to come that it has not answered for."""

    facility: str
    way: Way
    url: str | None
    version: int
    held_version: int
    heard_at: datetime | None
    failure: str
    waiting: int
    refused: int


async def place_of(session: AsyncSession, who: Identity, facility: str) -> FacilityLabel:
    """A facility, for its operator's people and systems. Raises FacilityNotFound, NotAllowed."""
    place = await facility_label(session, facility)
    if place is None:
        raise FacilityNotFound()
    if who.role in _OF_AN_OPERATOR and who.operator_id != place.operator_id:
        raise NotAllowed()
    return place


async def set_adapter(
    session: AsyncSession, who: Identity, place: FacilityLabel, said: AdapterIn, now: datetime
) -> int:
    """From now on the gate is told so, and hears its whole list: what was answered before, another had said.
    The generation of its secret."""
    if (said.way is Way.PUSH) != (said.url is not None):
        raise InvalidInput(errors=[{"field": "url", "message": "is needed with push, and only then"}])
    generation: int | None = await session.scalar(
        text(
            "insert into gate_allow_list as l (facility_id, way, url, generation, push_at, changed_at)"
            " values (:id, :way, :url, 1, :now, :now) on conflict (facility_id) do update set way = :way,"
            " url = :url, generation = l.generation + 1, push_at = :now, held_version = 0, attempts = 0,"
            " failure = '', leased_until = null, changed_at = :now returning generation"
        ),
        {"id": place.id, "way": said.way.value, "url": said.url, "now": now},
    )
    await session.execute(
        text(
            "update gate_pass set told_version = null, told_at = null, answered_version = null,"
            " answered_at = null, accepted = null, failure = '' where facility_id = :id"
            " and withdrawn_at is null and ends_at > :now"
        ),
        {"id": place.id, "now": now},
    )
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="gates.adapter_set",
        subject_type="facility",
        subject_id=str(place.id),
        detail={"way": said.way.value},
    )
    return generation or 1


async def adapter(session: AsyncSession, place: FacilityLabel, now: datetime) -> AdapterOut:
    """How a facility's gate is told, and how far it is."""
    return (await adapters(session, [place], now))[0]


async def adapters(session: AsyncSession, places: Sequence[FacilityLabel], now: datetime) -> list[AdapterOut]:
    """The same of several facilities, in their order."""
    rows = await session.execute(
        text(
            "select l.facility_id, l.way, l.url, l.version, l.held_version, l.heard_at, l.failure,"
            " count(p.id) filter (where p.answered_version is distinct from p.version) as waiting,"
            " count(p.id) filter (where p.answered_version = p.version and not p.accepted) as refused"
            " from gate_allow_list l left join gate_pass p on p.facility_id = l.facility_id"
            " and p.withdrawn_at is null and p.ends_at > :now where l.facility_id = any(:ids)"
            " group by l.facility_id"
        ),
        {"ids": [place.id for place in places], "now": now},
    )
    found = {row.facility_id: row for row in rows}
    return [_adapter(place.code, found.get(place.id)) for place in places]


def _adapter(code: str, row: Row[Any] | None) -> AdapterOut:
    """Of a facility without a list nobody has said anything."""
    return AdapterOut(
        facility=code,
        way=Way(row.way) if row else Way.UNSET,
        url=row.url if row else None,
        version=row.version if row else 0,
        held_version=row.held_version if row else 0,
        heard_at=row.heard_at if row else None,
        failure=row.failure if row else "",
        waiting=row.waiting if row else 0,
        refused=row.refused if row else 0,
    )


async def fetched(
    session: AsyncSession, vault: PlateVault | None, place: FacilityLabel, after: int, now: datetime
) -> AllowList:
    """What a gate is told that holds `after`. A gate that fetches is one that pulls, unless it was said
    otherwise."""
    version: int | None = await session.scalar(
        text(
            "insert into gate_allow_list as l (facility_id, way, heard_at) values (:id, 'pull', :now)"
            " on conflict (facility_id) do update set heard_at = :now,"
            " way = case when l.way = 'unset' then 'pull' else l.way end,"
            " held_version = case when l.way = 'push' then l.held_version else least(:after, l.version) end"
            " returning version"
        ),
        {"id": place.id, "now": now, "after": after},
    )
    told = await told_after(session, vault, place.id, place.code, version=version or 0, after=after, now=now)
    await note_told(session, told, now)
    return told.message


async def acknowledged(session: AsyncSession, facility_id: UUID, answer: ListAnswer, now: datetime) -> int:
    """What a gate that fetches has taken over; how many of the entries are of its list."""
    return await note_answer(session, facility_id, answer, now)
