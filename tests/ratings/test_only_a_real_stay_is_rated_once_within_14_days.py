"""A rating needs a stay that the platform has seen, of the driver's own vehicle and time: once, in time."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import give_up, holdings
from parking_cloud.kernel.db import transaction
from parking_cloud.occupancy.projector import project
from parking_cloud.payments.charging import assess_stay
from parking_cloud.ratings import drivers
from parking_cloud.ratings.problems import (
    NoMoreChanges,
    NothingRated,
    RatedAlready,
    RatingNotFound,
    RatingTooLate,
    StayInReview,
    StayNotFound,
    StayNotOver,
    StayNotReal,
)
from parking_cloud.ratings.schemas import RatingIn
from parking_cloud.stays.service import closed_counts
from tests.factories import observed
from tests.notices.parts import driver
from tests.payments.parts import NEIGHBOURS, minute, parked, priced_garage, restate, voided
from tests.ratings.parts import A_DAY, ALL_FIVE, holder, rated, stayed

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

BOUGHT = 300
"""The minute from which the vehicle is the present holder's."""


@pytest.fixture
async def garage(session: AsyncSession) -> UUID:
    return await priced_garage(session)


@pytest.fixture
async def who(session: AsyncSession, garage: UUID) -> Identity:
    return await holder(session, since=minute(BOUGHT))


async def test_a_stay_of_ones_own_is_rated(session: AsyncSession, garage: UUID, who: Identity) -> None:
    stay = await stayed(session, garage, BOUGHT + 10)
    (open_,) = await drivers.open_stays(session, who.user_id, minute(BOUGHT + 80))
    assert (open_.stay_id, open_.until) == (stay, minute(BOUGHT + 70 + 14 * A_DAY))
    said = RatingIn(finding=4, staff=5, text="  很好找  ", agree=True)
    rating = await drivers.rate(session, who.user_id, stay, said, minute(BOUGHT + 80))
    assert (rating.marks, rating.text, rating.state) == ({"finding": 4, "staff": 5}, "很好找", "shown")
    assert await drivers.open_stays(session, who.user_id, minute(BOUGHT + 90)) == []
    assert await drivers.my_ratings(session, who.user_id, minute(BOUGHT + 90), 10) == [rating]


async def test_once(session: AsyncSession, garage: UUID, who: Identity) -> None:
    rating = await rated(session, who, garage, at=BOUGHT + 10)
    with pytest.raises(RatedAlready):
        await drivers.rate(session, who.user_id, rating.stay_id, ALL_FIVE, minute(BOUGHT + 90))


async def test_once_however_many_ask_at_the_same_time(
    session: AsyncSession, sessions: async_sessionmaker[AsyncSession], garage: UUID, who: Identity
) -> None:
    stay = await stayed(session, garage, BOUGHT + 10)

    async def one() -> bool:
        async with transaction(sessions) as own:
            try:
                await drivers.rate(own, who.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))
            except RatedAlready:
                return False
            return True

    assert sorted(await asyncio.gather(*(one() for _ in range(8)))) == [False] * 7 + [True]
    assert await session.scalar(text("select count(*) from rating")) == 1


async def test_within_fourteen_days_of_its_end(session: AsyncSession, garage: UUID, who: Identity) -> None:
    stay = await stayed(session, garage, BOUGHT + 10)
    last = BOUGHT + 70 + 14 * A_DAY
    with pytest.raises(RatingTooLate) as refusal:
        await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(last + 1))
    assert "14 天" in refusal.value.body("zh-CN")["detail"]
    assert await drivers.open_stays(session, who.user_id, minute(last + 1)) == []
    await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(last))


@pytest.mark.parametrize(("state", "refusal"), [("review", StayInReview), ("void", StayNotReal)])
async def test_only_what_really_happened(
    session: AsyncSession, garage: UUID, who: Identity, state: str, refusal: type[Exception]
) -> None:
    stay = await stayed(session, garage, BOUGHT + 10)
    await (voided(session, stay) if state == "void" else restate(session, stay, state=state))
    with pytest.raises(refusal):
        await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))
    assert await drivers.open_stays(session, who.user_id, minute(BOUGHT + 80)) == []


async def test_only_once_it_is_over(session: AsyncSession, garage: UUID, who: Identity) -> None:
    stay = await parked(session, garage, at=BOUGHT + 10)
    with pytest.raises(StayNotOver):
        await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))


BY_WORD = {"opened_by": "driver", "ended_by": "driver"}


