"""Reminded twice, then priced by the tariff and asked by the city's steps, until the vehicle leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.payments.charging import assess_stay
from parking_cloud.payments.facts import charges_of_stays
from parking_cloud.sharing import booking, overstay_desk
from parking_cloud.sharing.bans import banned_until
from parking_cloud.sharing.booking import Booked
from parking_cloud.sharing.moving import move_endangered
from parking_cloud.sharing.overstay import look_at_ends
from parking_cloud.sharing.overstay_desk import (
    AnswerIn,
    ObjectedAlready,
    ObjectionIn,
    OverstayNotFound,
    StepIn,
    StepsIn,
)
from parking_cloud.sharing.overstay_rules import Action
from parking_cloud.sharing.problems import MayNotBook
from parking_cloud.tariffs.permits import grant_permit
from parking_cloud.tariffs.schemas import PermitKind, VehicleClass
from parking_cloud.tariffs.service import price_stay
from sensor_gateway.records import Direction
from tests.sharing.gate_parts import attendant, passes, told, with_gate
from tests.sharing.parts import CHIEF, Driver, hall, hours, owner, pays
from tests.sharing.test_open_and_never_usable_is_found import spaces_seen
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN, NINE = city("2026-11-20 19:00"), city("2026-11-20 21:00")


def minute(number: float) -> datetime:
    """So many minutes from the end of the booking, 21:00."""
    return NINE + timedelta(minutes=number)


class Evening:
    """A driver with a booking from 19:00 to 21:00, who came at 19:00. Not open to others."""

    def __init__(self, session: AsyncSession, redis: Redis) -> None:
        self.session, self.redis = session, redis
        self.facility, self.gate = UUID(int=0), UUID(int=0)

    async def begin(self, spaces: int = 1, status: str = "confirmed", **plan: Any) -> Driver:
        self.facility = await hall(self.session, spaces=spaces, **({"walk_in": False} | plan))
        self.gate = await with_gate(self.session, self.facility)
        await self.set_steps(status)
        self.driver = await owner(self.session)
        self.booked = await self.books(self.driver, SEVEN, NINE)
        await self.passes(self.driver, Direction.ENTRY, SEVEN)
        return self.driver

    async def set_steps(self, status: str) -> None:
        stated: list[dict[str, Any]] = [
            {"number": 1, "after_minutes": 10, "action": Action.MESSAGE},
            {"number": 2, "after_minutes": 30, "action": Action.CALL},
            {"number": 3, "after_minutes": 60, "action": Action.SUSPEND, "days": 7},
            {"number": 4, "after_minutes": 120, "action": Action.CLUE},
        ]
        steps = [StepIn(**step, status=status, source="测试") for step in stated]
        await overstay_desk.set_steps(self.session, CHIEF, StepsIn(steps, "测试用"))
        await self.session.execute(
            text(
                "insert into clue_kind (code, names, reportable, place, status, legal_basis, source) values"
                " ('shared_overstay', '{}', false, 7, 'unconfirmed', '', 'test') on conflict do nothing"
            )
        )
        await self.session.commit()

    async def books(self, driver: Driver, start: datetime, end: datetime) -> Booked:
        booked = await driver.books(self.session, start, end)
        await pays(self.session, booked, SEVEN - hours(6))
        return booked

    async def passes(self, driver: Driver, direction: Direction, at: datetime) -> None:
        await passes(self.session, self.redis, driver, self.facility, self.gate, direction, at)

    async def looks(self, minutes: Sequence[float]) -> None:
        for at in minutes:
            await look_at_ends(self.session, minute(at))
            await self.session.commit()

    async def told(self) -> list[str]:
        return [kind for kind in await told(self.session, self.driver.id) if kind != "booking_confirmed"]

    async def stay(self) -> UUID:
        found = await self.session.scalar(text("select id from stay"))
        assert isinstance(found, UUID)
        return found


@pytest.fixture
def evening(session: AsyncSession, redis: Redis) -> Evening:
    return Evening(session, redis)


async def test_reminders_then_every_step_once(evening: Evening, session: AsyncSession) -> None:
    driver = await evening.begin()
    staff = await attendant(session)
    await evening.looks([-31, -30, -29, -10, -5, 0, 9])
    assert await evening.told() == ["booking_ends", "booking_ends"]
    await evening.looks([10, 11, 30, 31])
    assert await evening.told() == ["booking_ends", "booking_ends", "overstay"]
    assert await told(session, staff.user_id) == ["overstay_call"]
    await evening.looks([60, 61, 120, 121, 300])
    assert (await evening.told())[3:] == ["booking_suspended", "overstay_passed_on"]
    assert await banned_until(session, driver.id, minute(300)) == minute(60) + timedelta(days=7)
    with pytest.raises(MayNotBook):
        await driver.books(session, SEVEN + hours(24), NINE + hours(24), now=minute(300))
    assert await banned_until(session, driver.id, minute(60) + timedelta(days=7)) is None
    clues = (await session.execute(text("select kind, source, facility_id from clue"))).all()
    assert [tuple(clue) for clue in clues] == [("shared_overstay", "booking", evening.facility)]


async def test_overtime_costs_what_the_tariff_says_of_it(evening: Evening, session: AsyncSession) -> None:
    await evening.begin()
    left = minute(95)
    await evening.passes(evening.driver, Direction.EXIT, left)
    stay = await evening.stay()
    await assess_stay(session, stay, left)
    charged = (await charges_of_stays(session, [stay]))[stay].amount
    over = await price_stay(
        session,
        facility_id=evening.facility,
        vehicle=VehicleClass.SMALL,
        entered_at=NINE,
        left_at=left,
        plate_hash=None,
    )
    assert (charged, over.amount) == (1200, 1200), "two hours have begun, at ¥6"


async def test_whatever_the_overtime_it_costs_what_it_would_by_itself(
    evening: Evening, session: AsyncSession
) -> None:
    driver = await evening.begin()
    for over in (0, 1, 14, 15, 16, 59, 60, 61, 95, 120, 181, 600, 1439, 1500):
        booked, unbooked = [
            await price_stay(
                session,
                facility_id=evening.facility,
                vehicle=VehicleClass.SMALL,
                entered_at=entered,
                left_at=minute(over),
                plate_hash=plate,
            )
            for entered, plate in ((SEVEN, driver.held.plate_hash), (NINE, None))
        ]
        assert booked.amount == unbooked.amount, over


async def test_it_stops_when_the_vehicle_leaves(evening: Evening, session: AsyncSession) -> None:
    await evening.begin()
    await evening.looks([10])
    await evening.passes(evening.driver, Direction.EXIT, minute(20))
    await evening.looks([30, 60, 120])
    assert await evening.told() == ["overstay"]
    over = (await session.execute(text("select over_at from overstay"))).scalar_one()
    assert over == minute(30)


async def test_nothing_is_done_where_the_stay_is_in_doubt(evening: Evening, session: AsyncSession) -> None:
    await evening.begin()
    await session.execute(text("update stay set situations = array['plate_unsure']"))
    await session.commit()
    await evening.looks([-10, 10, 60, 120])
    assert await evening.told() == []


async def test_what_the_city_has_not_confirmed_suspends_nobody(
    evening: Evening, session: AsyncSession
) -> None:
    driver = await evening.begin(status="unconfirmed")
    await evening.looks([10, 30, 60, 120, 240])
    assert await evening.told() == ["overstay"]
    assert await banned_until(session, driver.id, minute(240)) is None
    assert await session.scalar(text("select count(*) from clue")) == 0


async def test_where_it_is_open_to_all_a_message_is_all(evening: Evening, session: AsyncSession) -> None:
    driver = await evening.begin(walk_in=True)
    await evening.looks([10, 30, 60, 120, 240])
    assert await evening.told() == ["overstay"]
    assert await banned_until(session, driver.id, minute(240)) is None


async def test_whoever_has_extended_is_left_alone_until_then(evening: Evening, session: AsyncSession) -> None:
    driver = await evening.begin()
    more = await booking.extend(session, driver.id, evening.booked.id, minute(60), minute(-45))
    await session.commit()
    await pays(session, more, minute(-45))
    await evening.looks([-30, -10, 0, 10, 29])
    assert await evening.told() == []
    await evening.looks([30, 50, 70])
    assert await evening.told() == ["booking_ends", "booking_ends", "overstay"]


async def test_a_driver_who_was_right_may_book_again_at_once(evening: Evening, session: AsyncSession) -> None:
    driver = await evening.begin()
    await evening.looks([10, 30, 60])
    (mine,) = await overstay_desk.overstays_of(session, driver.id)
    assert [deed.action for deed in mine.deeds] == [Action.MESSAGE, Action.CALL, Action.SUSPEND]
    stranger = await owner(session, "浙E54321", "wu")
    said = ObjectionIn("出口道闸故障，无法驶离")
    with pytest.raises(OverstayNotFound):
        await overstay_desk.object_to(session, stranger.id, mine.id, said, minute(70))
    await overstay_desk.object_to(session, driver.id, mine.id, said, minute(70))
    with pytest.raises(ObjectedAlready):
        await overstay_desk.object_to(session, driver.id, mine.id, said, minute(71))
    assert [each.id for each in await overstay_desk.waiting_objections(session, 10)] == [mine.id]
    assert await banned_until(session, driver.id, minute(80)) is not None
    answer = AnswerIn(upheld=True, answer="道闸故障属实，已恢复预约功能")
    shown = await overstay_desk.answer(session, CHIEF, mine.id, answer, minute(90))
    assert (shown.upheld, await overstay_desk.waiting_objections(session, 10)) == (True, [])
    assert await banned_until(session, driver.id, minute(90)) is None
    assert (await evening.told())[-1] == "overstay_answered"
    await evening.looks([100, 119])
    assert await banned_until(session, driver.id, minute(119)) is None


async def test_the_next_driver_has_another_space(evening: Evening, session: AsyncSession) -> None:
    await evening.begin(spaces=2)
    next_driver = await owner(session, "浙E54321", "wu")
    taken, other = await spaces(session)
    booked = await next_driver.books(session, minute(5), minute(65))
    await session.execute(
        text("update booking_slot set space_id = :s where booking_id = :b"), {"s": taken, "b": booked.id}
    )
    await session.execute(
        text("update booking set space_id = :s where id = :b"), {"s": taken, "b": booked.id}
    )
    await pays(session, booked, SEVEN - hours(6))
    await evening.looks([0])
    for _ in range(2):
        await move_endangered(session, minute(0))
        await session.commit()
    where = text(
        "select b.space_id, s.space_id from booking b join booking_slot s on s.booking_id = b.id"
        " where b.id = :b"
    )
    assert tuple((await session.execute(where, {"b": booked.id})).one()) == (other, other)
    assert await told(session, next_driver.id) == ["booking_confirmed", "booking_moved"]


async def test_an_objection_holds_up_what_goes_against_the_driver_and_once_upheld_ends_it(
    evening: Evening, session: AsyncSession
) -> None:
    driver = await evening.begin()
    await evening.looks([10, 30])
    (mine,) = await overstay_desk.overstays_of(session, driver.id)
    await overstay_desk.object_to(session, driver.id, mine.id, ObjectionIn("我已离开，道闸漏记"), minute(31))
    await evening.looks([60, 61])
    assert await banned_until(session, driver.id, minute(61)) is None
    await overstay_desk.answer(session, CHIEF, mine.id, AnswerIn(True, "经核查您已离场"), minute(62))
    await evening.looks([63, 120, 121, 500])
    assert await evening.told() == ["overstay", "overstay_answered"]
    assert await session.scalar(text("select count(*) from clue")) == 0


async def test_an_objection_that_is_not_upheld_holds_up_nothing_more(
    evening: Evening, session: AsyncSession
) -> None:
    driver = await evening.begin()
    await evening.looks([10, 30])
    (mine,) = await overstay_desk.overstays_of(session, driver.id)
    await overstay_desk.object_to(session, driver.id, mine.id, ObjectionIn("我已离开，道闸漏记"), minute(31))
    await overstay_desk.answer(session, CHIEF, mine.id, AnswerIn(False, "录像显示车辆仍在"), minute(62))
    await evening.looks([63])
    assert await banned_until(session, driver.id, minute(63)) == minute(63) + timedelta(days=7)


async def test_a_clue_is_withdrawn_where_the_driver_was_right(
    evening: Evening, session: AsyncSession
) -> None:
    driver = await evening.begin()
    await evening.looks([10, 30, 60, 120])
    (mine,) = await overstay_desk.overstays_of(session, driver.id)
    assert await session.scalar(text("select state from clue")) == "received"
    await overstay_desk.object_to(session, driver.id, mine.id, ObjectionIn("出口道闸故障"), minute(130))
    await overstay_desk.answer(session, CHIEF, mine.id, AnswerIn(True, "道闸故障属实"), minute(140))
    assert await session.scalar(text("select state from clue")) == "withdrawn"


async def test_whoever_may_stand_there_by_another_permit_is_left_alone(
    evening: Evening, session: AsyncSession
) -> None:
    driver = await evening.begin()
    await grant_permit(
        session,
        plate_hash=driver.held.plate_hash,
        plate_sealed=driver.held.plate_sealed,
        kind=PermitKind.MONTHLY,
        valid_from=NINE,
        valid_until=minute(240),
        source="test",
        facility_id=evening.facility,
    )
    await evening.looks([-30, -10, 10, 30, 60, 120, 239])
    assert await evening.told() == []
    assert await overstay_desk.overstays_of(session, driver.id) == []
    await evening.looks([240])
    assert await evening.told() == ["overstay"]


async def spaces(session: AsyncSession) -> list[UUID]:
    """The one that was booked first, and the other."""
    rows = await session.scalars(
        text("select s.id from space s order by s.id <> (select space_id from booking limit 1)")
    )
    return list(rows)


async def test_or_is_told_in_time_with_other_places(evening: Evening, session: AsyncSession) -> None:
    await evening.begin()
    await hall(session, spaces=2, code="library")
    next_driver = await owner(session, "浙E54321", "wu")
    booked = await evening.books(next_driver, minute(5), minute(65))
    await evening.looks([0])
    await move_endangered(session, minute(0))
    await session.commit()
    assert await told(session, next_driver.id) == ["booking_confirmed", "space_still_taken"]
    said = await session.scalar(
        text("select texts->'en'->>'body' from notice where kind = 'space_still_taken'")
    )
    assert said is not None
    assert "市民中心停车场" in said
    move = (await session.execute(text("select booking_id, to_space from booking_move"))).one()
    assert tuple(move) == (booked.id, None)


async def test_where_no_gate_tells_a_taken_space_is_enough_to_remind_and_for_no_more(
    evening: Evening, session: AsyncSession
) -> None:
    await spaces_seen(session, SEVEN, True)
    await evening.set_steps("confirmed")
    evening.driver = await owner(session)
    await evening.books(evening.driver, SEVEN, NINE)
    await evening.looks([-30, -10, 10, 30, 60, 120])
    assert await evening.told() == ["booking_ends", "booking_ends"]
    assert await session.scalar(text("select count(*) from overstay")) == 0
