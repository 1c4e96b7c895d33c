"""Weighing the candidates: what awaits the driver at each, what it costs, and so which is offered first."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.arrival import Outlook
from parking_cloud.guidance import rules
from parking_cloud.guidance.asking import Found, Question
from parking_cloud.guidance.geodesy import Floats
from parking_cloud.guidance.hours import is_open
from parking_cloud.guidance.index import Rows
from parking_cloud.guidance.loading import Known
from parking_cloud.guidance.prices import NO_TARIFF
from parking_cloud.guidance.schemas import Access
from parking_cloud.guidance.travel import Drive, Travel

Flags = NDArray[np.bool_]
OUT_OF_RANGE = 1
"""Its number among index.QUALITIES."""


class Numbers(NamedTuple):
    """What is known of each candidate, and what is expected."""

    free: Floats
    """As last shown; NaN: not known."""
    fresh: Floats
    """The same, but NaN where it is stale."""
    seen_s: Floats
    stale: Flags
    sent: Floats
    """Drivers on their way there, who will have come before."""
    outlook: Outlook


class Weighed(NamedTuple):
    """All candidates, in no order but `order`."""

    rows: Rows
    metres: Floats
    numbers: Numbers
    walk_m: Floats
    walk_s: Floats
    drive: Drive | None
    prices: Floats
    """Fen; NaN: not known."""
    access: dict[int, Access]
    """By candidate; those that are not here are open."""
    closes_first: set[int]
    """Candidates that close before the driver leaves."""
    cost: Floats
    tier: NDArray[np.int8]
    order: list[int]
    """Best first: numbers of candidates."""


def weigh(
    known: Known, travel: Travel, question: Question, found: Found, drive: Drive | None, stale_s: float
) -> Weighed:
    """Everything that the answer needs."""
    rows = found.rows
    numbers = _numbers(known, question, rows, stale_s)
    walk_m, walk_s = travel.pace.walk(found.metres)
    prices = _prices(known, question, rows)
    access, closes_first = _access(known, question, rows)
    usable = np.ones(len(rows), np.bool_)
    usable[[n for n, kind in access.items() if kind is not Access.BOOKING]] = False
    places = rules.Candidates(
        walk_min=walk_s / 60.0,
        drive_min=np.zeros(len(rows)) if drive is None else drive.seconds / 60.0,
        price=prices,
        chance=numbers.outlook.chance,
        score=known.index.score.take(rows),
        free_now=numbers.fresh,
        usable=usable,
    )
    reach = float(found.metres[-1]) if len(rows) else 0.0
    cost = rules.costs(places, question.asked.prefer, rules.minutes_lost(reach, len(rows)))
    tier = rules.tiers(places, question.ahead_s / 60.0)
    order = rules.ranked(places, cost, tier)
    if question.asked.max_price is not None:
        order = order[prices.take(order) <= question.asked.max_price]
    return Weighed(
        rows,
        found.metres,
        numbers,
        walk_m,
        walk_s,
        drive,
        prices,
        access,
        closes_first,
        cost,
        tier,
        order[: question.asked.limit].tolist(),
    )


def _numbers(known: Known, question: Question, rows: Rows, stale_s: float) -> Numbers:
    index, now_s = known.index, question.now.timestamp()
    free, seen = index.free.take(rows), index.seen_s.take(rows)
    age = np.maximum(now_s - seen, 0.0)
    fresh_enough = age <= stale_s
    fresh = np.where(fresh_enough, free, np.nan)
    age = np.where(fresh_enough, age, 0.0)
    age += (index.quality.take(rows) == OUT_OF_RANGE) * rules.DOUBT_S
    sent = known.sent.before(rows, np.where(fresh_enough, now_s - age, 0.0), question.arrive_at.timestamp())
    outlook = known.outlooks.at(
        rows,
        index.capacity.take(rows),
        fresh,
        age,
        now=question.now,
        ahead_min=question.ahead_s / 60.0,
        sent_before=sent,
    )
    return Numbers(free, fresh, seen, ~fresh_enough, sent, outlook)


def _prices(known: Known, question: Question, rows: Rows) -> Floats:
    asked, at = question.asked, question.arrive_at
    tariffs = known.index.tariff.take(rows)
    if known.several:
        for place, row in enumerate(rows.tolist()):
            if row in known.several:
                tariffs[place] = _in_force(known, row, at)
    return known.prices.amounts(tariffs, asked.vehicle, at, asked.stay_minutes)


def _in_force(known: Known, row: int, at: datetime) -> int:
    """The number of the tariff at a place where it changes some time."""
    for held in known.several[row]:
        if held.valid_from <= at and (held.valid_until is None or at < held.valid_until):
            return known.prices.number_of(held.tariff_id)
    return NO_TARIFF


def _access(known: Known, question: Question, rows: Rows) -> tuple[dict[int, Access], set[int]]:
    """Who may use which candidate then, where that is not everybody; and which close too early."""
    index = known.index
    access: dict[int, Access] = {}
    closes_first: set[int] = set()
    leaves_at = question.arrive_at + timedelta(minutes=question.asked.stay_minutes)
    for number in np.flatnonzero(index.limited.take(rows)).tolist():
        opening = index.openings[int(rows[number])]
        if not is_open(opening, question.arrive_at):
            access[number] = Access.CLOSED
        elif not is_open(opening, leaves_at):
            closes_first.add(number)
    for number in np.flatnonzero(index.by_booking.take(rows)).tolist():
        access[number] = Access.CLOSED
    return access, closes_first
