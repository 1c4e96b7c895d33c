"""Boards that are pushed to by MQTT: told what changed, and again soon; acknowledging is their sign of life.

Messages are retained, so a board that connects is told at once; and they expire, so that none is told by the
broker what we can no longer stand for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.guidance.signs.listening import note_listening
from parking_cloud.guidance.signs.models import Sign, SignState
from parking_cloud.guidance.signs.reading import Shown, load_boards, numbers_of, show
from parking_cloud.guidance.signs.rules import SILENT_AFTER, Way
from parking_cloud.guidance.signs.service import Heard, hear
from parking_cloud.kernel.db import transaction

TOPIC = "parking/signs/{code}"
ACK_TOPIC = "parking/signs/{code}/ack"
_AGAIN_AFTER = timedelta(seconds=35)
"""Three times within the two minutes after which a board goes blank and is at fault: one may be lost."""
_LISTENS_S = 5.0
_PAUSE_S = 1.0
_KEEP_ALIVE_S = 30
_LONGEST_ACK = 200

log = structlog.get_logger(__name__)


class Ack(msgspec.Struct, frozen=True):
    """What a board says when it shows a message."""

    version: str


async def claim_due(session: AsyncSession, now: datetime, *, everything: bool = False) -> list[Shown]:
    """What pushed boards have to be told now: what is new to them, or was said a while ago (or all).

    It is marked as told: of several workers one tells it. What is lost on the way is soon said again.
    """
    boards = {b.sign.id: b for b in await load_boards(session) if b.sign.way == Way.MQTT.value}
    if not boards:
        return []
    numbers = await numbers_of(session, list(boards.values()), now)
    states = await session.scalars(
        select(SignState).where(SignState.sign_id.in_(boards)).order_by(SignState.sign_id).with_for_update()
    )
    due = []
    for state in states:
        shown = show(boards[state.sign_id], numbers, now)
        recent = state.told_at is not None and now - state.told_at < _AGAIN_AFTER
        if everything or not recent or state.told_version != shown.version:
            state.told_at, state.told_version = now, shown.version
            due.append(shown)
    await session.flush()
    return due


async def acknowledge(session: AsyncSession, acks: dict[str, Heard]) -> None:
    """Boards, by code, that said what they show; what is none of ours is let be."""
    signs = await session.execute(
        select(Sign.code, Sign.id).where(Sign.code.in_(acks), Sign.active, Sign.way == Way.MQTT.value)
    )
    await hear(session, {id_: acks[code] for code, id_ in signs})


class SignPublisher:
    """A worker's conversation with the broker about boards."""

    def __init__(self, url: str, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._url = urlsplit(url)
        self._sessions = sessions
        self._acks: dict[str, Heard] = {}
        self._everything = True
        self._connected = False
        self._noted_at = float("-inf")

    async def run(self) -> None:
        """Tell boards, and listen to them, until cancelled; a broker that is away is tried again."""
        client = self._client(asyncio.get_running_loop())
        # Its network runs on a thread of its own: a few boards' messages need no more.
        client.connect_async(self._url.hostname or "127.0.0.1", self._port(), keepalive=_KEEP_ALIVE_S)
        client.loop_start()
        try:
            while True:
                try:
                    await self._turn(client)
                except (SQLAlchemyError, OSError) as error:
                    log.warning("boards cannot be told; trying again", error=str(error))
                await asyncio.sleep(_PAUSE_S)
        finally:
            client.disconnect()
            client.loop_stop()

    async def _turn(self, client: paho.Client) -> None:
        await self._take_in()
        if not self._connected:
            return
        everything, self._everything = self._everything, False
        try:
            async with transaction(self._sessions) as session:
                due = await claim_due(session, datetime.now(UTC), everything=everything)
        except BaseException:
            self._everything = self._everything or everything
            raise
        self._publish(client, due)

    async def _take_in(self) -> None:
        """Write down that we listen, and which boards acknowledged; what cannot be written now, later."""
        listens = self._connected and monotonic() - self._noted_at >= _LISTENS_S
        acks, self._acks = self._acks, {}
        if not acks and not listens:
            return
        try:
            async with transaction(self._sessions) as session:
                if listens:
                    await note_listening(session, Way.MQTT, datetime.now(UTC))
                if acks:
                    await acknowledge(session, acks)
        except BaseException:
            self._acks = acks | self._acks
            raise
        if listens:
            self._noted_at = monotonic()

    def _publish(self, client: paho.Client, due: Sequence[Shown]) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = round(SILENT_AFTER.total_seconds())
        for shown in due:
            topic = TOPIC.format(code=shown.code)
            client.publish(topic, shown.body, qos=1, retain=True, properties=properties)

    def _client(self, loop: asyncio.AbstractEventLoop) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if self._url.username:
            client.username_pw_set(unquote(self._url.username), unquote(self._url.password or ""))
        if self._url.scheme == "mqtts":
            client.tls_set_context(ssl.create_default_context())
        client.reconnect_delay_set(1, 10)

        def connected(client: paho.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
            if reason.is_failure:
                log.warning("the broker refused us", reason=str(reason))
                return
            client.subscribe(ACK_TOPIC.format(code="+"), qos=1)
            loop.call_soon_threadsafe(self._note_connected, True)

        def disconnected(*_: Any) -> None:
            loop.call_soon_threadsafe(self._note_connected, False)

        def message(_: paho.Client, __: Any, received: paho.MQTTMessage) -> None:
            loop.call_soon_threadsafe(self._note_ack, received.topic, bytes(received.payload))

        client.on_connect, client.on_disconnect, client.on_message = connected, disconnected, message
        return client

    def _note_connected(self, connected: bool) -> None:
        self._connected = connected
        # What was on its way may be lost.
        self._everything = self._everything or connected

    def _note_ack(self, topic: str, payload: bytes) -> None:
        code = topic.split("/")[2]
        try:
            if len(payload) > _LONGEST_ACK:
                raise ValueError("too long")
            version = msgspec.json.decode(payload, type=Ack).version
        except (ValueError, msgspec.DecodeError) as error:
            log.warning("a board's acknowledgement cannot be read", code=code, error=str(error))
            return
        self._acks[code] = Heard(datetime.now(UTC), version[:64])

    def _port(self) -> int:
        return self._url.port or (8883 if self._url.scheme == "mqtts" else 1883)
