"""The spaces' states and their facilities' sums: followed in memory, fitted in late, or worked out anew.

Rows are locked spaces first, then facilities, each in order of their id, so that batches running side by side
cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.occupancy.rules import (
    SpaceView,
    Statement,
    carried_over,
    fit_in_late,
    follow,
    replay,
    settle,
)
from parking_cloud.registry.service import HOLD_OFF, Place, places_of_devices_at
from sensor_gateway.observation import Observation

_REPLAYED = 200
"""Statements of a device that are read again for a space; more within one flapping are not told apart."""
_CONTEXT = timedelta(days=7)
"""How far before a late statement the history is read again. What was said longer before it, longer than any
hold-off, has no part in what is shown; since when the space is so, the view of it knows itself."""
MISSED = 3
"""Keep-alives that a sensor may miss in a row before its space is unknown."""

Views = dict[UUID, tuple[UUID, SpaceView | None]]
"""Space id → its facility, and what is known of it."""


async def settle_spaces(session: AsyncSession, now: datetime) -> set[UUID]:
    """Show what has lasted its hold-off; the facilities that changed."""
    views = await _lock(session, "settles_at <= :now", {"now": now})
    settled = {space: settle(view, now) for space, (_, view) in views.items() if view}
    await ensure_facilities(session, {facility for facility, _ in views.values()})
    return await write_spaces(session, views, settled)


async def forget_silent_spaces(session: AsyncSession, now: datetime) -> set[UUID]:
    """Count as unknown what no sensor has spoken of for three keep-alives, or watches any more.

    The facilities that changed. An empty space whose sensor has died must not be offered for weeks.
    """
    # Both sides whole, by hash: some tenths of a second for 100,000 spaces, once a minute.
    views = await _lock(
        session,
        "space_id in (select s.space_id from space_state s left join"
        "  (select space_id, max(keep_alive) as keep_alive from device_watch group by space_id) w"
        "  on w.space_id = s.space_id where not s.silent and s.occupied is not null"
        "  and s.observed_at < :now - coalesce(w.keep_alive * :missed, interval '0'))",
        {"now": now, "missed": MISSED},
    )
    silent = {s: msgspec.structs.replace(view, silent=True) for s, (_, view) in views.items() if view}
    await ensure_facilities(session, {facility for facility, _ in views.values()})
    return await write_spaces(session, views, silent)


async def lock_spaces(session: AsyncSession, fresh: Collection[Observation], again: set[UUID]) -> Views:
    """The views of all spaces that are spoken of, and of those in `again`, locked until the commit."""
    homes = {o.space_id: o.facility_id for o in fresh if o.occupied is not None and o.space_id is not None}
    wanted = sorted(homes.keys() | again)
    views = await _lock(session, "space_id = any(:ids)", {"ids": wanted})
    missing = [space for space in wanted if space not in views and space in homes]
    if missing:
        await session.execute(
            text(
                "insert into space_state (space_id, facility_id)"
                " select * from unnest(cast(:spaces as uuid[]), cast(:facilities as uuid[]))"
                " on conflict do nothing"
            ),
            {"spaces": missing, "facilities": [homes[space] for space in missing]},
        )
        views |= await _lock(session, "space_id = any(:ids)", {"ids": missing})
    return views


async def move_spaces(
    session: AsyncSession,
    views: Views,
    fresh: Collection[Observation],
    moved: Collection[Observation],
    places: Mapping[UUID, Place],
) -> dict[UUID, SpaceView]:
    """The new views of the spaces that are spoken of: followed, fitted in, or read again.

    `views` as locked by `lock_spaces`; those of which a row has `moved` are worked out from the history.
    """
    said: dict[UUID, list[Statement]] = {}
    hold_offs: dict[UUID, timedelta] = {}
    for o in fresh:
        if o.occupied is not None and o.space_id is not None:
            said.setdefault(o.space_id, []).append(Statement(o.observed_at, o.id, o.occupied))
            hold_offs[o.space_id] = max(hold_offs.get(o.space_id, timedelta()), places[o.device_id].hold_off)
    again = {o.space_id: o.observed_at for o in sorted(moved, key=_at, reverse=True) if o.space_id in views}
    found: dict[UUID, SpaceView] = {}
    for space, statements in said.items():
        view = _fitted(views[space][1], sorted(statements), hold_offs[space])
        if view is None or space in again:
            first = min(statements).at
            again[space] = min(again.get(space, first), first)
        else:
            found[space] = view
    if again:
        found |= await _from_history(session, again, views)
    arrived = max((o.received_at for o in (*fresh, *moved)), default=None)
    return found if arrived is None else {space: settle(view, arrived) for space, view in found.items()}


def _at(o: Observation) -> datetime:
    return o.observed_at


def _fitted(view: SpaceView | None, statements: list[Statement], hold_off: timedelta) -> SpaceView | None:
    """The view after these statements; None where only the history can tell."""
    for statement in statements:
        if view is None or statement > view.newest:
            view = follow(view, statement, hold_off)
        else:
            view = fit_in_late(view, statement, hold_off)
            if view is None:
                return None
    return view


async def _from_history(
    session: AsyncSession, spaces: Mapping[UUID, datetime], views: Views
) -> dict[UUID, SpaceView]:
    """The views of spaces as their devices' statements say them, each from a time of its own on."""
    places = await places_of_devices_at(session, {views[space][0] for space in spaces})
    watching = {device: place for device, place in places.items() if place.space_id in spaces}
    since = min(spaces.values()) - _CONTEXT
    rows = await session.execute(
        text(
            "select d.space_id, o.observed_at, o.id, o.occupied"
            " from unnest(cast(:devices as uuid[]), cast(:spaces as uuid[])) as d(device_id, space_id),"
            " lateral (select observed_at, id, occupied from observation where device_id = d.device_id"
            " and space_id = d.space_id and occupied is not null and observed_at >= :since"
            " order by observed_at desc, id desc limit :limit) o"
        ),
        {
            "devices": list(watching),
            "spaces": [place.space_id for place in watching.values()],
            "since": since,
            "limit": _REPLAYED,
        },
    )
    told: dict[UUID, list[Statement]] = {}
    for space, at, id_, occupied in rows:
        told.setdefault(space, []).append(Statement(at, id_, occupied))
    found: dict[UUID, SpaceView] = {}
    for space, statements in told.items():
        watchers = {device: place.hold_off for device, place in watching.items() if place.space_id == space}
        view = replay(statements, max(watchers.values(), default=HOLD_OFF))
        if view is not None and view.opposite_at is None:
            view = await _since_when(session, space, view, list(watchers), since)
        if view is not None:
            found[space] = carried_over(view, views[space][1], since)
    return found


