"""Putting an answer into JSON: each place with its numbers, and why it is where it is."""

from __future__ import annotations

from datetime import datetime

import msgspec
import numpy as np

from parking_cloud.guidance.asking import Found, Question
from parking_cloud.guidance.hours import opens_at
from parking_cloud.guidance.index import QUALITIES, FacilityIndex
from parking_cloud.guidance.loading import Known
from parking_cloud.guidance.schemas import Access
from parking_cloud.guidance.weighing import Weighed
from parking_cloud.guidance.why import in_twenty, why

CURRENCY = "CNY"
_encode = msgspec.json.Encoder().encode


class _Point(msgspec.Struct, frozen=True, gc=False):
    lat: float
    lon: float


class _Place(msgspec.Struct, frozen=True):
    """schemas.PlaceOut, ready to be written."""

    facility: msgspec.Raw
    position: _Point
    free: int | None
    unknown: int
    observed_at: datetime | None
    stale: bool
    quality: str
    chance: float
    free_on_arrival: float
    low: float
    high: float
    from_own_profile: bool
    drive_m: int | None
    drive_s: int | None
    walk_m: int
    walk_s: int
    distance_m: float
    price: int | None
    access: Access
    opens_at: datetime | None
    closes_before_leaving: bool
    booking: msgspec.Raw | None
    score: msgspec.Raw
    cost: float
    why: list[msgspec.Raw]


class _Places(msgspec.Struct, frozen=True):
    """schemas.PlacesOut, ready to be written."""

    as_of: datetime
    current: bool
    arrive_at: datetime
    stay_minutes: int
    crs: str
    travel: str
    nearest_m: int | None
    currency: str
    items: list[_Place]


def say(known: Known, question: Question, found: Found, weighed: Weighed, *, walk_factor: float) -> bytes:
    """schemas.PlacesOut."""
    return _encode(
        _Places(
            *known.heard(question.now),
            question.arrive_at,
            question.asked.stay_minutes,
            question.asked.crs,
            "straight_line" if weighed.drive is None else weighed.drive.by,
            None if found.nearest_m is None else round(found.nearest_m * walk_factor),
            CURRENCY,
            _places(known, question, weighed),
        )
    )


def _places(known: Known, question: Question, weighed: Weighed) -> list[_Place]:
    order = weighed.order
    if not order:
        return []
    index, rows = known.index, weighed.rows.take(order)
    numbers, outlook = weighed.numbers, weighed.numbers.outlook
    drive = weighed.drive
    shown = rows.tolist()
    free = numbers.free.take(order).tolist()
    stale = numbers.stale.take(order).tolist()
    chance = np.round(outlook.chance.take(order), 3).tolist()
    walk_m = weighed.walk_m.take(order).round().astype(int).tolist()
    prices = [None if price != price else int(price) for price in weighed.prices.take(order).tolist()]
    reasons = _reasons(question, weighed, free, stale, chance, walk_m, prices)
    none = [None] * len(order)
    columns = zip(
        shown,
        index.positions[question.asked.crs].take(rows, axis=0).tolist(),
        free,
        index.unknown.take(rows).tolist(),
        stale,
        index.quality.take(rows).tolist(),
        chance,
        np.round(outlook.free.take(order), 1).tolist(),
        np.round(outlook.low.take(order), 1).tolist(),
        np.round(outlook.high.take(order), 1).tolist(),
        known.outlooks.own.take(rows).tolist(),
        none if drive is None else drive.metres.take(order).round().astype(int).tolist(),
        none if drive is None else drive.seconds.take(order).round().astype(int).tolist(),
        walk_m,
        weighed.walk_s.take(order).round().astype(int).tolist(),
        weighed.metres.take(order).round(1).tolist(),
        prices,
        order,
        np.round(weighed.cost.take(order), 2).tolist(),
        reasons,
        strict=True,
    )
    return [
        _Place(
            index.facts[row],
            _Point(*position),
            None if free_now != free_now else int(free_now),
            unknown,
            index.observed_at[row],
            is_stale,
            QUALITIES[quality],
            likely,
            expected,
            low,
            high,
            own,
            drive_m,
            drive_s,
            walk,
            walk_s,
            metres,
            price,
            weighed.access.get(number, Access.OPEN),
            _opens_at(index, question, weighed, number, row),
            number in weighed.closes_first,
            None,
            index.score_said[row],
            cost,
            reason,
        )
        for (
            row,
            position,
            free_now,
            unknown,
            is_stale,
            quality,
            likely,
            expected,
            low,
            high,
            own,
            drive_m,
            drive_s,
            walk,
            walk_s,
            metres,
            price,
            number,
            cost,
            reason,
        ) in columns
    ]


def _opens_at(
    index: FacilityIndex, question: Question, weighed: Weighed, number: int, row: int
) -> datetime | None:
    if weighed.access.get(number) is not Access.CLOSED or row not in index.openings:
        return None
    return opens_at(index.openings[row], question.arrive_at)


def _reasons(
    question: Question,
    weighed: Weighed,
    free: list[float],
    stale: list[bool],
    chance: list[float],
    walk_m: list[int],
    prices: list[int | None],
) -> list[list[msgspec.Raw]]:
    """Why each of the places shown is where it is, in their order."""
    priced = {price for price in prices if price is not None}
    cheapest = min(priced) if len(priced) > 1 else None
    closest = min(walk_m) if len(walk_m) > 1 else None
    sent = weighed.numbers.sent
    many_sent = bool(sent.any())
    reasons = []
    for place, number in enumerate(weighed.order):
        lines = _standing(weighed, number)
        if stale[place]:
            lines.append(_not_fresh(question, weighed, number))
        elif free[place]:
            lines.append(why("free_now", int(free[place])))
        else:
            lines.append(why("full_now"))
        lines.append(why("chance", in_twenty(chance[place])))
        if many_sent and (coming := round(sent[number])):
            lines.append(why("sent", coming))
        lines.append(why("walk_m", round(walk_m[place], -1)))
        if walk_m[place] == closest:
            lines.append(why("nearest"))
        price = prices[place]
        if price is None:
            lines.append(why("price_unknown"))
        elif price == 0:
            lines.append(why("no_charge"))
        elif price == cheapest:
            lines.append(why("cheapest"))
        reasons.append(lines)
    return reasons


def _standing(weighed: Weighed, number: int) -> list[msgspec.Raw]:
    """What comes first: whether one may use it at all."""
    lines = []
    if number in weighed.access:
        lines.append(why(weighed.access[number].value))
    if number in weighed.closes_first:
        lines.append(why("closes_first"))
    return lines


def _not_fresh(question: Question, weighed: Weighed, number: int) -> msgspec.Raw:
    seen = weighed.numbers.seen_s[number]
    if seen != seen:
        return why("not_known")
    return why("stale", round((question.now.timestamp() - seen) / 60))
