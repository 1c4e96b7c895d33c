"""Four weeks that the demo city is taken to have had, so that a new one has profiles to forecast by. 演示"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from itertools import accumulate, chain

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from forecasting.profile import DayOf
from parking_cloud.demo.curves import expected_rate, variation_of
from parking_cloud.kernel.clock import city_time
from parking_cloud.occupancy.day_kinds import day_of
from parking_cloud.occupancy.profiling import refresh_profiles
from parking_cloud.occupancy.schemas import FacilityNow
from parking_cloud.occupancy.series import Sample, grid_time, has_past, record
from parking_cloud.occupancy.service import list_facilities

_WEEKS = 4
_STEP = timedelta(minutes=30)
_DAYS_APART = 0.06
"""By so much of its spaces a place is fuller or emptier for a whole day."""
_LASTS = 0.8
"""So much of what is unusual in a half hour is there in the next."""


async def ensure_history(session: AsyncSession, now: datetime) -> None:
    """Write it, unless the facilities have a past, and make their profiles."""
    since = now - timedelta(weeks=_WEEKS)
    if await has_past(session, before=now - timedelta(days=1)):
        return
    first = grid_time(since).replace(minute=15)
    times = [first + number * _STEP for number in range((now - first) // _STEP)]
    facilities = await list_facilities(session, now=now, stale_after=timedelta.max)
    past = [_past(each, times) for each in facilities if each.synthetic and each.capacity]
    await record(session, list(chain.from_iterable(past)))
    while await refresh_profiles(session, now):
        pass


def _past(facility: FacilityNow, times: list[datetime]) -> list[Sample]:
    chance = np.random.default_rng(int.from_bytes(sha256(facility.code.encode()).digest()[:8], "big"))
    variation = variation_of(facility.code)
    local = [city_time(at) for at in times]
    off = {day: day_of(day)[0] is not DayOf.WORK for day in {at.date() for at in local}}
    # A day of one kind is like another, but for what is drawn below.
    usual = {
        (at.time(), day_off): expected_rate(facility.kind, at, day_off=day_off, variation=variation)
        for at in local[: timedelta(days=1) // _STEP]
        for day_off in (False, True)
    }
    rates = np.array([usual[at.time(), off[at.date()]] for at in local])
    apart = dict(zip(sorted(off), chance.normal(0.0, _DAYS_APART, len(off)), strict=True))
    noise = np.sqrt(rates * (1 - rates) / facility.capacity) * np.sqrt(1 - _LASTS**2)
    steps = list(accumulate(chance.normal(0.0, noise).tolist(), lambda before, new: _LASTS * before + new))
    shares = rates + np.array(steps) + np.array([apart[at.date()] for at in local])
    taken = np.rint(np.clip(shares, 0.0, 1.0) * facility.capacity).astype(int).tolist()
    capacity = facility.capacity
    return [
        Sample(facility.id, at, capacity - occupied, occupied, capacity)
        for at, occupied in zip(times, taken, strict=True)
    ]