async def _since_when(
    session: AsyncSession, space: UUID, view: SpaceView, devices: list[UUID], since: datetime
) -> SpaceView:
    """For a space whose newest statements all say the same: how far back that goes, at most to `since`."""
    row = (
        await session.execute(
            text(
                "with said as (select observed_at, occupied from observation where device_id = any(:devices)"
                "  and space_id = :space and occupied is not null and observed_at >= :since),"
                " opposite as (select max(observed_at) as at from said"
                "  where occupied = not cast(:occupied as bool))"
                " select opposite.at, (select min(observed_at) from said where occupied = :occupied"
                "  and (opposite.at is null or observed_at > opposite.at)) as since from opposite"
            ),
            {"devices": devices, "space": space, "occupied": view.newest.occupied, "since": since},
        )
    ).one()
    return msgspec.structs.replace(view, opposite_at=row.at, changed_at=row.since or view.changed_at)


async def _lock(session: AsyncSession, which: str, parameters: dict[str, Any]) -> Views:
    rows = await session.execute(
        text(
            "select space_id, facility_id, occupied, observed_at, observation_id, changed_at, shown,"
            f" opposite_at, settles_at, silent from space_state where {which} order by space_id for update"
        ),
        parameters,
    )
    return {
        space: (
            facility,
            None
            if occupied is None
            else SpaceView(Statement(at, id_, occupied), changed_at, shown, opposite_at, settles_at, silent),
        )
        for space, facility, occupied, at, id_, changed_at, shown, opposite_at, settles_at, silent in rows
    }


