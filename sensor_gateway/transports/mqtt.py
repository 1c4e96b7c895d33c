"""MQTT 5 intake: a message is acknowledged only after Redis (or the spool) has what it became.

The session is persistent: what the broker could not deliver, or we did not acknowledge, comes again. The
broker sends at most `_UNACKNOWLEDGED` messages ahead of our acknowledgements, so a slow Redis slows the
broker and not our memory. Packets are read and written by the `mqtt5` library; this is the conversation.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import mqtt5
import structlog
from prometheus_client import Counter, Gauge

from sensor_gateway.intake import Intake, Message
from sensor_gateway.networks import chirpstack, network_of_topic, the_things_stack
from sensor_gateway.pressure import Pressure
from sensor_gateway.publish import StorageUnavailable
from sensor_gateway.settings import MQTT_PORTS

TOPICS = (chirpstack.TOPIC, the_things_stack.TOPIC)
_BATCH = 1_000
_UNACKNOWLEDGED = 4_000
_SESSION_S = 7 * 24 * 3600
_KEEP_ALIVE_S = 30
_SUBSCRIBE_ID = 1
_UNSUBSCRIBE_ID = 2
_LARGEST_PACKET = 1_000_000
_ANSWER_S = 10.0
"""A broker that takes our connection answers within this, or it hangs."""

CONNECTED = Gauge("gateway_mqtt_connected", "1 while the subscriptions stand")
ACKNOWLEDGED = Counter("gateway_mqtt_acknowledged", "MQTT messages acknowledged to the broker")

log = structlog.get_logger(__name__)


class BrokerRefused(ConnectionError):
    """The broker does not take our connection or subscriptions; the message says which and why."""


class MqttIntake:
    """Subscribes to the network servers' uplinks and feeds them to the intake.

    Gateways of one `group` share the messages between them; each needs a `client_id` of its own, the same
    at every start. Its share waits at the broker while it is away; one that does not come back must `leave`.
    """

    def __init__(self, url: str, client_id: str, group: str, intake: Intake, pressure: Pressure) -> None:
        self._url = urlsplit(url)
        self._client_id = client_id
        self._filters = [f"$share/{group}/{topic}" if group else topic for topic in TOPICS]
        self._intake = intake
        self._pressure = pressure
        self._early: list[Any] = []
        self.subscribed = asyncio.Event()
        self.idle = asyncio.Lock()
        """Held while a batch is in hand; who holds it can end the intake with nothing half done."""

    async def run(self) -> None:
        """Serve until cancelled; a broker that is away is tried again and again."""
        delay = 0.2
        while True:
            try:
                await self._converse(self._serve)
            except (OSError, EOFError, ValueError) as error:
                log.warning("no conversation with the MQTT broker", error=str(error), delay_s=delay)
            finally:
                delay = 0.2 if self.subscribed.is_set() else min(delay * 2, 10.0)
                self.subscribed.clear()
                CONNECTED.set(0)
            await asyncio.sleep(delay)

    async def leave(self) -> None:
        """Leave the group for good: take what the broker holds for us; what comes goes to the others.

        Not while `run` runs under this `client_id`. Raises OSError (BrokerRefused), EOFError, ValueError.
        """
        await self._converse(self._empty)

    async def _converse(self, deed: Callable[[Packets, asyncio.StreamWriter], Awaitable[None]]) -> None:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await self._connect()
        try:
            packets = Packets(reader)
            writer.write(self._connect_packet())
            async with asyncio.timeout(_ANSWER_S):
                self._welcome(await packets.next())
            await deed(packets, writer)
        finally:
            if not writer.transport.is_closing():
                writer.write(mqtt5.DisconnectPacket().write())
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # Made anew each time: what it trusts may have been renewed since.
        tls = ssl.create_default_context() if self._url.scheme == "mqtts" else None
        port = self._url.port or MQTT_PORTS[self._url.scheme]
        return await asyncio.open_connection(
            self._url.hostname or "127.0.0.1", port, ssl=tls, limit=2 * _LARGEST_PACKET
        )

    def _connect_packet(self) -> bytes:
        password = unquote(self._url.password) if self._url.password else None
        return mqtt5.ConnectPacket(
            self._client_id,
            username=unquote(self._url.username) if self._url.username else None,
            password=password.encode() if password else None,
            clean_start=False,
            keep_alive=_KEEP_ALIVE_S,
            session_expiry_interval=_SESSION_S,
            receive_max=_UNACKNOWLEDGED,
            max_packet_size=_LARGEST_PACKET,
        ).write()

    def _welcome(self, packets: list[Any]) -> None:
        answer = packets[0]
        if not isinstance(answer, mqtt5.ConnAckPacket):
            raise BrokerRefused(f"the broker answered {type(answer).__name__} to our connection")
        if answer.reason_code is not mqtt5.ConnAckReasonCode.SUCCESS:
            raise BrokerRefused(f"the broker refused us: {answer.reason_code.name}")
        # Messages of the session may follow in the same read; the broker sends them again if we lose them,
        # but only after a new connection, so they are served like all others.
        self._early = packets[1:]

    async def _serve(self, packets: Packets, writer: asyncio.StreamWriter) -> None:
        filters = [mqtt5.TopicFilter(f, max_qos=mqtt5.QoS.AT_LEAST_ONCE) for f in self._filters]
        writer.write(mqtt5.SubscribePacket(_SUBSCRIBE_ID, filters).write())
        pinging = asyncio.create_task(_ping(writer))
        try:
            arrived = self._early
            while True:
                await self._handle(arrived, writer)
                async with asyncio.timeout(2 * _KEEP_ALIVE_S):  # it answers our pings, or it is gone
                    arrived = await packets.next()
        finally:
            pinging.cancel()

    async def _empty(self, packets: Packets, writer: asyncio.StreamWriter) -> None:
        writer.write(mqtt5.UnsubscribePacket(_UNSUBSCRIBE_ID, self._filters).write())
        await self._handle(self._early, writer)
        while await self._handled_until_answer(packets, writer):
            pass  # as they were acknowledged, the broker may have sent more

    async def _handled_until_answer(self, packets: Packets, writer: asyncio.StreamWriter) -> int:
        """Ping, and handle what comes before the answer; how many messages that were."""
        writer.write(mqtt5.PingReqPacket().write())
        handled = 0
        while True:
            async with asyncio.timeout(_ANSWER_S):
                arrived = await packets.next()
            handled += await self._handle(arrived, writer)
            if any(isinstance(packet, mqtt5.PingRespPacket) for packet in arrived):
                return handled

    async def _handle(self, arrived: list[Any], writer: asyncio.StreamWriter) -> int:
        """Store and acknowledge the messages among `arrived`; how many there were."""
        for packet in arrived:
            self._note(packet)
        messages = [p for p in arrived if isinstance(p, mqtt5.PublishPacket)]
        for start in range(0, len(messages), _BATCH):
            await self._pressure.eased()
            batch = messages[start : start + _BATCH]
            async with self.idle:
                with self._pressure.in_hand(len(batch)):
                    await self._take(batch, writer)
        return len(messages)

    def _note(self, packet: Any) -> None:
        if isinstance(packet, mqtt5.SubAckPacket):
            refused = [code.name for code in packet.reason_codes if code.value >= 0x80]
            if refused:
                raise BrokerRefused(f"the broker refused our subscriptions: {', '.join(refused)}")
            self.subscribed.set()
            CONNECTED.set(1)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            raise BrokerRefused(f"the broker ended the conversation: {packet.reason_code.name}")

    async def _take(self, batch: list[mqtt5.PublishPacket], writer: asyncio.StreamWriter) -> None:
        messages = [Message(network_of_topic(p.topic), "mqtt", p.topic, p.payload) for p in batch]
        delay = 0.1
        while True:
            try:
                await self._intake.take(messages)
                break
            except StorageUnavailable as error:
                log.warning("observations cannot be stored; trying again", error=str(error), delay_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
        ids = [p.packet_id for p in batch if p.packet_id is not None]
        writer.write(b"".join(mqtt5.PubAckPacket(packet_id).write() for packet_id in ids))
        await writer.drain()
        ACKNOWLEDGED.inc(len(ids))


class Packets:
    """MQTT packets out of a byte stream, as many at a time as have arrived."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._rest = b""

    async def next(self) -> list[Any]:
        """At least one packet. Raises EOFError at the stream's end, ValueError for what is not MQTT."""
        while True:
            data = await self._reader.read(_LARGEST_PACKET)
            if not data:
                raise EOFError("the broker closed the connection")
            self._rest = self._rest + data if self._rest else data
            packets, used = _parse(self._rest)
            self._rest = self._rest[used:]
            if packets:
                return packets


def _parse(data: bytes) -> tuple[list[Any], int]:
    """The whole packets in `data`, and how many bytes they take."""
    view, position, packets = memoryview(data), 0, []
    while position < len(data):
        try:
            packet, length = mqtt5.read(view[position:])
        except IndexError:  # the rest of the packet has not arrived
            break
        packets.append(packet)
        position += length
    return packets, position


async def _ping(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(_KEEP_ALIVE_S / 2)
        writer.write(mqtt5.PingReqPacket().write())
