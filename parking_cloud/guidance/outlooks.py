"""Every facility's outlook from memory: the seam between the index and whatever forecasts.

The profiles of all facilities lie in two arrays of bytes, a column per row of the index (288 bytes a
facility), so that a query reads a handful of cells of each candidate. Facilities without a profile of their
own have their kind's, which is wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.arrival import SETTLES_MIN, Floats, Outlook, outlook
from forecasting.profile import CELLS, SD_SCALE, SHARE_SCALE, SLOTS, UNKNOWN, Bytes
from parking_cloud.kernel.clock import city_time
from parking_cloud.occupancy.day_kinds import day_of
from parking_cloud.occupancy.profiles import kind_profiles, kind_profiles_made, stored_profiles

Rows = NDArray[np.intp]

_SLOT_MIN = 24 * 60 / SLOTS
_DAYS_AHEAD = 36
_ON_STREET_SETTLES_MIN = 45.0
"""Where vehicles stay for an hour or less. Assumed: no series of such a place could be had to fit it on."""
_UNSURE = 1.5
"""Where a year's holidays are not known yet, a day's kind is a guess, and its spread is so much wider."""


async def load_outlooks(session: AsyncSession, rows: Mapping[UUID, int], kinds: Sequence[str]) -> Outlooks:
    """Profiles for an index: facility → row, and by row the kind of facility."""
    outlooks = Outlooks(len(kinds))
    await outlooks.refresh(session, rows, kinds)
    return outlooks


def _side_by_side(cells: Iterable[bytes]) -> Bytes:
    """By [cell, row]."""
    return np.frombuffer(b"".join(cells), np.uint8).reshape(-1, CELLS).T


class Outlooks:
    """Profiles by row of an index; `put` fills it, then it is only read."""

    def __init__(self, rows: int) -> None:
        self._means = np.repeat(UNKNOWN.means.reshape(CELLS, 1), rows, axis=1)
        self._sds = np.repeat(UNKNOWN.sds.reshape(CELLS, 1), rows, axis=1)
        self._rows = rows
        self.own = np.zeros(rows, np.bool_)
        """Rows that have a profile of their own."""
        self._made_at: datetime | None = None
        self._settles = np.full(rows, SETTLES_MIN)
        self._kinds = np.full(rows, "", "U32")
        self._kinds_made: dict[str, datetime] = {}
        self._today = date.min
        self._cells: Rows = np.zeros(0, np.intp)
        self._wider: Floats = np.zeros(0)

    def put(self, rows: Rows, means: Bytes, sds: Bytes, *, own: bool) -> None:
        """Profiles of some rows: bytes by [cell, row] (or a single column for all of them)."""
        self._means[:, rows] = means
        self._sds[:, rows] = sds
        self.own[rows] = own

    def at(
        self,
        rows: Rows,
        capacity: Floats,
        free_now: Floats,
        age_s: Floats,
        *,
        now: datetime,
        ahead_min: Floats | float,
        sent_before: Floats | float = 0.0,
    ) -> Outlook:
        """The outlook of these rows for a driver who comes in `ahead_min`.

        `free_now`: NaN where it is not known; `age_s`: how long ago it was observed.
        """
        local = city_time(now)
        if local.date() != self._today:
            self._know_days(local)
        minute = 24 * 60 + local.hour * 60 + local.minute + local.second / 60
        age_min = age_s / 60.0
        slot, part = self._at(ahead_min + minute)
        usual = self._share(rows, slot, part)
        spread = self._sds.reshape(-1).take(self._cells[slot] + rows) * self._wider[slot]
        then = self._share(rows, *self._at(minute - age_min))
        return outlook(
            capacity,
            free_now,
            age_min,
            ahead_min,
            usual_then=then,
            usual_on_arrival=usual,
            sd_on_arrival=spread,
            sent_before=sent_before,
            settles_min=self._settles.take(rows),
        )

    async def refresh(self, session: AsyncSession, rows: Mapping[UUID, int], kinds: Sequence[str]) -> None:
        """Take in the profiles made since the last time, and what is usual for the kinds of others."""
        await self._refresh_kinds(session, kinds)
        async for page in stored_profiles(session, self._made_at):
            known = [one for one in page if one.facility_id in rows]
            if known:
                at = np.array([rows[one.facility_id] for one in known], np.intp)
                means, sds = (one.means for one in known), (one.sds for one in known)
                self.put(at, _side_by_side(means), _side_by_side(sds), own=True)
            newest = max(one.made_at for one in page)
            self._made_at = max(self._made_at or newest, newest)

    async def _refresh_kinds(self, session: AsyncSession, kinds: Sequence[str]) -> None:
        """Rows without a profile of their own have their kind's: where it is new, or they are."""
        made = await kind_profiles_made(session)
        by_row = np.array(kinds)
        changed = (by_row != self._kinds) & ~self.own
        due = {kind for kind, at in made.items() if self._kinds_made.get(kind) != at}
        if (by_row != self._kinds).any():
            self._settles = np.where(by_row == "on_street", _ON_STREET_SETTLES_MIN, SETTLES_MIN)
        if not due and not changed.any():
            self._kinds = by_row
            return
        for kind, profile in (await kind_profiles(session)).items():
            at = np.flatnonzero((by_row == kind) & ~self.own & (changed | (kind in due)))
            self.put(at, profile.means.reshape(CELLS, 1), profile.sds.reshape(CELLS, 1), own=False)
        self._kinds, self._kinds_made = by_row, made

    def _at(self, minutes: Floats | float) -> tuple[Rows | int, Floats | float]:
        """Minutes after yesterday's midnight, as a half hour's middle and the way to the next, 0..1."""
        last = len(self._cells) - 2.0
        if isinstance(minutes, float):
            place = min(max(minutes / _SLOT_MIN - 0.5, 0.0), last)
            return int(place), place % 1.0
        places = minutes * (1.0 / _SLOT_MIN)
        places -= 0.5
        places = np.fmin(np.fmax(places, 0.0), last)
        slot = places.astype(np.intp)
        places -= slot
        return slot, places

    def _share(self, rows: Rows, slot: Rows | int, part: Floats | float) -> Floats:
        """The usual occupied share, between the middles of two half hours."""
        means = self._means.reshape(-1)
        share: Floats = means.take(self._cells[slot] + rows).astype(np.float64)
        ahead = means.take(self._cells[slot + 1] + rows) - share
        ahead *= part
        share += ahead
        share *= 1.0 / SHARE_SCALE
        return share

    def _know_days(self, local: datetime) -> None:
        """Which cells the half hours from yesterday's midnight on are."""
        days = [day_of(local.date() + timedelta(days=number - 1)) for number in range(_DAYS_AHEAD + 2)]
        cells = np.add.outer([int(day) * SLOTS for day, _ in days], np.arange(SLOTS)).reshape(-1)
        self._cells = cells.astype(np.intp) * self._rows
        self._wider = np.repeat([(1.0 if sure else _UNSURE) / SD_SCALE for _, sure in days], SLOTS)
        self._today = local.date()