async def test_a_stay_that_only_its_driver_tells_of_is_not_rated(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    """Nor does it weigh: else a button makes a rating, and a facility's weight, of nothing."""
    stay = await stayed(session, garage, BOUGHT + 10)
    assert await closed_counts(session, minute(0), minute(A_DAY)) == {garage: 1}
    await restate(session, stay, **BY_WORD)
    with pytest.raises(StayNotReal):
        await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))
    assert await drivers.open_stays(session, who.user_id, minute(BOUGHT + 80)) == []
    assert await closed_counts(session, minute(0), minute(A_DAY)) == {}


@pytest.mark.parametrize("ended_by", ["space", "attendant", "gate"])
async def test_ended_by_another_than_its_driver_it_is_real(
    session: AsyncSession, garage: UUID, who: Identity, ended_by: str
) -> None:
    stay = await stayed(session, garage, BOUGHT + 10)
    await restate(session, stay, opened_by="driver", ended_by=ended_by)
    assert await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))


async def test_a_space_that_was_seen_occupied_bears_its_driver_out(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    stay = await stayed(session, garage, BOUGHT + 10)
    sensor = (await session.execute(text("select * from device where external_id = 'sensor-1'"))).one()
    await restate(session, stay, **BY_WORD, space_id=sensor.space_id, facility_id=sensor.facility_id)
    for frame, (at, occupied) in enumerate(((-20, True), (5, False), (75, True))):
        said = observed(sensor, occupied=occupied, at=minute(BOUGHT + at), frame=frame)
        await project(session, [said])
    with pytest.raises(StayNotReal):
        await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))
    await project(session, [observed(sensor, occupied=True, at=minute(BOUGHT + 20), frame=9)])
    assert await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))


async def test_what_was_paid_for_bears_its_driver_out(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    stay = await stayed(session, garage, BOUGHT + 10)
    await assess_stay(session, stay, minute(BOUGHT + 75))
    await restate(session, stay, **BY_WORD)
    await session.execute(text("update charge set paid = amount, state = 'settled'"))
    assert await drivers.rate(session, who.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))


async def test_nobody_rates_for_another(session: AsyncSession, garage: UUID, who: Identity) -> None:
    """Neither the owner before, nor another's vehicle, nor one that was given up: all look alike."""
    before = await stayed(session, garage, 0)
    neighbours = await stayed(session, garage, BOUGHT + 10, plate=NEIGHBOURS)
    own = await stayed(session, garage, BOUGHT + 10)
    stranger = await driver(session, "stranger")
    asked = [(who, before), (who, neighbours), (who, uuid4()), (stranger, own)]
    for whose, stay in asked:
        with pytest.raises(StayNotFound):
            await drivers.rate(session, whose.user_id, stay, ALL_FIVE, minute(BOUGHT + 80))
    (held,) = await holdings(session, who.user_id)
    await give_up(session, who, held.binding_id, minute(BOUGHT + 79))
    with pytest.raises(StayNotFound):
        await drivers.rate(session, who.user_id, own, ALL_FIVE, minute(BOUGHT + 80))


async def test_a_text_alone_is_no_rating(session: AsyncSession, garage: UUID, who: Identity) -> None:
    stay = await stayed(session, garage, BOUGHT + 10)
    with pytest.raises(NothingRated):
        await drivers.rate(session, who.user_id, stay, RatingIn(text="还行", agree=True), minute(BOUGHT + 80))


async def test_it_is_changed_once_and_not_after_its_time(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    rating = await rated(session, who, garage, at=BOUGHT + 10)
    now = minute(BOUGHT + 90)
    assert rating.may_change
    changed = await drivers.change(
        session, who.user_id, rating.id, RatingIn(price=1, text="太贵", agree=True), now
    )
    assert (changed.marks, changed.text, changed.may_change) == ({"price": 1}, "太贵", False)
    with pytest.raises(NoMoreChanges):
        await drivers.change(session, who.user_id, rating.id, ALL_FIVE, now)
    with pytest.raises(RatingNotFound):
        await drivers.change(session, uuid4(), rating.id, ALL_FIVE, now)
    later = await rated(session, who, garage, at=BOUGHT + 200)
    late = minute(BOUGHT + 260 + 15 * A_DAY)
    with pytest.raises(NoMoreChanges):
        await drivers.change(session, who.user_id, later.id, ALL_FIVE, late)


async def test_with_the_account_goes_what_was_written_and_the_marks_stay(
    session: AsyncSession, garage: UUID, who: Identity
) -> None:
    await rated(session, who, garage, RatingIn(price=2, text="常来这里", agree=True), at=BOUGHT + 10)
    await drivers.forget(session, who.user_id)
    row = (await session.execute(text("select user_id, text, published, price from rating"))).one()
    assert tuple(row) == (None, "", "", 2)
