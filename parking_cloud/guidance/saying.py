"""Putting an answer into JSON: each place with its numbers, and why it is where it is.

It has the shape of schemas.PlacesOut, which a test holds it to. It is put together from parts that are JSON
already: a facility's facts, and what was said of its numbers; what differs from question to question is
written between them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec

from parking_cloud.guidance.asking import Found, Question
from parking_cloud.guidance.hopes import CHANCE, EXPECTED, FREE, HIGH, LOW, OWN, SEEN_S, SENT, STALE, Said
from parking_cloud.guidance.hours import opens_at
from parking_cloud.guidance.index import QUALITIES, FacilityIndex
from parking_cloud.guidance.loading import Known
from parking_cloud.guidance.schemas import Access, BookingOffer
from parking_cloud.guidance.travel import Travel
from parking_cloud.guidance.weighing import Weighed, left_for
from parking_cloud.guidance.why import in_twenty, why
from parking_cloud.sharing.schemas import Bookable

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
    order, entry = weighed.order, weighed.entry
    index, rows = known.index, weighed.rows.take(order)
    metres = weighed.metres.take(order)
    walked = metres * travel.pace.walk_factor
    walk_m = walked.round().astype(int).tolist()
    walk_s = (walked / travel.pace.walk_m_per_s).round().astype(int).tolist()
    positions = index.positions[question.asked.crs].take(rows, axis=0).tolist()
    straight = metres.round(1).tolist()
    costs = weighed.cost.take(order).round(2).tolist()
    prices = weighed.prices.take(order).tolist()
    drives = _drives(weighed, len(order))
    priced = {price for price in prices if price == price}
    cheapest = min(priced) if len(priced) > 1 else -1.0
    closest = min(walk_m) if len(order) > 1 else -1
    first = True
    for place, (number, row) in enumerate(zip(order, rows.tolist(), strict=True)):
        access = entry.access.get(number, Access.OPEN)
        said = _said(known, question, weighed, number, row, access)
        price, (lat, lon), (drive_m, drive_s) = prices[place], positions[place], drives[place]
        booking = entry.bookable.get(number)
        parts.append(b'{"facility":' if first else b']},{"facility":')
        first = False
        parts.append(index.facts[row])
        parts.append(said.fields)
        parts.append(
            f'"position":{{"lat":{lat},"lon":{lon}}},"drive_m":{drive_m},"drive_s":{drive_s},'
            f'"walk_m":{walk_m[place]},"walk_s":{walk_s[place]},"distance_m":{straight[place]},'
            f'"price":{int(price) if price == price else "null"},"access":"{access}",'
            f'"opens_at":{_opens_at(index, question, access, row)},'
            f'"closes_before_leaving":{_bool(number in entry.closes_first)},'
            f'"booking":{"null" if booking is None else _offer(index, question, booking, row)},'
            f'"cost":{costs[place]},"why":['.encode()
        )
        if access is not Access.OPEN:
            parts.append(why(access) + b",")
        if number in entry.closes_first:
            parts.append(why("closes_first") + b",")
        parts.append(said.reasons)
        parts.append(why("walk_m", round(walk_m[place], -1)))
        if walk_m[place] == closest:
            parts.append(b"," + why("nearest"))
        if price != price:
            parts.append(b"," + why("price_unknown"))
        elif price == 0.0:
            parts.append(b"," + why("no_charge"))
        elif price == cheapest:
            parts.append(b"," + why("cheapest"))
    parts.append(b"]}")


def _drives(weighed: Weighed, places: int) -> list[tuple[int | str, int | str]]:
    drive = weighed.drive
    if drive is None:
        return [("null", "null")] * places
    metres = drive.metres.take(weighed.order).round().astype(int).tolist()
    seconds = drive.seconds.take(weighed.order).round().astype(int).tolist()
    return list(zip(metres, seconds, strict=True))


def _said(known: Known, question: Question, weighed: Weighed, number: int, row: int, access: Access) -> Said:
    """What is said of a row's numbers: kept, since the next who asks is told the same."""
    if access is Access.BOOKING:
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


def _opens_at(index: FacilityIndex, question: Question, access: Access, row: int) -> str:
    if access is not Access.CLOSED or row not in index.openings:
        return "null"
    at = opens_at(index.openings[row], question.arrive_at)
    return "null" if at is None else _moment(at)


def _offer(index: FacilityIndex, question: Question, booking: Bookable, row: int) -> str:
    times = {
        "facility": index.codes[row],
        "start": booking.starts_at.isoformat(),
        "end": question.leave_at.isoformat(),
    }
    offer = BookingOffer(
        left=left_for(booking, question),
        price=booking.price,
        offer=f"/v1/sharing/offers?{urlencode(times)}",
    )
    return _encode(offer).decode()


def _moment(at: datetime) -> str:
    return _encode(at.astimezone(UTC)).decode()


def _bool(value: bool) -> str:
    return "true" if value else "false"
