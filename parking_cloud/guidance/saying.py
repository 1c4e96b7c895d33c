"""Putting an answer into JSON: each place with its numbers, and why it is where it is.

It has the shape of schemas.PlacesOut, which a test holds it to. It is put together from parts that are JSON
already: a facility's facts, and what was said of its numbers; between them is written what differs from
question to question.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec

from parking_cloud.guidance.asking import NEEDS, Found, Question
from parking_cloud.guidance.geodesy import Floats
from parking_cloud.guidance.hopes import CHANCE, EXPECTED, FREE, HIGH, LOW, OWN, SEEN_S, SENT, STALE, Said
from parking_cloud.guidance.hours import opens_at
from parking_cloud.guidance.index import QUALITIES, FacilityIndex
from parking_cloud.guidance.loading import Known
from parking_cloud.guidance.schemas import Access, BookingOffer
from parking_cloud.guidance.travel import Travel
from parking_cloud.guidance.weighing import USABLE, Entry, Weighed, left_for
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


class _Entry(msgspec.Struct, frozen=True):
    """Who may use a place then, and what can be booked."""

    access: Access
    opens_at: datetime | None
    closes_before_leaving: bool
    booking: BookingOffer | None


_TRIP = b'"position":%b,%b,"walk_m":%d,"walk_s":%d,"distance_m":%.1f,"price":%b,%b,"cost":%.2f'
"""What is said of a place to one who asks."""
_NO_DRIVE = b'"drive_m":null,"drive_s":null'
_OPEN = _encode(_Entry(Access.OPEN, None, False, None))[1:-1]


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
    metres = weighed.metres.take(order)
    shown = weighed.rows.take(order).tolist()
    walk_m = [round(metre) for metre in (metres * travel.pace.walk_factor).tolist()]
    prices = [None if price != price else int(price) for price in weighed.prices.take(order).tolist()]
    trips = _trips(index, travel, question, weighed, shown, metres, walk_m, prices)
    reasons = _reasons(weighed, walk_m, prices)
    begin = b'{"facility":'
    for number, row, trip, (before, after) in zip(order, shown, trips, reasons, strict=True):
        said = _said(known, question, weighed, number, row)
        parts += (begin, index.facts[row], said.fields, trip, b',"why":[', before, said.reasons, after)
        begin = b']},{"facility":'
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
    order, crs = weighed.order, question.asked.crs
    walk_s = (metres * (travel.pace.walk_factor / travel.pace.walk_m_per_s)).tolist()
    costs = weighed.cost.take(order).tolist()
    drives, entries = _drives(weighed), _entries(index, question, weighed, shown)
    return [
        _TRIP
        % (
            index.position_said(row, crs),
            drives[place],
            walk_m[place],
            round(walk_s[place]),
            metre,
            b"null" if (price := prices[place]) is None else b"%d" % price,
            entries[place],
            costs[place],
        )
        for place, (row, metre) in enumerate(zip(shown, metres.tolist(), strict=True))
    ]


def _drives(weighed: Weighed) -> list[bytes]:
    drive, order = weighed.drive, weighed.order
    if drive is None:
        return [_NO_DRIVE] * len(order)
    ways = zip(drive.metres.take(order).tolist(), drive.seconds.take(order).tolist(), strict=True)
    return [b'"drive_m":%d,"drive_s":%d' % (round(metres), round(seconds)) for metres, seconds in ways]


def _entries(index: FacilityIndex, question: Question, weighed: Weighed, shown: list[int]) -> list[bytes]:
    entry, order = weighed.entry, weighed.order
    if not (entry.access or entry.bookable or entry.closes_first):
        return [_OPEN] * len(order)
    said = []
    for number, row in zip(order, shown, strict=True):
        access = entry.access.get(number, Access.OPEN)
        opening = _opens_at(index, question, access, row)
        offer = _offer(index, question, entry, number, row)
        said.append(_encode(_Entry(access, opening, number in entry.closes_first, offer))[1:-1])
    return said


def _reasons(weighed: Weighed, walk_m: list[int], prices: list[int | None]) -> list[tuple[bytes, bytes]]:
    """Why each place is where it is: what comes before the reasons that are its own, and after."""
    entry = weighed.entry
    usable = [
        price
        for number, price in zip(weighed.order, prices, strict=True)
        if price is not None and entry.access.get(number, Access.OPEN) in USABLE
    ]
    cheapest = min(usable) if len(set(usable)) > 1 else -1
    closest = min(walk_m) if len(walk_m) > 1 else -1
    reasons = []
    for number, walk, price in zip(weighed.order, walk_m, prices, strict=True):
        before = b""
        if number in entry.access:
            before = why(entry.access[number].value) + b","
        if number in entry.closes_first:
            before += why("closes_first") + b","
        if number in entry.unmeasured:
            before += why("clearance_unknown") + b","
        after = why("walk_m", round(walk, -1))
        if walk == closest:
            after += b"," + why("nearest")
        if price is None:
            after += b"," + why("price_unknown")
        elif price == 0:
            after += b"," + why("no_charge")
        elif price == cheapest and entry.access.get(number, Access.OPEN) in USABLE:
            after += b"," + why("cheapest")
        reasons.append((before, after))
    return reasons


def _said(known: Known, question: Question, weighed: Weighed, number: int, row: int) -> Said:
    """What is said of a row's numbers: kept, since the next who asks is told the same.

    Not to who books, or needs a space of some kind.
    """
    if question.asked.needs or weighed.entry.access.get(number) is Access.BOOKING:
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
    booking = weighed.entry.access.get(number) is Access.BOOKING
    lines = [_free_line(question, awaits)]
    if not booking:
        for need in dict.fromkeys(question.asked.needs):
            lines.append(why(f"of_all_{need}", int(getattr(index, NEEDS[need])[row])))
    seen_now = awaits[FREE] == awaits[FREE] or booking
    lines.append(why("chance" if seen_now else "usual", in_twenty(awaits[CHANCE])))
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
