"""A camera misreads a plate as one that belongs to somebody. Nobody is charged for the other's stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.stays.events import EVENTS_STREAM
from parking_cloud.stays.likeness import alike, distance, same_color
from sensor_gateway.records import PlateColor
from tests.factories import load_small_city
from tests.stays.parts import ENTRY, EXIT, all_stays, arrive, corrected, minute, passed, plate

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

OWN, STRANGERS, OTHER = "浙E8B012", "浙E88O12", "浙E99999"


async def stays_by_plate(session: AsyncSession) -> dict[str, Any]:
    names = {plate(number).hash: number for number in (OWN, STRANGERS, OTHER)}
    return {names[bytes(stay.plate_hash)]: stay for stay in await all_stays(session)}


async def open_readings(session: AsyncSession) -> list[tuple[str, str]]:
    rows = await session.execute(
        text(
            "select e.record_id, r.why from second_reading r join gate_event e on e.id = r.event_id"
            " where r.answered_at is null order by 1"
        )
    )
    return [tuple(row) for row in rows]


async def test_an_entry_misread_is_read_again_and_becomes_one_stay(
    session: AsyncSession, redis: Redis
) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(
        session, redis, [passed(gate, "in", ENTRY, 0, STRANGERS), passed(gate, "x", ENTRY, 1, OTHER)]
    )
    await arrive(session, redis, [passed(gate, "out", EXIT, 60, OWN)])
    stays = await stays_by_plate(session)
    assert {number: stay.state for number, stay in stays.items()} == {
        STRANGERS: "review",
        OWN: "review",
        OTHER: "open",
    }
    assert stays[STRANGERS].situations == ["plate_misread"]
    assert await open_readings(session) == [("in", "misread"), ("out", "misread")]
    asked = [json.loads(fields[b"e"]) for _, fields in await redis.xrange(EVENTS_STREAM)]
    assert {event["facility"] for event in asked} == {str(gate.facility_id)}
    assert len(asked) == 2

    await arrive(session, redis, [corrected("c", "in", 70, plate=plate(OWN))])
    stays = await stays_by_plate(session)
    assert stays.keys() == {OWN, OTHER}
    assert (stays[OWN].state, minute(stays[OWN].entered_at), minute(stays[OWN].exited_at)) == (
        "closed",
        0,
        60,
    )
    assert await open_readings(session) == []


async def test_an_exit_misread_stops_the_strangers_clock_at_once(session: AsyncSession, redis: Redis) -> None:
    """The stranger's own stay goes on once both plates were read again as they were."""
    gate = (await load_small_city(session))["garage-counter"]
    await arrive(
        session, redis, [passed(gate, "in", ENTRY, 0, STRANGERS), passed(gate, "out", EXIT, 60, OWN)]
    )
    assert (await stays_by_plate(session))[STRANGERS].state == "review"
    again = [
        corrected("c", "in", 70, plate=plate(STRANGERS)),
        corrected("d", "out", 71, plate=plate(OWN)),
    ]
    await arrive(session, redis, again)
    stays = await stays_by_plate(session)
    assert (stays[STRANGERS].state, stays[STRANGERS].situations) == ("open", [])
    assert (stays[OWN].state, stays[OWN].situations) == ("review", ["missed_entry"])
    answers = await session.scalars(text("select answer from second_reading"))
    assert list(answers) == ["as_read", "as_read"]


async def test_another_colour_is_another_vehicle(session: AsyncSession, redis: Redis) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    green = passed(gate, "in", ENTRY, 0, STRANGERS, color=PlateColor.YELLOW)
    await arrive(session, redis, [green, passed(gate, "out", EXIT, 60, OWN)])
    assert (await stays_by_plate(session))[STRANGERS].state == "open"


async def test_an_unsure_camera_charges_nobody(session: AsyncSession, redis: Redis) -> None:
    gate = (await load_small_city(session))["garage-counter"]
    unsure = passed(gate, "out", EXIT, 60, OWN, confidence=0.55)
    await arrive(session, redis, [passed(gate, "in", ENTRY, 0, OWN), unsure])
    (stay,) = await all_stays(session)
    assert (stay.state, stay.situations) == ("review", ["plate_unsure"])
    assert await open_readings(session) == [("out", "unsure")]
    await arrive(session, redis, [corrected("c", "out", 70, plate=plate(OWN))])
    (stay,) = await all_stays(session)
    assert (stay.state, stay.situations) == ("closed", [])


@pytest.mark.parametrize(
    ("one", "other", "like"),
    [
        ("浙E12345", "浙E12345", False),
        ("浙E8B012", "浙E88O12", True),
        ("浙E12345", "沪E12345", True),
        ("浙E12345", "浙E1234", True),
        ("浙E12345", "浙E12349", True),
        ("浙E12345", "浙E12399", False),
        ("浙ED12345", "浙E12345", True),
        ("浙E12345", "皖A99887", False),
    ],
)
def test_likeness_by_example(one: str, other: str, like: bool) -> None:
    assert alike(one, other) is like


texts = st.text("浙沪AB8D0E12", max_size=8)


@given(texts, texts, texts)
def test_likeness_is_a_distance(one: str, other: str, third: str) -> None:
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)
    assert distance(one, other) <= 2 * max(len(one), len(other))
    assert distance(one, third) <= distance(one, other) + 2 * max(len(other), len(third))


def test_only_two_known_colours_tell_vehicles_apart() -> None:
    assert same_color(None, "blue")
    assert same_color("blue", "blue")
    assert not same_color("blue", "green")
