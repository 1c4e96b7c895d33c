"""Occupancy's verbs: what is free now, in one facility, near a point, or in the whole city."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.problems import NotFound
from parking_cloud.occupancy.boxes import Box
from parking_cloud.occupancy.rules import (
    Numbers,
    carried_on,
    is_stale,
    numbers_from_count,
    numbers_from_spaces,
)
from parking_cloud.occupancy.schemas import (
    CityTotals,
    FacilityDetail,
    FacilityNow,
    FacilityPage,
    PositionOut,
    SpaceNow,
)


class FacilityNotFound(NotFound):
    slug = "facility-not-found"
    title = {"zh-CN": "没有这个停车场", "en": "There is no such facility"}


_COLUMNS = (
    "id, code, name, name_en, kind, counting, district, address, capacity, shared_spaces, synthetic,"
    " lat, lon, occupied_spaces, free_spaces, spaces_observed_at, reported_free,"
    " counted_free, counted_at, known_spaces, certain_spaces, certain_at"
)
_ONE = text(f"select {_COLUMNS} from facility_now where id = :id")
_ONE_BY_CODE = text(f"select {_COLUMNS} from facility_now where code = :code")
_SOME = text(f"select {_COLUMNS} from facility_now where id = any(:ids)")
_ALL = text(f"select {_COLUMNS} from facility_now order by code")
_PAGE = text(
    f"select {_COLUMNS} from facility_now where code > :after"
    " and (cast(:kind as text) is null or kind = :kind)"
    " and (cast(:district as text) is null or district = :district) order by code limit :limit"
)
_NEAR = text(
    f"""
    select {_COLUMNS}, st_distance(position, here.point) as distance_m
    from facility_now, (select cast(st_point(:lon, :lat) as geography) as point) here
    where st_dwithin(position, here.point, :radius_m)
    order by position <-> here.point, code limit :limit
    """
)
# A box of degrees is no box on the globe, so its edges are compared as numbers.
_WITHIN = text(
    "select id from facility_now where lon between :west and :east and lat between :south and :north"
)
_SPACES = text(
    "select s.id, s.number, s.kind, s.shared, case when not n.silent then n.shown end as occupied,"
    " n.observed_at from space s left join space_state n on n.space_id = s.id"
    " where s.facility_id = :id order by s.number"
)


_STANDING = text(
    "select n.space_id, n.occupied, n.changed_at, not n.silent and n.settles_at is null"
    " and not exists (select from device d join device_accuracy a on a.device_id = d.id and a.doubted"
    " where d.space_id = n.space_id) as certain"
    " from space_state n where n.space_id = any(:ids) and n.occupied is not null and n.changed_at is not null"
)


_COUNTED_EMPTY = text(
    "select s.facility_id, s.reported_at from facility_state s join facility f on f.id = s.facility_id"
    " where f.counting = 'counter' and s.reported_at >= :since and s.reported_free >= f.capacity"
)

_STATES = text(f"select {_COLUMNS} from facility_now where id > :after order by id limit :limit")


class ShownState(NamedTuple):
    """A facility's numbers as shown."""

    id: UUID
    numbers: Numbers
    observed_at: datetime | None


async def states_page(session: AsyncSession, after: UUID, limit: int = 500) -> list[ShownState]:
    """Every facility's numbers, by id; those after `after`."""
    rows = await session.execute(_STATES, {"after": after, "limit": limit})
    return [ShownState(row.id, *_numbers(row)) for row in rows]


async def near(
    session: AsyncSession,
    *,
    lat: float,
    lon: float,
    radius_m: float,
    limit: int,
    now: datetime,
    stale_after: timedelta,
) -> list[tuple[FacilityNow, float]]:
    """Facilities within `radius_m` of a WGS-84 point, nearest first, each with its distance (metres)."""
    rows = await session.execute(_NEAR, {"lat": lat, "lon": lon, "radius_m": radius_m, "limit": limit})
    return [(_facility(row, now, stale_after), round(row.distance_m, 1)) for row in rows]


async def list_facilities(
    session: AsyncSession, *, now: datetime, stale_after: timedelta
) -> list[FacilityNow]:
    """All facilities, by code."""
    return [_facility(row, now, stale_after) for row in await session.execute(_ALL)]


async def page_facilities(
    session: AsyncSession,
    *,
    after: str,
    limit: int,
    kind: str | None,
    district: str | None,
    now: datetime,
    stale_after: timedelta,
) -> FacilityPage:
    """One page of facilities by code, and the cursor of the next (None at the end)."""
    parameters = {"after": after, "limit": limit + 1, "kind": kind, "district": district}
    rows = await session.execute(_PAGE, parameters)
    items: list[FacilityNow] = [_facility(row, now, stale_after) for row in rows]
    more = len(items) > limit
    return FacilityPage(items=items[:limit], next_cursor=items[limit - 1].code if more else None)


async def get_facility(
    session: AsyncSession, id_or_code: str, *, now: datetime, stale_after: timedelta
) -> FacilityDetail:
    """One facility by id or code. Raises FacilityNotFound."""
    row = (await session.execute(*_by_name(id_or_code))).one_or_none()
    if row is None:
        raise FacilityNotFound()
    return _facility(row, now, stale_after)


