"""The gate stayed shut: one press gives the money back and shows where else, and the record stands."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.gates.allow_list import pass_states
from parking_cloud.gates.allow_list_rules import PassState
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.sharing import turn_away_records
from parking_cloud.sharing.booking import Booked, extend
from parking_cloud.sharing.entry_rules import stands_against
from parking_cloud.sharing.mine import my_booking
from parking_cloud.sharing.problems import BookingNotFound
from parking_cloud.sharing.schemas import BookingKind
from parking_cloud.sharing.turn_away_records import CommentedAlready, CommentIn, TurnAwayNotFound
from parking_cloud.sharing.turning_away import (
    NotTurnedAway,
    TurnedAwayIn,
    TurnedAwayOut,
    say_turned_away,
)
from sensor_gateway.records import Direction
from tests.sharing.gate_parts import attendant, manager, passes, told, with_gate
from tests.sharing.parts import ALWAYS, CHIEF, Driver, hall, hours, owner, pays, state_of
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

STALE = timedelta(hours=2)
SEVEN = city("2026-11-20 19:00")


async def evening(session: AsyncSession, driver: Driver) -> Booked:
    """Friday, 19:00 to 21:00, paid."""
    booked = await driver.books(session, SEVEN, SEVEN + hours(2))
    await pays(session, booked, SEVEN - hours(6))
    return booked


async def press(
    session: AsyncSession, driver: Driver, booked: Booked, after: float = 0.1, **said: float
) -> TurnedAwayOut:
    """So many hours after 19:00; committed."""
    answer = await say_turned_away(
        session, driver.id, booked.id, TurnedAwayIn(**said), SEVEN + hours(after), STALE
    )
    await session.commit()
    return answer


async def refunds(session: AsyncSession) -> list[int]:
    return list(await session.scalars(text("select amount from refund order by created_at, id")))


async def test_one_press_pays_back_offers_another_place_and_tells_the_institution(
    session: AsyncSession,
) -> None:
    facility = await hall(session)
    await hall(session, spaces=2, code="library")
    boss, staff = await manager(session), await attendant(session)
    driver = await owner(session)
    booked = await evening(session, driver)
    answer = await press(session, driver, booked, lat=30.87, lon=120.101)
    assert (answer.refund, await refunds(session)) == (800, [800])
    assert await state_of(session, booked) == ("turned_away", "turned_away")
    (place,) = answer.alternatives
    assert (place.code, place.bookable, place.price) == ("library", True, 800)
    assert await pass_states(session, [booked.id]) == {booked.id: "withdrawn"}
    (record,) = await turn_away_records.turn_aways(session, boss, before=None, limit=10)
    assert (record.facility_id, record.gate_state, record.refund) == (facility, "not_needed", 800)
    assert (record.distance_m, record.seen_at_gate) == (pytest.approx(96, abs=5), None)
    assert [await told(session, who.user_id) for who in (boss, staff)] == [["turned_away"]] * 2
    assert await told(session, driver.id) == ["booking_confirmed", "turned_away"]
    again = await press(session, driver, booked, after=0.2)
    assert (again, await refunds(session)) == (answer, [800])
    assert [each.id for each in await turn_away_records.mine(session, driver.id)] == [answer.id]
    assert await turn_away_records.mine(session, boss.user_id) == []


async def test_not_whoever_the_gate_knows_to_be_inside(session: AsyncSession, redis: Redis) -> None:
    facility = await hall(session)
    gate, driver = await with_gate(session, facility), await owner(session)
    booked = await evening(session, driver)
    await passes(session, redis, driver, facility, gate, Direction.ENTRY, SEVEN)
    with pytest.raises(NotTurnedAway):
        await press(session, driver, booked)
    assert (await state_of(session, booked), await refunds(session)) == (("confirmed", None), [])


async def test_what_was_used_before_is_not_paid_back(session: AsyncSession, redis: Redis) -> None:
    facility = await hall(session)
    gate, driver = await with_gate(session, facility), await owner(session)
    booked = await evening(session, driver)
    await passes(session, redis, driver, facility, gate, Direction.ENTRY, SEVEN)
    await passes(session, redis, driver, facility, gate, Direction.EXIT, SEVEN + hours(1))
    answer = await press(session, driver, booked, after=1.5)
    assert (answer.refund, await refunds(session)) == (200, [200])


@pytest.mark.parametrize(("after", "back"), [(-0.25, 800), (0.49, 800), (0.5, 600), (1.5, 200), (2.2, 0)])
async def test_who_says_so_late_gets_back_what_is_still_to_come(
    session: AsyncSession, after: float, back: int
) -> None:
    await hall(session)
    driver = await owner(session)
    booked = await evening(session, driver)
    assert (await press(session, driver, booked, after)).refund == back


@pytest.mark.parametrize("after", [-0.26, 2.25])
async def test_only_at_its_time(session: AsyncSession, after: float) -> None:
    await hall(session)
    driver = await owner(session)
    booked = await evening(session, driver)
    with pytest.raises(NotTurnedAway):
        await press(session, driver, booked, after)


async def test_an_extension_is_no_new_begin(session: AsyncSession, redis: Redis) -> None:
    facility = await hall(session, price_evening=None)
    gate, driver = await with_gate(session, facility), await owner(session)
    booked = await evening(session, driver)
    more = await extend(session, driver.id, booked.id, SEVEN + hours(4), SEVEN - hours(5))
    await session.commit()
    await pays(session, more, SEVEN - hours(5))
    await passes(session, redis, driver, facility, gate, Direction.ENTRY, SEVEN)
    await passes(session, redis, driver, facility, gate, Direction.EXIT, SEVEN + hours(2.2))
    assert (await press(session, driver, more, after=2.25)).refund == 700


async def test_a_weekend_that_was_used_is_not_paid_back(session: AsyncSession, redis: Redis) -> None:
    facility = await hall(session, price_evening=None)
    gate, driver = await with_gate(session, facility), await owner(session)
    saturday, monday = city("2026-11-21 08:00"), city("2026-11-23 08:00")
    booked = await driver.books(session, saturday, monday)
    await pays(session, booked, SEVEN - hours(6))
    await passes(session, redis, driver, facility, gate, Direction.ENTRY, saturday)
    await passes(session, redis, driver, facility, gate, Direction.EXIT, saturday + hours(1))
    after = (monday - SEVEN) / hours(1) - 1
    assert (await press(session, driver, booked, after)).refund == 400


async def test_what_nothing_bears_out_does_not_count(session: AsyncSession) -> None:
    await hall(session)
    boss, driver = await manager(session), await owner(session)
    await press(session, driver, await evening(session, driver), lat=39.9, lon=116.4)
    (record,) = await turn_away_records.turn_aways(session, boss, before=None, limit=10)
    assert not record.counts
    assert await turn_away_records.turn_away_counts(session, SEVEN, SEVEN + hours(1)) == {}


@pytest.mark.parametrize(
    ("state", "seen", "metres", "counts"),
    [
        (PassState.WAITING, False, None, True),
        (PassState.NOT_NEEDED, False, None, True),
        (PassState.ACKNOWLEDGED, False, None, False),
        (PassState.ACKNOWLEDGED, True, None, True),
        (PassState.ACKNOWLEDGED, False, 50, True),
        (PassState.REFUSED, True, 3000, False),
    ],
)
def test_what_bears_a_record_out(state: PassState, seen: bool, metres: int | None, counts: bool) -> None:
    assert stands_against(state, seen=seen, metres=metres) is counts


async def test_of_a_month_that_is_always_open_a_day_is_lost(session: AsyncSession) -> None:
    await hall(session, windows=ALWAYS)
    driver = await owner(session)
    booked = await driver.books(session, city("2026-11-20 08:00"), kind=BookingKind.MONTH)
    await pays(session, booked, SEVEN - hours(6))
    answer = await press(session, driver, booked)
    assert 0 < answer.refund < 20_000 / 29
    assert await state_of(session, booked) == ("confirmed", None)


async def test_a_month_without_its_last_time_is_over_and_can_be_read(session: AsyncSession) -> None:
    await hall(session)
    driver = await owner(session)
    booked = await driver.books(session, SEVEN, kind=BookingKind.MONTH)
    await pays(session, booked, SEVEN - hours(6))
    await session.execute(text("update booking_slot set live = false, lost = true where number > 0"))
    await press(session, driver, booked)
    assert await state_of(session, booked) == ("turned_away", "turned_away")
    shown = await my_booking(session, driver.id, booked.id, SEVEN)
    assert (shown.slots, shown.comes_back, shown.may_cancel) == ([], 0, False)


async def test_what_was_extended_is_paid_back_as_well(session: AsyncSession) -> None:
    await hall(session)
    driver = await owner(session)
    booked = await evening(session, driver)
    more = await extend(session, driver.id, booked.id, SEVEN + hours(3), SEVEN - hours(5))
    await session.commit()
    await pays(session, more, SEVEN - hours(5))
    price = (await session.scalars(text("select sum(price) from booking"))).one()
    answer = await press(session, driver, booked)
    assert (answer.refund, sum(await refunds(session))) == (price, price)
    assert await state_of(session, more) == ("turned_away", "turned_away")


async def test_of_a_month_one_evening_is_lost_and_paid_back(session: AsyncSession) -> None:
    await hall(session)
    driver = await owner(session)
    booked = await driver.books(session, SEVEN, kind=BookingKind.MONTH)
    await pays(session, booked, SEVEN - hours(6))
    answer = await press(session, driver, booked)
    assert 0 < answer.refund < 20_000
    assert await state_of(session, booked) == ("confirmed", None)
    lost = await session.scalars(text("select count(*) from booking_slot where lost and not live"))
    assert lost.one() == 1
    assert (await press(session, driver, booked, after=0.2)).id == answer.id
    assert await refunds(session) == [answer.refund]


async def test_nobody_says_so_for_another(session: AsyncSession) -> None:
    await hall(session)
    driver, other = await owner(session), await owner(session, "浙E54321", "wu")
    booked = await evening(session, driver)
    with pytest.raises(BookingNotFound):
        await press(session, other, booked)


async def test_the_record_stands_and_the_institution_answers_once(session: AsyncSession) -> None:
    await hall(session)
    await hall(session, code="library")
    boss, other = await manager(session), await manager(session, "lu", "inst-library")
    driver = await owner(session)
    record = (await press(session, driver, await evening(session, driver))).id
    auditor = Identity(user_id=uuid4(), username="sun", role=Role.AUDITOR)
    said = CommentIn("道闸断电，已修复")
    assert await turn_away_records.turn_aways(session, other, before=None, limit=10) == []
    for who in (other, auditor):
        with pytest.raises(TurnAwayNotFound):
            await turn_away_records.comment(session, who, record, said, SEVEN)
    with pytest.raises(NotAllowed):
        await turn_away_records.turn_aways(session, driver.who, before=None, limit=10)
    await turn_away_records.comment(session, boss, record, said, SEVEN)
    await session.commit()
    with pytest.raises(CommentedAlready):
        await turn_away_records.comment(session, boss, record, said, SEVEN)
    (shown,) = await turn_away_records.turn_aways(session, CHIEF, before=None, limit=10)
    assert shown.comment == "道闸断电，已修复"
    counts = await turn_away_records.turn_away_counts(session, SEVEN, SEVEN + hours(1))
    assert list(counts.values()) == [1]
    await _cannot(session, "update turn_away set refund = 0 where id = :id", record)
    await _cannot(session, "delete from turn_away where id = :id", record)


async def _cannot(session: AsyncSession, statement: str, record: UUID) -> None:
    await session.rollback()
    with pytest.raises(DBAPIError, match="stands"):
        await session.execute(text(statement), {"id": record})
