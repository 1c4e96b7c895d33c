"""Putting an answer into JSON: each place with its numbers, and why it is where it is.

It has the shape of schemas.PlacesOut, which a test holds it to. It is put together from parts that are JSON
already: a facility's facts, and what was said of its numbers; between them is written what differs from
question to question.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec

from parking_cloud.guidance.asking import Found, Question
from parking_cloud.guidance.geodesy import Floats
from parking_cloud.guidance.hopes import CHANCE, EXPECTED, FREE, HIGH, LOW, OWN, SEEN_S, SENT, STALE, Said
from parking_cloud.guidance.hours import opens_at
from parking_cloud.guidance.index import QUALITIES, FacilityIndex
from parking_cloud.guidance.loading import Known
from parking_cloud.guidance.schemas import Access, BookingOffer
from parking_cloud.guidance.travel import Travel
from parking_cloud.guidance.weighing import Entry, Weighed, left_for
from parking_cloud.guidance.why import in_twenty, why

CURRENCY = "CNY"
_encode = msgspec.json.Encoder().encode


class _Numbers(msgspec.Struct, frozen=True):
    """What is said of a place whoever asks."""

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
    score: msgspec.Raw


class _Point(msgspec.Struct, frozen=True, gc=False):
    lat: float
    lon: float


class _Trip(msgspec.Struct, frozen=True):
    """What is said of a place to one who asks; it begins with its position (see `_trips`)."""

    position: _Point
    drive_m: int | None
    drive_s: int | None
    walk_m: int
    walk_s: int
    distance_m: float
    price: int | None
    access: Access
    opens_at: datetime | None
    closes_before_leaving: bool
    booking: BookingOffer | None
    cost: float


def say(known: Known, travel: Travel, question: Question, found: Found, weighed: Weighed) -> bytes:
    """The answer."""
    at, current = known.heard(question.now)
    nearest = found.nearest_m
    head = (
        f'{{"as_of":{_moment(at)},"current":{_bool(current)},'
        f'"arrive_at":{_moment(question.arrive_at)},"stay_minutes":{question.asked.stay_minutes},'
        f'"crs":"{question.asked.crs}",'
        f'"travel":"{"straight_line" if weighed.drive is None else weighed.drive.by}",'
        f'"nearest_m":{"null" if nearest is None else round(nearest * travel.pace.walk_factor)},'
        f'"currency":"{CURRENCY}","items":['
    )
    parts = [head.encode()]
    if weighed.order:
        _say_places(parts, known, travel, question, weighed)
    parts.append(b"]}")
    return b"".join(parts)


def _say_places(
    parts: list[bytes], known: Known, travel: Travel, question: Question, weighed: Weighed
) -> None:
    """Each of the places shown, in order."""
    order, index = weighed.order, known.index
    rows = weighed.rows.take(order)
    metres = weighed.metres.take(order)
    factor = travel.pace.walk_factor
    walk_m = [round(metre * factor) for metre in metres.tolist()]
    prices = [None if price != price else int(price) for price in weighed.prices.take(order).tolist()]
    shown = rows.tolist()
    said = [_said(known, question, weighed, number, row) for number, row in zip(order, shown, strict=True)]
    trips = _trips(index, travel, question, weighed, shown, metres, walk_m, prices)
    reasons = _reasons(weighed, walk_m, prices)
    for place, row in enumerate(shown):
        parts += (
            b'{"facility":' if place == 0 else b']},{"facility":',
            index.facts[row],
            said[place].fields,
            trips[place],
            b',"why":[',
            reasons[place][0],
            said[place].reasons,
            reasons[place][1],
        )
    parts.append(b"]}")


def _trips(
    index: FacilityIndex,
    travel: Travel,
    question: Question,
    weighed: Weighed,
    shown: list[int],
    metres: Floats,
    walk_m: list[int],
    prices: list[int | None],
) -> list[bytes]:
    """What differs from question to question, a piece of JSON for each place."""
    order, entry, drive = weighed.order, weighed.entry, weighed.drive
    nothing: list[None] = [None] * len(order)
    access = [Access.OPEN] * len(order)
    opening: Sequence[datetime | None] = nothing
    offers: Sequence[BookingOffer | None] = nothing
    if entry.access or entry.bookable:
        access = [entry.access.get(number, Access.OPEN) for number in order]
        opening = [_opens_at(index, question, *one) for one in zip(access, shown, strict=True)]
        offers = [_offer(index, question, entry, *one) for one in zip(order, shown, strict=True)]
    positions = index.positions[question.asked.crs].take(shown, axis=0).T.tolist()
    walk_s = (metres * (travel.pace.walk_factor / travel.pace.walk_m_per_s)).round().astype(int)
    trips = map(
        _Trip,
        map(_Point, *positions),
        nothing if drive is None else drive.metres.take(order).round().astype(int).tolist(),
        nothing if drive is None else drive.seconds.take(order).round().astype(int).tolist(),
        walk_m,
        walk_s.tolist(),
        metres.round(1).tolist(),
        prices,
        access,
        opening,
        [number in entry.closes_first for number in order],
        offers,
        weighed.cost.take(order).round(2).tolist(),
    )
    # Written in one go, and cut where each begins: no text of ours holds a quote that is not escaped.
    pieces = _encode(list(trips))[2:-2].split(b'},{"position"')
    return [pieces[0], *(b'"position"' + piece for piece in pieces[1:])]


def _reasons(weighed: Weighed, walk_m: list[int], prices: list[int | None]) -> list[tuple[bytes, bytes]]:
    """Why each place is where it is: what comes before the reasons that are its own, and after."""
    entry = weighed.entry
    priced = {price for price in prices if price is not None}
    cheapest = min(priced) if len(priced) > 1 else -1
    closest = min(walk_m) if len(walk_m) > 1 else -1
    reasons = []
    for number, walk, price in zip(weighed.order, walk_m, prices, strict=True):
        before = b""
        if number in entry.access:
            before = why(entry.access[number].value) + b","
        if number in entry.closes_first:
            before += why("closes_first") + b","
        after = why("walk_m", round(walk, -1))
        if walk == closest:
            after += b"," + why("nearest")
        if price is None:
            after += b"," + why("price_unknown")
        elif price == 0:
            after += b"," + why("no_charge")
        elif price == cheapest:
            after += b"," + why("cheapest")
        reasons.append((before, after))
    return reasons


def _said(known: Known, question: Question, weighed: Weighed, number: int, row: int) -> Said:
    """What is said of a row's numbers: kept, since the next who asks is told the same."""
    if weighed.entry.access.get(number) is Access.BOOKING:
        return _work_out(known, question, weighed, number, row)
    said = weighed.hopes.said.get(row)
    if said is None:
        said = weighed.hopes.said[row] = _work_out(known, question, weighed, number, row)
    return said


