"""What the demo city's residents (演示) say of its car parks: scores and rankings have something to show.

They take the ways that everybody takes: a verified vehicle, an attendant's word that it came and left, a
rating in time. Their stays are short enough to be free, so that nobody owes anything.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.models import User
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import identity_of
from parking_cloud.accounts.tokens import Identity
from parking_cloud.demo.tariffs import example_of, examples
from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.kernel.ids import new_id, stable_id
from parking_cloud.ratings import desk, drivers, ranking
from parking_cloud.ratings.schemas import AnswerIn, RatingIn
from parking_cloud.ratings.scoring import make_scores
from parking_cloud.ratings.screening import screened
from parking_cloud.registry.schemas import FacilityIn
from parking_cloud.registry.service import all_operators, facility_label, space_by_number
from parking_cloud.stays.deriving import Why, restate
from parking_cloud.stays.models import StayMark
from parking_cloud.stays.rules import stay_id
from sensor_gateway.plates import parse_plate
from sensor_gateway.sealing import PlateVault

_RESIDENTS = 12
_PLACES_OF_EACH = 4
"""Facilities of each operator."""
_DAYS = 27
ORDINARY_SPACE = "003"
"""Of every facility."""
_LASTS = timedelta(minutes=20)
_FREE_MINUTES = 30
_CITY = Identity(user_id=stable_id("demo", "opinions"), username="demo", role=Role.CITY_ADMINISTRATOR)
_SAID = [
    (5, "zh-CN", "入口好找，空位数很准。（演示）"),
    (4, "zh-CN", "缴费很快，扫码就走。（演示）"),
    (2, "zh-CN", "到了才发现没有空位，数字不准。（演示）"),
    (1, "zh-CN", "价格牌被树挡住了，看不清。（演示）"),
    (3, "zh-CN", "一般，出口有点堵。（演示）"),
    (5, "en", "Easy to find, and the price was clear. (demo)"),
    (2, "zh-CN", "前面的浙E66666一直不走，打电话13800000000也没人接。（演示）"),
]
_ANSWER = "感谢您的意见，已安排现场核对。（演示）"


class _Place(NamedTuple):
    facility: UUID
    operator: UUID
    space: UUID
    liked: float
    """About which mark its drivers give."""


class _Resident(NamedTuple):
    who: Identity
    plate: str


class _Visit(NamedTuple):
    resident: _Resident
    place: _Place
    entered: datetime


async def ensure_opinions(
    session: AsyncSession, facilities: Sequence[FacilityIn], plate_key: str, now: datetime
) -> None:
    """Some weeks of this quarter and of the last, and what follows from them; loaded again, it stays so."""
    places = await _places(session, facilities)
    done = await session.scalar(select(User.id).where(User.username == _name(0)))
    if not plate_key or not places or done is not None:
        return
    vault = PlateVault(plate_key)
    today = city_time(now).date()
    last = ranking.quarter_before(today)
    begun = last.after - timedelta(days=_DAYS)
    residents = [await _resident(session, vault, number, begun, now) for number in range(_RESIDENTS)]
    await _live(session, vault, residents, places, [begun + timedelta(days=day) for day in range(_DAYS)])
    after = _at(last.after, 4, 0)
    await make_scores(session, after)
    await ranking.make(session, last, after)
    since = max(last.after, today - timedelta(days=_DAYS))
    days = [since + timedelta(days=day) for day in range((today - since).days)]
    rated = await _live(session, vault, residents, places, days)
    await _answer(session, rated, now)
    await make_scores(session, now)
    await ranking.make_standing(session, now)


def _name(number: int) -> str:
    return f"demo-resident-{number + 1:02d}"


def _at(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), CITY_ZONE)


def chosen(facilities: Sequence[FacilityIn]) -> list[FacilityIn]:
    """A few facilities of each operator at which a short stay is free."""
    of_operator: dict[str, list[FacilityIn]] = {}
    for facility in facilities:
        of_this = of_operator.setdefault(facility.operator_code, [])
        if not facility.synthetic or len(of_this) == _PLACES_OF_EACH:
            continue
        free = examples()[example_of(facility)].data.get("free", {})
        if free.get("minutes", 0) >= _FREE_MINUTES:
            of_this.append(facility)
    return [facility for of_this in of_operator.values() for facility in of_this]


async def _places(session: AsyncSession, facilities: Sequence[FacilityIn]) -> list[_Place]:
    found = []
    for facility in chosen(facilities):
        label = await facility_label(session, facility.code)
        space = await space_by_number(session, label.id, ORDINARY_SPACE) if label else None
        if label is not None and space is not None:
            liked = random.Random(facility.code).uniform(2.8, 4.9)
            found.append(_Place(label.id, label.operator_id, space, liked))
    return found


async def _resident(
    session: AsyncSession, vault: PlateVault, number: int, begun: date, now: datetime
) -> _Resident:
    """Somebody with a vehicle that is verified. Nobody can sign in as them."""
    user = User(username=_name(number), password_hash=None, role=Role.DRIVER)
    session.add(user)
    await session.flush()
    who, plate = identity_of(user), f"浙EY{number + 1:04d}"
    claim = await vehicles.claim(session, who, vehicles.VehicleIn(plate), vault, now)
    seen = vehicles.ClaimDecision(
        verified=True, reason="演示：行驶证已核对", plate=plate, since=_at(begun, 0, 0)
    )
    await vehicles.decide(session, _CITY, claim.id, seen, vault, now)
    return _Resident(who, plate)


async def _live(
    session: AsyncSession,
    vault: PlateVault,
    residents: Sequence[_Resident],
    places: Sequence[_Place],
    days: Sequence[date],
) -> list[tuple[UUID, _Place]]:
    """Each resident parks once a day, and every third stay is rated: the ratings whose text is shown."""
    chance = random.Random(str(days[:1]))
    visits = [
        _Visit(
            resident, places[(index + number) % len(places)], _at(day, 8 + index % 10, chance.randrange(60))
        )
        for number, day in enumerate(days)
        for index, resident in enumerate(residents)
    ]
    stays = await _park(session, vault, visits)
    shown = []
    for visit, stay in zip(visits[::3], stays[::3], strict=True):
        at = visit.entered + _LASTS + timedelta(hours=2)
        said = _opinion(chance, visit.place)
        rating = await drivers.keep(session, visit.resident.who.user_id, stay, said, at)
        if said.text and not screened(said.text).found:
            shown.append((rating, visit.place))
    return shown


async def _park(session: AsyncSession, vault: PlateVault, visits: Sequence[_Visit]) -> list[UUID]:
    """Attendants' words of each coming and going, and the stays that follow from them, all at once."""
    hashes = {v.resident.plate: vault.lookup_hash(parse_plate(v.resident.plate)) for v in visits}
    begun = [_mark(vault, hashes, visit, "start", visit.entered) for visit in visits]
    session.add_all(begun)
    session.add_all(_mark(vault, hashes, visit, "end", visit.entered + _LASTS) for visit in visits)
    await session.flush()
    first: dict[bytes, datetime] = {}
    for mark in begun:
        first[mark.plate_hash] = min(first.get(mark.plate_hash, mark.at), mark.at)
    if visits:
        await restate(session, vault, first, Why(max(visit.entered for visit in visits) + _LASTS))
    return [stay_id(mark.id) for mark in begun]