async def get_facilities(
    session: AsyncSession, ids: Sequence[UUID], *, now: datetime, stale_after: timedelta
) -> list[FacilityNow]:
    """Those of `ids` that exist, in no order."""
    rows = await session.execute(_SOME, {"ids": list(ids)})
    return [_facility(row, now, stale_after) for row in rows]


async def facilities_within(session: AsyncSession, box: Box) -> set[UUID]:
    """The facilities in a box."""
    return set(await session.scalars(_WITHIN, box._asdict()))


async def list_spaces(
    session: AsyncSession, id_or_code: str, *, now: datetime, stale_after: timedelta
) -> list[SpaceNow]:
    """The spaces of a facility by number. Raises FacilityNotFound."""
    facility = (await session.execute(*_by_name(id_or_code))).one_or_none()
    if facility is None:
        raise FacilityNotFound()
    return [
        SpaceNow(
            id=row.id,
            number=row.number,
            kind=row.kind,
            shared=row.shared,
            occupied=row.occupied,
            observed_at=row.observed_at,
            stale=is_stale(row.observed_at, now, stale_after),
        )
        for row in await session.execute(_SPACES, {"id": facility.id})
    ]


class SpaceStanding(NamedTuple):
    """A space as it stands. `certain`: its sensor is heard, in no doubt, and has not just flapped."""

    occupied: bool
    changed_at: datetime
    certain: bool


async def standing_of_spaces(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, SpaceStanding]:
    """Those of these spaces of which anything is known."""
    rows = await session.execute(_STANDING, {"ids": list(ids)})
    return {row.space_id: SpaceStanding(row.occupied, row.changed_at, row.certain) for row in rows}


async def seen_occupied(
    session: AsyncSession, facility_id: UUID, space_id: UUID, since: datetime, until: datetime
) -> bool:
    """Whether anything said of a space in a time that somebody stood on it."""
    found = await session.scalar(
        text(
            "select exists (select from observation where facility_id = :facility and space_id = :space"
            " and occupied and observed_at between :since and :until)"
        ),
        {"facility": facility_id, "space": space_id, "since": since, "until": until},
    )
    return bool(found)


async def counted_empty(session: AsyncSession, since: datetime) -> dict[UUID, datetime]:
    """The facilities whose last full count, made since then, found nobody there; each with its time."""
    rows = await session.execute(_COUNTED_EMPTY, {"since": since})
    return {row.facility_id: row.reported_at for row in rows}


def city_totals(facilities: Sequence[FacilityNow]) -> CityTotals:
    """Sums over facilities; those without a number count their capacity as unknown."""
    return CityTotals(
        facilities=len(facilities),
        spaces=sum(f.capacity for f in facilities),
        free=sum(f.free or 0 for f in facilities),
        occupied=sum(f.occupied or 0 for f in facilities),
        unknown=sum(f.unknown for f in facilities),
        stale_facilities=sum(f.stale for f in facilities),
        shared_spaces=sum(f.shared_spaces for f in facilities),
    )


def _by_name(id_or_code: str) -> tuple[Any, dict[str, Any]]:
    try:
        return _ONE, {"id": UUID(id_or_code)}
    except ValueError:
        return _ONE_BY_CODE, {"code": id_or_code}


def _facility(row: Row[Any], now: datetime, stale_after: timedelta) -> FacilityDetail:
    numbers, observed_at = _numbers(row)
    stale = is_stale(observed_at, now, stale_after)
    known, certainty = (0, 0.0) if stale else _known(row, numbers, now, stale_after)
    return FacilityDetail(
        id=row.id,
        code=row.code,
        name=row.name,
        name_en=row.name_en,
        kind=row.kind,
        district=row.district,
        address=row.address,
        position=None if row.lat is None else PositionOut(row.lat, row.lon),
        capacity=row.capacity,
        free=numbers.free,
        occupied=numbers.occupied,
        unknown=numbers.unknown,
        known=known,
        certainty=certainty,
        observed_at=observed_at,
        stale=stale,
        quality=numbers.quality,
        shared_spaces=row.shared_spaces,
        synthetic=row.synthetic,
        reported_free=row.reported_free,
        counting=row.counting,
    )


def _numbers(row: Row[Any]) -> tuple[Numbers, datetime | None]:
    """What is shown of a facility, and when that was observed."""
    if row.counting == "counter":
        return numbers_from_count(row.counted_free, row.capacity), row.counted_at
    return numbers_from_spaces(row.occupied_spaces, row.free_spaces, row.capacity), row.spaces_observed_at


def _known(row: Row[Any], numbers: Numbers, now: datetime, stale_after: timedelta) -> tuple[int, float]:
    """How many spaces of a facility that is not stale are known, and how surely (0..1)."""
    known: int = row.capacity - numbers.unknown if row.counting == "counter" else row.known_spaces or 0
    certain = carried_on(row.certain_spaces, row.certain_at, now, stale_after)
    share = min(certain / row.capacity, 1.0) if row.capacity else 0.0
    return min(known, row.capacity), round(share, 3)