async def write_spaces(session: AsyncSession, views: Views, moved: Mapping[UUID, SpaceView]) -> set[UUID]:
    """Write the views that changed and their facilities' sums; the facilities touched.

    The facilities are locked already, by `ensure_facilities`.
    """
    rows = [(space, view) for space, view in moved.items() if view != views[space][1]]
    if not rows:
        return set()
    await session.execute(
        text(
            """
            update space_state s set occupied = n.occupied, observed_at = n.at, observation_id = n.id,
                changed_at = n.changed_at, shown = n.shown, opposite_at = n.opposite_at,
                settles_at = n.settles_at, silent = n.silent
            from unnest(cast(:spaces as uuid[]), cast(:occupied as bool[]), cast(:times as timestamptz[]),
                cast(:ids as uuid[]), cast(:changed as timestamptz[]), cast(:shown as bool[]),
                cast(:opposite as timestamptz[]), cast(:settles as timestamptz[]), cast(:silent as bool[]))
                as n(space_id, occupied, at, id, changed_at, shown, opposite_at, settles_at, silent)
            where s.space_id = n.space_id
            """
        ),
        {
            "spaces": [space for space, _ in rows],
            "occupied": [view.newest.occupied for _, view in rows],
            "times": [view.newest.at for _, view in rows],
            "ids": [view.newest.id for _, view in rows],
            "changed": [view.changed_at for _, view in rows],
            "shown": [view.shown for _, view in rows],
            "opposite": [view.opposite_at for _, view in rows],
            "settles": [view.settles_at for _, view in rows],
            "silent": [view.silent for _, view in rows],
        },
    )
    return await _add_up(session, views, rows)


async def _add_up(session: AsyncSession, views: Views, rows: list[tuple[UUID, SpaceView]]) -> set[UUID]:
    """The facilities' sums, by what changed; their time anew where a space's time went back."""
    sums: dict[UUID, list[int]] = {}
    times: dict[UUID, datetime] = {}
    back: set[UUID] = set()
    for space, view in rows:
        facility, before = views[space]
        change = sums.setdefault(facility, [0, 0])
        if view.counts_as is not None:
            change[not view.counts_as] += 1
        if before is not None and before.counts_as is not None:
            change[not before.counts_as] -= 1
        if before is not None and view.newest.at < before.newest.at:
            back.add(facility)
        times[facility] = max(times.get(facility, view.newest.at), view.newest.at)
    facilities = list(sums)
    await session.execute(
        text(
            """
            update facility_state f set occupied_spaces = f.occupied_spaces + n.occupied,
                free_spaces = f.free_spaces + n.free,
                spaces_observed_at = greatest(f.spaces_observed_at, n.at)
            from unnest(cast(:facilities as uuid[]), cast(:occupied as int[]), cast(:free as int[]),
                cast(:times as timestamptz[])) as n(facility_id, occupied, free, at)
            where f.facility_id = n.facility_id
            """
        ),
        {
            "facilities": facilities,
            "occupied": [sums[f][0] for f in facilities],
            "free": [sums[f][1] for f in facilities],
            "times": [times[f] for f in facilities],
        },
    )
    if back:
        await session.execute(
            text(
                "update facility_state f set spaces_observed_at = (select max(observed_at) from space_state s"
                " where s.facility_id = f.facility_id) where facility_id = any(:ids)"
            ),
            {"ids": list(back)},
        )
    return set(facilities)


async def ensure_facilities(session: AsyncSession, facilities: Collection[UUID]) -> None:
    """State rows for all of them, locked in order of their id."""
    if facilities and await _lock_facilities(session, facilities) < len(set(facilities)):
        await session.execute(
            text(
                "insert into facility_state (facility_id, occupied_spaces, free_spaces)"
                " select id, 0, 0 from unnest(cast(:ids as uuid[])) as n(id) order by id"
                " on conflict do nothing"
            ),
            {"ids": list(facilities)},
        )
        await _lock_facilities(session, facilities)


async def _lock_facilities(session: AsyncSession, facilities: Collection[UUID]) -> int:
    rows = await session.execute(
        text(
            "select facility_id from facility_state where facility_id = any(:ids)"
            " order by facility_id for no key update"
        ),
        {"ids": list(facilities)},
    )
    return len(rows.all())