def _mark(vault: PlateVault, hashes: dict[str, bytes], visit: _Visit, kind: str, at: datetime) -> StayMark:
    plate = visit.resident.plate
    return StayMark(
        id=new_id(),
        facility_id=visit.place.facility,
        space_id=visit.place.space,
        plate_hash=hashes[plate],
        plate_sealed=vault.seal(parse_plate(plate)),
        plate_color="blue",
        kind=kind,
        by="attendant",
        at=at,
        said_by=_CITY.user_id,
        evidence=[],
    )


def _opinion(chance: random.Random, place: _Place) -> RatingIn:
    marks = [min(max(round(chance.gauss(place.liked, 0.8)), 1), 5) for _ in range(5)]
    text, language = "", "zh-CN"
    if chance.random() < 0.4:
        near = [words for words in _SAID if abs(words[0] - marks[0]) <= 1] or _SAID[:1]
        _, language, text = chance.choice(near)
    return RatingIn(
        finding=marks[0],
        number=marks[1],
        price=marks[2],
        payment=marks[3],
        staff=marks[4] if chance.random() < 0.5 else None,
        text=text,
        language="en" if language == "en" else "zh-CN",
        agree=True,
    )


async def _answer(session: AsyncSession, rated: Sequence[tuple[UUID, _Place]], now: datetime) -> None:
    """Each operator has answered some."""
    names = await all_operators(session)
    for rating, place in rated[::3]:
        operator = names[place.operator]
        who = Identity(
            user_id=stable_id("demo", "answers", operator.code),
            username=operator.code,
            role=Role.OPERATOR_STAFF,
            operator_id=place.operator,
        )
        await desk.answer(session, who, rating, AnswerIn(text=_ANSWER), now)
