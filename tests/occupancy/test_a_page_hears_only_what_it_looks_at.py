"""The live stream with a filter: only those facilities, resumable all the same, `alive` when it is quiet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar.response import ServerSentEventMessage
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy import stream
from parking_cloud.occupancy.boxes import parse_box
from parking_cloud.occupancy.events import EVENTS_STREAM
from parking_cloud.occupancy.service import facilities_within
from parking_cloud.occupancy.stream import EventHub
from tests.factories import facility_id_of, load_small_city
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)


async def tell(redis: Redis, facility: UUID, free: int) -> str:
    event = msgspec.json.encode({"id": facility, "free": free})
    entry: bytes = await redis.xadd(EVENTS_STREAM, {"e": event})
    return entry.decode()


@pytest.fixture
async def hub(redis: Redis) -> AsyncIterator[EventHub]:
    hub = EventHub(redis)
    async with hub.running():
        yield hub


async def heard(messages: AsyncIterator[ServerSentEventMessage], count: int) -> list[tuple[str, Any]]:
    """The next so many, as (kind, free)."""
    found = []
    async with asyncio.timeout(10):
        while len(found) < count:
            message = await anext(messages)
            if message.event is not None:
                body = msgspec.json.decode(str(message.data))
                found.append((message.event, body.get("free")))
    return found


async def begun(hub: EventHub) -> ServerSentEventMessage:
    """The first message of a page that goes away at once."""
    async with aclosing(hub.listen(None, {HERE})) as messages:
        return await anext(messages)


async def test_what_was_missed_is_told_of_the_wanted_alone(redis: Redis, hub: EventHub) -> None:
    before = await tell(redis, HERE, 1)
    for free in (2, 3):
        await tell(redis, ELSEWHERE, free)
        await tell(redis, HERE, free)
    messages = hub.listen(before, {HERE})
    assert await heard(messages, 2) == [("facility", 2), ("facility", 3)]
    following = asyncio.create_task(heard(messages, 2))
    for free in (4, 5):
        await tell(redis, ELSEWHERE, free)
        await tell(redis, HERE, free)
    assert await following == [("facility", 4), ("facility", 5)]


async def test_a_quiet_corner_keeps_its_place(
    redis: Redis, hub: EventHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Much happens elsewhere and is forgotten by the stream: the page resumes without loading anew."""
    monkeypatch.setattr(stream, "_QUIET_S", 0.2)
    before = await tell(redis, HERE, 1)
    for free in range(50):
        newest = await tell(redis, ELSEWHERE, free)
    messages = hub.listen(before, {HERE})
    async with asyncio.timeout(10):
        while (alive := await anext(messages)).event != "alive":
            pass
    assert alive.id == newest
    await redis.xtrim(EVENTS_STREAM, maxlen=1, approximate=False)
    await tell(redis, HERE, 7)
    assert await heard(hub.listen(str(alive.id), {HERE}), 1) == [("facility", 7)]
    # Whoever stayed where he was has missed what is gone, and is told so.
    assert await heard(hub.listen(before, {HERE}), 2) == [("reset", None), ("facility", 7)]


async def test_a_page_that_heard_nothing_yet_has_its_place(redis: Redis, hub: EventHub) -> None:
    """Its line breaks before anything concerns it: it comes back by the id that the first message had."""
    newest = await tell(redis, HERE, 1)
    for _ in range(500):  # until the hub has read it
        if (first := await begun(hub)).id == newest:
            break
        await asyncio.sleep(0.01)
    assert first.id == newest
    await tell(redis, HERE, 2)
    assert await heard(hub.listen(str(first.id), {HERE}), 1) == [("facility", 2)]


async def test_a_stream_that_lost_everything_is_a_gap(redis: Redis, hub: EventHub) -> None:
    before = await tell(redis, HERE, 1)
    await redis.delete(EVENTS_STREAM)
    assert await heard(hub.listen(before, {HERE}), 1) == [("reset", None)]


async def test_a_page_that_came_while_the_stream_could_not_be_read_loads_anew(redis: Redis) -> None:
    hub = EventHub(redis)
    messages = hub.listen(None, {HERE})
    assert (await anext(messages)).id is None
    await tell(redis, HERE, 1)
    async with hub.running():
        assert await heard(messages, 1) == [("reset", None)]


def test_a_page_too_slow_is_sent_nothing_beyond_what_it_missed() -> None:
    """It comes back by the id of what it was last sent, and so hears all of it."""
    listener = stream.Listener()
    event = stream.Event("1-0", HERE, "{}")
    while listener.tell(event):
        pass
    listener.end()
    assert listener.queue.get_nowait() is None
    assert listener.queue.empty()


async def test_a_box_holds_what_lies_in_it(session: AsyncSession) -> None:
    devices = await load_small_city(session)
    street, garage = facility_id_of(devices, "sensor-1"), facility_id_of(devices, "garage-counter")
    cases = {"120.09,30.86,120.097,30.88": {street}, "120,30,121,31": {street, garage}, "1,1,2,2": set()}
    for written, wanted in cases.items():
        assert await facilities_within(session, parse_box(written)) == wanted


@pytest.mark.parametrize(
    "wrong", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "2,1,1,2", "1,2,2,1", "nan,1,2,3", "1,-91,2,3"]
)
def test_what_is_no_box_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput):
        parse_box(wrong)


async def test_over_http_a_wrong_box_is_told_before_the_stream_begins(settings: Settings) -> None:
    async with client_of(settings) as client:
        for query in ("bbox=1,2,3", "facility=x", "&".join(f"facility={uuid4()}" for _ in range(201))):
            assert (await client.get(f"/v1/occupancy/stream?{query}")).status_code in (400, 422)
