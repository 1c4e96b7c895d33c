"""Anybody can type a plate. What a driver says of it ends no stranger's stay, and tells nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar.testing import AsyncTestClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import vehicles
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from tests.factories import NOON, load_small_city
from tests.notices.parts import driver
from tests.serving import client_of
from tests.stays.parts import ENTRY, EXIT, VAULT, all_stays, arrive, follow, minute, passed, restate_long

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

CHIEF = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)
NEIGHBOURS, OWN = "浙E12345", "浙E99999"


class City:
    """The small city's street and garage, and who speaks there, so many minutes from noon."""

    def __init__(self, settings: Settings, session: AsyncSession, client: AsyncTestClient[Any]) -> None:
        self.settings, self.session, self.client = settings, session, client
        self.clock = FixedClock(NOON)
        self.spaces: list[UUID] = []
        self.gates: dict[str, Any] = {}
        self.staff = CHIEF

    def at(self, minutes: float) -> None:
        self.clock.moment = NOON + timedelta(minutes=minutes)

    async def start(self, who: Identity, space: int, plate: str) -> Any:
        began = {"space_id": str(self.spaces[space]), "plate": plate}
        return await self._post(who, "/v1/stays", began)

    async def end(self, who: Identity, stay: Any) -> int:
        return int((await self._post(who, f"/v1/stays/{stay}/end", {})).status_code)

    async def _post(self, who: Identity, address: str, body: dict[str, Any]) -> Any:
        token = issue(who, self.settings.secret_key, self.clock.now())
        answer = await self.client.post(address, json=body, headers={"Authorization": f"Bearer {token}"})
        await self.session.commit()
        return answer

    async def holder(self, name: str, plate: str) -> Identity:
        who = await driver(self.session, name)
        claim = await vehicles.claim(self.session, who, vehicles.VehicleIn(plate), VAULT, NOON)
        seen = vehicles.ClaimDecision(verified=True, reason="行驶证原件", plate=plate)
        await vehicles.decide(self.session, CHIEF, claim.id, seen, VAULT, NOON)
        await self.session.commit()
        return who


@pytest.fixture
async def city(settings: Settings, session: AsyncSession) -> AsyncIterator[City]:
    devices = await load_small_city(session)
    clock = FixedClock(NOON)
    async with client_of(settings, clock) as client:
        city = City(settings, session, client)
        city.clock = clock
        city.spaces = list(await session.scalars(text("select id from space order by number")))
        # A counted street's device stands for its gate, so that one place has both gates and spaces.
        street = devices["sensor-1"].facility_id
        at_street = SimpleNamespace(id=devices["sensor-1"].id, facility_id=street)
        city.gates = {"garage": devices["garage-counter"], "street": at_street}
        operator = UUID(str(await session.scalar(text("select id from operator"))))
        city.staff = Identity(
            user_id=uuid4(), username="wang", role=Role.OPERATOR_STAFF, operator_id=operator
        )
        yield city


async def test_only_who_holds_a_vehicle_starts_its_stay_and_others_learn_nothing_of_it(
    session: AsyncSession, redis: Redis, city: City
) -> None:
    mallory = await driver(session, "mallory")
    await city.start(city.staff, 0, NEIGHBOURS)
    await arrive(session, redis, [passed(city.gates["garage"], "in", ENTRY, 0, "浙E77777")])
    before = await all_stays(session)
    city.at(30)
    answers = [
        await city.start(mallory, space, plate)
        for plate in (NEIGHBOURS, "浙E77777", "浙E55555")
        for space in (0, 1)
    ]
    told = {(a.status_code, a.json()["type"].rpartition(":")[2], a.json()["detail"]) for a in answers}
    assert [(status, slug) for status, slug, _ in told] == [(403, "not-your-vehicle")]
    assert {await city.end(mallory, stay.id) for stay in before} == {403}
    await follow(session, redis, 31)
    assert await all_stays(session) == before


async def test_a_holder_neither_gets_nor_ends_a_stay_that_a_gate_began(
    session: AsyncSession, redis: Redis, city: City
) -> None:
    holder = await city.holder("li", OWN)
    await arrive(session, redis, [passed(city.gates["street"], "in", ENTRY, 0, OWN)])
    (stay,) = await all_stays(session)
    city.at(30)
    answer = await city.start(holder, 0, OWN)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "stay-under-way")
    assert str(stay.id) not in answer.text
    assert await city.end(holder, stay.id) == 403
    assert await session.scalar(text("select count(*) from stay_mark")) == 0
    await arrive(session, redis, [passed(city.gates["street"], "out", EXIT, 60, OWN)])
    (stay,) = await all_stays(session)
    assert (stay.state, stay.ended_by, minute(stay.exited_at)) == ("closed", "gate", 60)


async def test_a_start_elsewhere_ends_no_gates_stay(session: AsyncSession, redis: Redis, city: City) -> None:
    holder = await city.holder("li", OWN)
    await arrive(session, redis, [passed(city.gates["garage"], "in", ENTRY, 0, OWN)])
    city.at(30)
    said = (await city.start(holder, 0, OWN)).json()["stay_id"]
    garage, street = await all_stays(session)
    assert (garage.state, garage.situations, street.state) == ("open", ["two_at_once"], "open")
    city.at(40)
    assert await city.end(holder, said) == 204
    await arrive(session, redis, [passed(city.gates["garage"], "out", EXIT, 60, OWN)])
    garage, street = await all_stays(session)
    assert (garage.state, garage.ended_by, minute(garage.exited_at)) == ("closed", "gate", 60)
    assert (str(street.id), street.state, street.situations) == (said, "review", ["two_at_once"])


async def test_an_end_said_before_the_gates_word_came_ends_nothing(
    session: AsyncSession, redis: Redis, city: City
) -> None:
    holder = await city.holder("li", OWN)
    city.at(1)
    said = (await city.start(holder, 0, OWN)).json()["stay_id"]
    city.at(2)
    assert await city.end(holder, said) == 204
    await arrive(session, redis, [passed(city.gates["street"], "in", ENTRY, 0, OWN)])
    (stay,) = await all_stays(session)
    assert (stay.state, stay.opened_by, stay.exited_at) == ("open", "gate", None)


async def test_a_start_on_anothers_space_moves_nobody_away(
    session: AsyncSession, redis: Redis, city: City
) -> None:
    mallory = await city.holder("mallory", OWN)
    neighbour = await city.holder("li", NEIGHBOURS)
    stay = (await city.start(neighbour, 0, NEIGHBOURS)).json()["stay_id"]
    city.at(30)
    assert (await city.start(mallory, 0, OWN)).status_code == 201
    city.at(60)
    assert await city.end(mallory, stay) == 403
    assert await city.end(neighbour, stay) == 204
    mine = next(row for row in await all_stays(session) if str(row.id) == stay)
    assert (mine.state, mine.ended_by, minute(mine.exited_at)) == ("closed", "driver", 60)


async def test_a_start_while_the_stay_is_under_review_is_answered_with_that_stay(
    session: AsyncSession, redis: Redis, city: City
) -> None:
    first = (await city.start(city.staff, 0, NEIGHBOURS)).json()["stay_id"]
    days = 4 * 1440
    await restate_long(session, redis, days)
    assert [stay.state for stay in await all_stays(session)] == ["review"]
    city.at(days)
    answer = await city.start(city.staff, 0, NEIGHBOURS)
    assert (answer.status_code, answer.json()["stay_id"]) == (201, first)