def _work_out(known: Known, question: Question, weighed: Weighed, number: int, row: int) -> Said:
    index, awaits = known.index, weighed.awaits[number].tolist()
    shown = float(index.free[row])
    numbers = _Numbers(
        None if shown != shown else int(shown),
        int(index.unknown[row]),
        index.observed_at[row],
        bool(awaits[STALE]),
        QUALITIES[index.quality[row]],
        awaits[CHANCE],
        awaits[EXPECTED],
        awaits[LOW],
        awaits[HIGH],
        bool(awaits[OWN]),
        index.score_said[row],
    )
    lines = [_free_line(question, awaits), why("chance", in_twenty(awaits[CHANCE]))]
    if coming := round(awaits[SENT]):
        lines.append(why("sent", coming))
    return Said(b"," + _encode(numbers)[1:-1] + b",", b",".join(lines) + b",")


def _free_line(question: Question, awaits: list[float]) -> bytes:
    free, seen = awaits[FREE], awaits[SEEN_S]
    if awaits[STALE] and seen == seen:
        return why("stale", round((question.now.timestamp() - seen) / 60))
    if free != free:
        return why("not_known")
    return why("free_now", int(free)) if free else why("full_now")


def _opens_at(index: FacilityIndex, question: Question, access: Access, row: int) -> datetime | None:
    if access is not Access.CLOSED or row not in index.openings:
        return None
    return opens_at(index.openings[row], question.arrive_at)


def _offer(
    index: FacilityIndex, question: Question, entry: Entry, number: int, row: int
) -> BookingOffer | None:
    booking = entry.bookable.get(number)
    if booking is None:
        return None
    times = {"start": booking.starts_at.isoformat(), "end": question.leave_at.isoformat()}
    return BookingOffer(
        left=left_for(booking, question),
        price=booking.price,
        offer=f"/v1/sharing/offers?{urlencode({'facility': index.codes[row]} | times)}",
    )


def _moment(at: datetime) -> str:
    return _encode(at.astimezone(UTC)).decode()


def _bool(value: bool) -> str:
    return "true" if value else "false"
