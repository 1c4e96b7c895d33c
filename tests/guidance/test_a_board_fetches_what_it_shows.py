"""GET /v1/signs/{code}: tiny, 304 while nothing changes, and a sign of life only with the board's key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.accounts.roles import Role
from parking_cloud.guidance.signs import reading
from parking_cloud.guidance.signs.book import SignBook, WrongSignKey
from parking_cloud.guidance.signs.jobs import judge_signs, remember_full
from parking_cloud.guidance.signs.listening import note_listening
from parking_cloud.guidance.signs.rules import Way
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.settings import Settings
from tests.factories import load_small_city
from tests.guidance.sign_parts import KEY, count, hang, listened, new_sign, signed_in
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

Client = AsyncTestClient[Any]
NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
async def client(settings: Settings, session: AsyncSession, clock: FixedClock) -> AsyncIterator[Client]:
    """The API on the small city with one board; its garage has 40 free."""
    await load_small_city(session)
    await hang(session, NOW)
    await count(session, "garage", 40, NOW)
    async with client_of(settings, clock) as client:
        yield client


def book(client: Client) -> SignBook:
    found: SignBook = client.app.state.signs
    return found


async def test_it_gets_its_lines_and_then_304(
    session: AsyncSession, client: Client, clock: FixedClock
) -> None:
    answer = await client.get("/v1/signs/B1", headers={"X-Sign-Key": KEY})
    assert answer.status_code == 200
    assert len(answer.content) < 700
    garage, street = answer.json()["rows"]
    assert (garage["number"], garage["value"], garage["line"]) == (40, "40", "←爱山广场        40")
    assert (street["state"], street["value"]) == ("blank", "—")
    assert answer.headers["cache-control"] == "private, no-cache"
    tag = answer.headers["etag"]
    same = await client.get("/v1/signs/B1", headers={"X-Sign-Key": KEY, "If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    await count(session, "garage", 39, NOW)
    book(client).forget()
    changed = await client.get("/v1/signs/B1", headers={"X-Sign-Key": KEY, "If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["rows"][0]["number"] == 39
    # Nothing new is heard: by time alone it goes blank.
    clock.moment = NOW + timedelta(minutes=31)
    book(client).forget()
    blank = await client.get("/v1/signs/B1", headers={"If-None-Match": changed.headers["etag"]})
    assert (blank.status_code, blank.json()["rows"][0]["value"]) == (200, "—")


async def test_anybody_may_look_but_that_is_no_sign_of_life(
    sessions: async_sessionmaker[AsyncSession], session: AsyncSession, client: Client, clock: FixedClock
) -> None:
    looked = await client.get("/v1/signs/B1")
    assert (looked.status_code, looked.headers["cache-control"]) == (200, "public, max-age=5")
    wrong = await client.get("/v1/signs/B1", headers={"X-Sign-Key": "guessed"})
    assert (wrong.status_code, wrong.json()["type"].rpartition(":")[2]) == (401, "wrong-sign-key")
    assert (await client.get("/v1/signs/B2")).status_code == 404
    await book(client).flush()
    assert await session.scalar(text("select heard_at from sign_state")) is None
    await client.get("/v1/signs/B1", headers={"X-Sign-Key": KEY, "If-None-Match": looked.headers["etag"]})
    await book(client).flush()
    (state,) = await session.execute(text("select heard_at, heard_version from sign_state"))
    assert state == (NOW, looked.headers["etag"].strip('"'))


async def test_two_minutes_of_silence_are_a_fault_until_it_asks_again(
    settings: Settings, sessions: async_sessionmaker[AsyncSession], client: Client, clock: FixedClock
) -> None:
    async def faults(*, closed: bool = False) -> list[dict[str, Any]]:
        path = f"/v1/operations/sign-faults?closed={closed}"
        answer = await client.get(path, headers=signed_in(settings, Role.CITY_ADMINISTRATOR, NOW))
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def judge(after: int) -> None:
        clock.moment = NOW + timedelta(seconds=after)
        async with sessions() as session:
            await listened(session, clock.now())
        async with transaction(sessions) as session:
            await judge_signs(session, clock.now())

    async def fetch() -> None:
        assert (await client.get("/v1/signs/B1", headers={"X-Sign-Key": KEY})).status_code == 200
        await book(client).flush()

    await fetch()
    await judge(120)
    assert await faults() == []
    await judge(121)
    await judge(150)
    (fault,) = await faults()
    assert (fault["code"], fault["evidence"]["limit_s"], fault["evidence"]["way"]) == ("B1", 120, "poll")
    assert datetime.fromisoformat(fault["evidence"]["last_heard"]) == NOW
    clock.moment = NOW + timedelta(seconds=160)
    await fetch()
    assert await faults() == []
    (ended,) = await faults(closed=True)
    assert datetime.fromisoformat(ended["closed_at"]) == NOW + timedelta(seconds=160)
    await judge(170)
    assert await faults() == []
    # Silent again, then taken out of use: nobody has to drive there.
    await judge(400)
    assert len(await faults()) == 1
    chief = signed_in(settings, Role.CITY_ADMINISTRATOR, NOW)
    assert (await client.post("/v1/signs/B1/retire", headers=chief)).status_code == 204
    await judge(430)
    assert await faults() == []
    assert (await client.get("/v1/signs/B1")).status_code == 404
    async with sessions() as session:
        states = await session.scalars(
            text(
                "select payload->>'state' from outbox_message"
                " where topic = 'operations.sign_fault' order by id"
            )
        )
        assert list(states) == ["opened", "closed", "opened", "closed"]


async def test_an_outage_of_ours_is_no_fault_of_the_boards(session: AsyncSession, client: Client) -> None:
    async def faults(after: int) -> list[str]:
        await judge_signs(session, NOW + timedelta(seconds=after))
        open_ones = text("select code from sign_fault where closed_at is null order by code")
        found = list(await session.scalars(open_ones))
        await session.commit()
        return found

    await listened(session, NOW + timedelta(seconds=200))
    assert await faults(200) == ["B1"]
    await hang(session, NOW + timedelta(seconds=210), code="B2")
    # Nobody listens for some minutes, and then somebody does: what stood stands, nothing else is known.
    assert await faults(500) == ["B1"]
    for after in range(500, 640, 20):
        await note_listening(session, Way.POLL, NOW + timedelta(seconds=after))
        assert await faults(after) == ["B1"]
    assert await faults(621) == ["B1", "B2"]


async def test_a_board_is_heard_also_while_the_tables_cannot_be_read(
    session: AsyncSession, client: Client, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await book(client).content("B1")

    async def away(*_: object) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(reading, "facilities_in_districts", away)
    book(client).forget()
    clock.moment = NOW + timedelta(minutes=1)
    with pytest.raises(OSError, match="away"):
        await book(client).fetched("B1", KEY, None)
    with pytest.raises(WrongSignKey):
        await book(client).fetched("B1", "guessed", None)
    await book(client).flush()
    assert await session.scalar(text("select heard_at from sign_state")) == clock.moment


async def test_a_full_row_opens_only_with_room_to_spare(
    sessions: async_sessionmaker[AsyncSession], session: AsyncSession, client: Client
) -> None:
    shown = []
    for free in (3, 2, 3, 4, 5, 4):
        await count(session, "garage", free, NOW)
        async with transaction(sessions) as worker:
            await remember_full(worker, NOW)
        book(client).forget()
        shown.append((await client.get("/v1/signs/B1")).json()["rows"][0]["value"])
    assert shown == ["3", "满", "满", "满", "5", "4"]


async def test_staff_describe_boards_and_everybody_sees_where_they_hang(
    settings: Settings, client: Client, session: AsyncSession
) -> None:
    chief, auditor = (signed_in(settings, role, NOW) for role in (Role.CITY_ADMINISTRATOR, Role.AUDITOR))
    body = {
        "code": "B2",
        "name": "爱山广场入口",
        "level": 3,
        "lat": 30.87,
        "lon": 120.1,
        "rows": [{"label": "入口", "facilities": ["garage"]}],
    }
    assert (await client.post("/v1/signs", json=body, headers=auditor)).status_code == 403
    made = await client.post("/v1/signs", json=body, headers=chief)
    key = made.json()["key"]
    again = await client.post("/v1/signs", json=body, headers=chief)
    assert (made.status_code, again.status_code) == (201, 409)
    for wrong in (
        {"rows": [{"label": "x", "facilities": ["nowhere"]}]},
        {"rows": [{"label": "x"}]},
        {"rows": [{"label": "x", "district": "nowhere"}]},
        {"rows": []},
        {"open_again_at": 2},
        {"level": 4},
        {"lat": 91},
    ):
        answer = await client.post("/v1/signs", json=body | {"code": "B3"} | wrong, headers=chief)
        assert answer.status_code in (400, 422), (wrong, answer.text)
    assert (await client.get("/v1/signs/B2", headers={"X-Sign-Key": key})).status_code == 200
    renewed = (await client.post("/v1/signs/B2/key", headers=chief)).json()["key"]
    assert (await client.get("/v1/signs/B2", headers={"X-Sign-Key": key})).status_code == 401
    assert (await client.get("/v1/signs/B2", headers={"X-Sign-Key": renewed})).status_code == 200
    described = body | {"name": "南入口", "full_below": 1}
    del described["code"]
    assert (await client.put("/v1/signs/B2", json=described, headers=chief)).status_code == 204
    listed = (await client.get("/v1/operations/signs", headers=auditor)).json()["items"]
    assert [(sign["code"], sign["name"], sign["full_below"]) for sign in listed] == [
        ("B1", new_sign().name, 3),
        ("B2", "南入口", 1),
    ]
    places = (await client.get("/v1/signs")).json()["items"]
    assert [(place["code"], place["level"]) for place in places] == [("B1", 2), ("B2", 3)]
    deeds = await session.scalars(
        text("select action from audit_entry where subject_id = 'B2' order by at, id")
    )
    assert list(deeds) == ["signs.registered", "signs.new_key", "signs.changed"]
    assert key not in str((await session.execute(text("select * from audit_entry"))).all())
