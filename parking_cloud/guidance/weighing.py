"""Weighing the candidates: what awaits the driver at each, what it costs, and so which is offered first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parking_cloud.guidance import rules
from parking_cloud.guidance.asking import NEEDS, Found, Question
from parking_cloud.guidance.geodesy import Floats
from parking_cloud.guidance.hopes import CHANCE, EXPECTED, FREE, HIGH, Hopes
from parking_cloud.guidance.hours import is_open
from parking_cloud.guidance.index import NO_LIMIT_CM, ON_STREET, FacilityIndex, Rows
from parking_cloud.guidance.loading import Known
from parking_cloud.guidance.prices import NO_TARIFF
from parking_cloud.guidance.schemas import Access, Need
from parking_cloud.guidance.travel import Drive, Travel
from parking_cloud.sharing.schemas import Bookable

USABLE = (Access.OPEN, Access.BOOKING)
"""One may drive in, or book."""


class Entry(NamedTuple):
    """Who may use the candidates then; those of which nothing is said are open to everybody."""

    access: dict[int, Access]
    closes_first: set[int]
    """They close before the driver leaves."""
    bookable: dict[int, Bookable]
    """What can be booked for the whole stay."""
    unmeasured: frozenset[int] = frozenset()
    """A vehicle of this height may not fit: how high they are is not registered."""


class Weighed(NamedTuple):
    """All candidates, in no order but `order`."""

    rows: Rows
    metres: Floats
    awaits: Floats
    """A row a candidate, by the columns of guidance/hopes.py."""
    hopes: Hopes
    drive: Drive | None
    prices: Floats
    """Fen; NaN: not known."""
    entry: Entry
    cost: Floats
    order: list[int]
    """Best first: numbers of candidates."""
    good: int
    """How many of all candidates are to be had at that price, and probably not full."""


def weigh(known: Known, travel: Travel, question: Question, found: Found, drive: Drive | None) -> Weighed:
    """Everything that the answer needs."""
    asked, rows = question.asked, found.rows
    awaits, hopes = known.hopes.at(rows, question.now, question.arrive_at)
    if asked.needs:
        _narrow(known.index, asked.needs, rows, awaits)
    prices = prices_at(known, question, rows)
    entry = _entry(known, question, rows)
    doubtful = _doubtful(known.index, rows) if asked.height_cm else None
    if doubtful is not None:
        entry = entry._replace(unmeasured=frozenset(doubtful.nonzero()[0].tolist()))
    free_now, usable = awaits[:, FREE], None
    if entry.access:
        free_now, usable = free_now.copy(), np.ones(len(rows), np.bool_)
        for number, access in entry.access.items():
            usable[number] = access is Access.BOOKING
            if access is Access.BOOKING:
                free_now[number] = np.nan
                awaits[number, CHANCE] = rules.BOOKED_CHANCE
                price = entry.bookable[number].price
                prices[number] = np.nan if price is None else price
    places = rules.Candidates(
        walk_min=found.metres * (travel.pace.walk_factor / travel.pace.walk_m_per_s / 60.0),
        drive_min=None if drive is None else drive.seconds / 60.0,
        price=prices,
        chance=awaits[:, CHANCE],
        service_min=known.index.service_min.take(rows),
        free_now=free_now,
        usable=usable,
        doubtful=doubtful,
    )
    reach = float(found.metres[-1]) if len(rows) else 0.0
    cost = rules.costs(places, asked.prefer, rules.minutes_lost(reach, len(rows)))
    tier = rules.tiers(places, question.ahead_s / 60.0)
    order = rules.ranked(places, cost, tier)
    if asked.max_price is not None:
        order = order[prices.take(order) <= asked.max_price]
    good = int((tier.take(order) == 0).sum())
    shown = order[: asked.limit].tolist()
    return Weighed(rows, found.metres, awaits, hopes, drive, prices, entry, cost, shown, good)


def _narrow(index: FacilityIndex, needs: Sequence[Need], rows: Rows, awaits: Floats) -> None:
    """What awaits who needs a space of a kind. Two kinds are taken to go together by chance."""
    capacity = np.maximum(index.capacity.take(rows), 1.0)
    share = np.ones(len(rows))
    for need in set(needs):
        share *= np.minimum(getattr(index, NEEDS[need]).take(rows) / capacity, 1.0)
    hoped = rules.of_a_kind(rules.Hoped(*awaits[:, CHANCE : HIGH + 1].T), share, share * capacity)
    awaits[:, CHANCE] = hoped.chance.round(3)
    awaits[:, EXPECTED : HIGH + 1] = np.stack(hoped[1:], axis=1).round(1)


def _doubtful(index: FacilityIndex, rows: Rows) -> NDArray[np.bool_]:
    """Places with a roof, as far as anybody knows, whose height is not registered."""
    doubtful: NDArray[np.bool_] = index.height_cm.take(rows) == NO_LIMIT_CM
    doubtful &= index.kind.take(rows) != ON_STREET
    return doubtful


def prices_at(known: Known, question: Question, rows: Rows) -> Floats:
    """What the whole stay costs at each row, in fen; NaN where no tariff is known."""
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


def _entry(known: Known, question: Question, rows: Rows) -> Entry:
    index = known.index
    entry = Entry({}, set(), {})
    special = index.special.take(rows)
    if not special.any():
        return entry
    stay = timedelta(minutes=question.asked.stay_minutes)
    for number in special.nonzero()[0].tolist():
        row = int(rows[number])
        opening = index.openings.get(row)
        if opening is not None and not is_open(opening, question.arrive_at):
            entry.access[number] = Access.CLOSED
            continue
        if opening is not None and not is_open(opening, question.arrive_at + stay):
            entry.closes_first.add(number)
        if index.by_booking[row]:
            _book(entry, number, known.shared.at(index.ids[row], question.arrive_at, stay), question)
    return entry


def _book(entry: Entry, number: int, offer: Bookable | None, question: Question) -> None:
    """A place that an institution shares."""
    if offer is None:
        entry.access[number] = Access.CLOSED
        return
    entry.bookable[number] = offer
    if not offer.walk_in:
        entry.access[number] = Access.BOOKING if left_for(offer, question) else Access.BOOKED_OUT


def left_for(offer: Bookable, question: Question) -> int:
    """Spaces that this driver could book. One who needs no particular space books an ordinary one."""
    needs = question.asked.needs
    if Need.ACCESSIBLE in needs:
        return offer.left_accessible
    return offer.left_charging if Need.CHARGER in needs else offer.left
