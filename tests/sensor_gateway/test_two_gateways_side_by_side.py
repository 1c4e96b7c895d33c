"""Two gateways of one group share the uplinks: each arrives once; when one is gone, the other takes all."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from parking_cloud.devstack import Stack
from sensor_gateway.__main__ import leave_group
from sensor_gateway.observation import DeadLetter, Observation
from sensor_gateway.publish import Publisher
from sensor_gateway.settings import Settings
from sensor_gateway.transports.mqtt import BrokerRefused
from tests.sensor_gateway.parts import (
    Frame,
    frame,
    mqtt_intake,
    network_server,
    on_the_stream,
    register,
    running,
)

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

SENSORS, ROUNDS = 20, 10
ALL = SENSORS * ROUNDS


class Counting(Publisher):
    """Knows how much went through it."""

    published = 0

    async def publish(self, observations: Sequence[Observation], dead: Sequence[DeadLetter] = ()) -> None:
        await super().publish(observations, dead)
        self.published += len(observations)


def frames(first_round: int) -> list[Frame]:
    """`ROUNDS` frames of every sensor, no two alike."""
    return [frame(s, c) for c in range(first_round, first_round + ROUNDS) for s in range(1, SENSORS + 1)]


def distinct(observations: list[Observation]) -> int:
    return len({observation.id for observation in observations})


async def test_every_uplink_arrives_once_and_what_remains_takes_all(redis: Redis, stack: Stack) -> None:
    await register(redis, SENSORS)
    group, name = str(uuid4()), str(uuid4())
    first, second = Counting(redis, 1), Counting(redis, 1)
    staying = await mqtt_intake(redis, stack.mqtt_url, group=group, publisher=first)
    going = await mqtt_intake(redis, stack.mqtt_url, client_id=name, group=group, publisher=second)
    with network_server(stack.mqtt_url) as sender:
        async with running(staying):
            async with running(going):
                await sender.send(*frames(0))
                both = await on_the_stream(redis, ALL)
                assert (len(both), distinct(both)) == (ALL, ALL)
                assert min(first.published, second.published) > 0

            # Stopped, it has a share still: what comes for it waits until it is back, or leaves for good.
            await sender.send(*frames(ROUNDS))
            await leave_group(
                Settings(
                    redis_url=stack.redis_url,
                    mqtt_url=stack.mqtt_url,
                    gateway_id=name,
                    shared_group=group,
                    stream_shards=1,
                )
            )
            together = await on_the_stream(redis, 2 * ALL)
            assert (len(together), distinct(together)) == (2 * ALL, 2 * ALL)

            before, alone = second.published, first.published
            await sender.send(*frames(2 * ROUNDS))
            everything = await on_the_stream(redis, 3 * ALL)
            assert (len(everything), distinct(everything)) == (3 * ALL, 3 * ALL)
            assert (second.published, first.published) == (before, alone + ALL)


async def test_a_gateway_that_comes_back_gets_the_share_that_waited(redis: Redis, stack: Stack) -> None:
    await register(redis, SENSORS)
    group = str(uuid4())
    staying = await mqtt_intake(redis, stack.mqtt_url, group=group)
    restarting = await mqtt_intake(redis, stack.mqtt_url, group=group)
    with network_server(stack.mqtt_url) as sender:
        async with running(staying):
            async with running(restarting):
                pass
            await sender.send(*frames(0))
            async with running(restarting):
                assert distinct(await on_the_stream(redis, ALL)) == ALL


async def test_an_uplink_delivered_twice_has_the_same_id(redis: Redis, stack: Stack) -> None:
    await register(redis, 1)
    topic, body = frame(1, 7)
    async with running(await mqtt_intake(redis, stack.mqtt_url)):
        with network_server(stack.mqtt_url) as sender:
            await sender.send((topic, body), (topic, body))
            first, again = await on_the_stream(redis, 2)
    assert first.id == again.id


async def test_who_cannot_reach_the_group_cannot_leave_it(redis: Redis, stack: Stack) -> None:
    stranger = await mqtt_intake(redis, stack.mqtt_url.replace("parking:", "parking:not-"), group="g")
    with pytest.raises(BrokerRefused, match=r"NOT_AUTHORIZED|BAD_USER_NAME"):
        await stranger.leave()
