"""The conversation with the broker: packets however they are cut, refusals, silence, breaks, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from structlog.testing import capture_logs

from parking_cloud.devstack import Stack
from sensor_gateway.observation import DeadLetter, Observation
from sensor_gateway.publish import Publisher
from sensor_gateway.transports import mqtt
from sensor_gateway.transports.mqtt import Packets
from tests.sensor_gateway.parts import (
    IN_TIME,
    frame,
    mqtt_intake,
    network_server,
    on_the_stream,
    register,
    running,
    until,
)

pytestmark = pytest.mark.anyio

AT_LEAST_ONCE = mqtt5.QoS.AT_LEAST_ONCE
REFUSED = mqtt5.ConnAckReasonCode.SERVER_UNAVAILABLE

packets = st.one_of(
    st.builds(
        lambda topic, payload, number: mqtt5.PublishPacket(
            topic, payload, qos=AT_LEAST_ONCE, packet_id=number
        ),
        st.sampled_from(["application/a/device/b/event/up", "停车"]),
        st.binary(max_size=300),
        st.integers(1, 65_535),
    ),
    st.builds(mqtt5.PingRespPacket),
    st.builds(lambda: mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE])),
)


async def read_in_pieces(pieces: Sequence[bytes]) -> tuple[list[Any], type[Exception]]:
    """The packets in a stream that arrives in `pieces` and ends, and what is raised at its end."""
    reader, found = asyncio.StreamReader(), []
    reading = Packets(reader)
    for piece in pieces:
        reader.feed_data(piece)
        if piece:
            try:
                async with asyncio.timeout(0):  # what has arrived, and no more
                    found += await reading.next()
            except TimeoutError:
                continue
            except ValueError as error:
                return found, type(error)
    reader.feed_eof()
    try:
        found += await reading.next()
    except (EOFError, ValueError) as error:
        return found, type(error)
    raise AssertionError("a stream that has ended gave packets")


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@given(sent=st.lists(packets, max_size=8), places=st.lists(st.integers(0, 5_000), max_size=12))
def test_packets_are_the_same_however_the_stream_is_cut(sent: list[Any], places: list[int]) -> None:
    stream = b"".join(packet.write() for packet in sent)
    assert asyncio.run(read_in_pieces(cut(stream, places))) == (sent, EOFError)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
def test_what_is_not_mqtt_is_an_error_and_nothing_worse(pieces: list[bytes]) -> None:
    _, raised = asyncio.run(read_in_pieces(pieces))
    assert issubclass(raised, EOFError | ValueError)


async def said(logs: Sequence[Any], times: int) -> list[str]:
    """Why there was no conversation, once it has been reported so many times."""
    reasons: list[str] = []

    def enough() -> bool:
        reasons[:] = [log["error"] for log in logs if "no conversation" in log["event"]]
        return len(reasons) >= times

    await until(enough)
    return reasons


@pytest.mark.stack
async def test_a_wrong_password_is_reported_and_tried_again(redis: Redis, stack: Stack) -> None:
    intake = await mqtt_intake(redis, stack.mqtt_url.replace("parking:", "parking:not-"))
    with capture_logs() as logs:
        async with running(intake, subscribed=False):
            reasons = await said(logs, times=2)
    assert set(reasons) <= {"the broker refused us: NOT_AUTHORIZED"}
    assert not intake.subscribed.is_set()


class Broker:
    """A broker that answers as the test says, to one connection after another."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = iter(answers)

    async def __aenter__(self) -> Broker:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        answer = next(self._answers, None)
        if answer is not None:
            writer.write(answer)
            writer.close()
        else:
            await reader.read()  # silence, until the other side goes
            writer.close()


ODD_ANSWERS = {
    "nothing": (b"", "the broker closed the connection"),
    "a refusal": (mqtt5.ConnAckPacket(reason_code=REFUSED).write(), "refused us: SERVER_UNAVAILABLE"),
    "something else": (mqtt5.PingRespPacket().write(), "answered PingRespPacket to our connection"),
    "a web page": (b"HTTP/1.1 400 Bad Request\r\n\r\n", ""),
    "a subscription refused": (
        mqtt5.ConnAckPacket().write()
        + mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]).write(),
        "refused our subscriptions: NOT_AUTHORIZED",
    ),
    "a good-bye": (
        mqtt5.ConnAckPacket().write()
        + mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_SHUTTING_DOWN).write(),
        "ended the conversation: SERVER_SHUTTING_DOWN",
    ),
}


@pytest.mark.stack
@pytest.mark.parametrize(("answer", "reason"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
async def test_an_odd_answer_is_reported_and_tried_again(redis: Redis, answer: bytes, reason: str) -> None:
    async with Broker(answer, answer) as broker:
        intake = await mqtt_intake(redis, broker.url)
        with capture_logs() as logs:
            async with running(intake, subscribed=False):
                reasons = await said(logs, times=2)
    assert all(reason in reported for reported in reasons)


@pytest.mark.stack
async def test_a_broker_that_says_nothing_is_given_up_and_tried_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "_ANSWER_S", 0.05)
    async with Broker() as broker:
        intake = await mqtt_intake(redis, broker.url)
        with capture_logs() as logs:
            async with running(intake, subscribed=False):
                await said(logs, times=2)


@pytest.mark.stack
async def test_a_broker_that_comes_back_is_spoken_to_again(redis: Redis, own_mosquitto: Stack) -> None:
    await register(redis, 1)
    intake = await mqtt_intake(redis, own_mosquitto.mqtt_url)
    async with running(intake) as task:
        await asyncio.to_thread(own_mosquitto.kill, "mosquitto")
        await until(lambda: not intake.subscribed.is_set())
        await asyncio.to_thread(own_mosquitto.revive, "mosquitto")
        async with asyncio.timeout(IN_TIME):
            await intake.subscribed.wait()
        with network_server(own_mosquitto.mqtt_url) as sender:
            await sender.send(frame(1, 3))
            assert [o.frame_counter for o in await on_the_stream(redis, 1)] == [3]
        assert not task.done()


class Slow(Publisher):
    """Takes a batch in hand, and stores it when it is told to."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, 1)
        self.in_hand, self.go_on = asyncio.Event(), asyncio.Event()

    async def publish(self, observations: Sequence[Observation], dead: Sequence[DeadLetter] = ()) -> None:
        self.in_hand.set()
        await self.go_on.wait()
        await super().publish(observations, dead)


@pytest.mark.stack
async def test_the_end_waits_for_the_batch_in_hand(redis: Redis, stack: Stack) -> None:
    await register(redis, 1)
    publisher = Slow(redis)
    intake = await mqtt_intake(redis, stack.mqtt_url, publisher=publisher)
    with network_server(stack.mqtt_url) as sender:
        async with running(intake) as task:
            await sender.send(frame(1, 0))
            async with asyncio.timeout(IN_TIME):
                await publisher.in_hand.wait()
            ending = asyncio.create_task(intake.idle.acquire())  # as the gateway does when it is to stop
            publisher.go_on.set()
            async with asyncio.timeout(IN_TIME):
                await ending
            assert not task.done()
            assert len(await on_the_stream(redis, 1)) == 1
            task.cancel()
            intake.idle.release()

        async with running(intake):  # the first was acknowledged, so only the second comes
            await sender.send(frame(1, 1))
            assert [o.frame_counter for o in await on_the_stream(redis, 2)] == [0, 1]
