"""What came of sharing: counted by institution and in the city, published each month, and kept as it was."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.app import create_app
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.sharing import ending
from parking_cloud.sharing.looking import look_at_open_spaces
from parking_cloud.sharing.planning import save_plan
from parking_cloud.sharing.turning_away import TurnedAwayIn, say_turned_away
from parking_cloud.sharing.use import month_use, publish_months, published_month, published_months
from parking_cloud.sharing.use_rules import LOOKED_EVERY
from tests.sharing.gate_parts import manager
from tests.sharing.parts import CHIEF, FRIDAY_NOON, hall, hours, owner, pays, plan
from tests.tariffs.parts import city

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SEVEN = city("2026-11-20 19:00")
NOVEMBER = date(2026, 11, 1)
SECOND_OF_DECEMBER = city("2026-12-02 00:30")


async def looked(session: AsyncSession, since: datetime) -> None:
    """Three times, every ten minutes."""
    for number in range(3):
        await look_at_open_spaces(session, since + number * LOOKED_EVERY)


async def a_month(session: AsyncSession) -> None:
    """Two institutions. At one: two hours used, one booking given back, one driver turned away. Both were
    open, and looked at, for half an hour."""
    await hall(session, spaces=3)
    await hall(session, spaces=2, code="library")
    drivers = [
        await owner(session, plate, name)
        for plate, name in (("浙E12345", "li"), ("浙E54321", "wu"), ("浙E11111", "he"))
    ]
    booked = []
    for driver in drivers:
        booked.append(await driver.books(session, SEVEN, SEVEN + hours(2)))
        await pays(session, booked[-1], FRIDAY_NOON)
    await ending.cancel(session, drivers[1].id, booked[1].id, FRIDAY_NOON)
    said = TurnedAwayIn()
    await say_turned_away(session, drivers[2].id, booked[2].id, said, SEVEN, timedelta(hours=2))
    await looked(session, SEVEN)
    await session.commit()


async def test_a_month_is_counted(session: AsyncSession) -> None:
    await a_month(session)
    found = await month_use(session, NOVEMBER, SECOND_OF_DECEMBER)
    hall_, library = found.institutions
    use = hall_.use
    assert (use.opened, use.booked_hours, use.bookings, use.turned_away) == (3, 2.0, 2, 1)
    assert use.revenue == 800, "of three bookings two were paid back"
    assert (library.use.opened, library.use.bookings) == (2, 0)
    assert (found.goal, found.city.opened, found.city.revenue) == (3500, 5, 800)
    assert (use.open_hours, library.use.open_hours) == (1.5, 1)


async def test_a_month_is_what_was_open_in_it_whatever_is_planned_since(session: AsyncSession) -> None:
    facility = await hall(session, spaces=3)
    await looked(session, SEVEN)
    first_of_december = city("2026-12-01 09:00")
    await save_plan(session, CHIEF, facility, plan(published=False), first_of_december)
    use = (await month_use(session, NOVEMBER, SECOND_OF_DECEMBER)).city
    assert (use.opened, use.open_hours) == (3, 1.5)
    await save_plan(session, CHIEF, facility, plan(), first_of_december)
    assert (await month_use(session, date(2026, 10, 1), SECOND_OF_DECEMBER)).city.opened == 0


async def test_money_that_is_kept_of_a_booking_given_back_counts_and_so_does_its_time(
    session: AsyncSession,
) -> None:
    await hall(session)
    driver = await owner(session)
    booked = await driver.books(session, SEVEN, SEVEN + hours(2))
    await pays(session, booked, FRIDAY_NOON)
    await ending.cancel(session, driver.id, booked.id, SEVEN + hours(1.5))
    use = (await month_use(session, NOVEMBER, SECOND_OF_DECEMBER)).city
    assert (use.bookings, use.booked_hours, use.revenue) == (1, 1.5, 700), (
        "half of the last half hour went back"
    )


async def test_months_that_nobody_published_in_time_are_made_up_for(session: AsyncSession) -> None:
    await hall(session)
    await looked(session, city("2026-11-30 19:00"))
    for day in ("2026-12-10 19:00", "2027-03-01 19:00"):
        at = city(day)
        await session.execute(
            text("insert into sharing_space_day select id, :day, 3, 3, 0, :at from space"),
            {"day": at.date(), "at": at},
        )
    late = city("2027-04-02 01:00")
    december, march = date(2026, 12, 1), date(2027, 3, 1)
    assert await publish_months(session, late) == [NOVEMBER, december, march], "in two nothing was open"
    assert await publish_months(session, late + hours(1)) == []


async def test_it_is_published_once_and_cannot_be_changed(session: AsyncSession) -> None:
    await a_month(session)
    assert not await publish_months(session, city("2026-12-01 12:00"))
    assert await publish_months(session, SECOND_OF_DECEMBER) == [NOVEMBER]
    assert not await publish_months(session, SECOND_OF_DECEMBER + hours(1))
    await session.commit()
    found = await published_month(session, NOVEMBER)
    assert found is not None
    assert (found.published_at, found.use.city.bookings) == (SECOND_OF_DECEMBER, 2)
    assert [month for month, _ in await published_months(session)] == [NOVEMBER]
    for statement in ("update sharing_month set figures = '{}'", "delete from sharing_month"):
        with pytest.raises(DBAPIError, match="stands"):
            await session.execute(text(statement))
        await session.rollback()


async def test_over_http_everybody_sees_what_is_published_and_managers_their_own(
    session: AsyncSession, settings: Settings
) -> None:
    await a_month(session)
    boss = await manager(session)

    def signed(who: Identity) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue(who, settings.secret_key, SECOND_OF_DECEMBER)}"}

    url = "/v1/sharing/use"
    async with AsyncTestClient[Any](create_app(settings, FixedClock(SECOND_OF_DECEMBER))) as client:
        assert (await client.get(url)).status_code == 404
        await publish_months(session, SECOND_OF_DECEMBER)
        await session.commit()
        shown = (await client.get(f"{url}?month=2026-11")).json()
        assert shown["use"]["city"]["opened"] == 5
        table = await client.get(f"{url}/csv")
        lines = table.text.lstrip("\ufeff").splitlines()
        assert [len(line.split(",")) for line in lines] == [12] * 4
        assert (await client.get(f"{url}?month=2026-13")).status_code == 422
        own = (await client.get(f"{url}/running?month=2026-11", headers=signed(boss))).json()
        assert [row["institution"] for row in own["institutions"]] == ["市民中心"]
        assert own["city"]["opened"] == 3
        nobody = Identity(user_id=uuid4(), username="li", role=Role.DRIVER)
        assert (await client.get(f"{url}/running", headers=signed(nobody))).status_code == 403


async def test_the_page_shows_it_in_both_languages(session: AsyncSession, settings: Settings) -> None:
    async with AsyncTestClient[Any](create_app(settings, FixedClock(SECOND_OF_DECEMBER))) as client:
        empty = await client.get("/sharing?lang=en")
        assert (empty.status_code, "not published yet" in empty.text) == (200, True)
        await a_month(session)
        await publish_months(session, SECOND_OF_DECEMBER)
        await session.commit()
        english = (await client.get("/sharing?lang=en&month=2026-11")).text
        chinese = (await client.get("/sharing?lang=zh-CN")).text
        assert "5 opened of a goal of 3500" in english
        assert "已开放 5 个，目标 3500 个" in chinese
        assert (await client.get("/sharing?month=2026-10")).status_code == 404
