"""MQTT intake: a message is acknowledged only after Redis has what it became.

The session is persistent: what the broker could not deliver, or we did not acknowledge, comes again.
paho's client runs its own network thread; messages cross to the event loop through a queue.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from sensor_gateway.intake import Intake, Message
from sensor_gateway.networks import chirpstack, network_of_topic, the_things_stack
from sensor_gateway.publish import StorageUnavailable

TOPICS = (chirpstack.TOPIC, the_things_stack.TOPIC)
_BATCH = 500
_UNACKNOWLEDGED = 2_000
"""How many messages the broker may send ahead of our acknowledgements: the queue's bound."""
_SESSION_S = 7 * 24 * 3600

log = structlog.get_logger(__name__)


class MqttIntake:
    """Subscribes to the network servers' uplinks and feeds them to the intake."""

    def __init__(self, url: str, client_id: str, intake: Intake) -> None:
        self._url = urlsplit(url)
        self._client_id = client_id
        self._intake = intake
        self._queue: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self.subscribed = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        client = self._client(loop)
        client.connect_async(
            self._url.hostname or "127.0.0.1",
            self._url.port or 1883,
            keepalive=30,
            clean_start=False,
            properties=_connect_properties(),
        )
        client.loop_start()
        try:
            while True:
                batch = [await self._queue.get()]
                while len(batch) < _BATCH and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                await self._take(client, batch)
        finally:
            client.disconnect()
            client.loop_stop()

    async def _take(self, client: paho.Client, batch: list[paho.MQTTMessage]) -> None:
        messages = [
            Message(network_of_topic(message.topic), "mqtt", message.topic, bytes(message.payload))
            for message in batch
        ]
        delay = 0.1
        while True:
            try:
                await self._intake.take(messages)
                break
            except StorageUnavailable as error:
                log.warning("Redis does not take observations; trying again", error=str(error), delay_s=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
        for message in batch:
            client.ack(message.mid, message.qos)

    def _client(self, loop: asyncio.AbstractEventLoop) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=paho.MQTTv5,
            manual_ack=True,
        )
        if self._url.username:
            client.username_pw_set(unquote(self._url.username), unquote(self._url.password or ""))
        client.reconnect_delay_set(1, 10)

        def on_connect(client: paho.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
            if reason.is_failure:
                log.error("the MQTT broker refused us", reason=str(reason))
                return
            client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in TOPICS])

        def on_subscribe(*_: Any) -> None:
            loop.call_soon_threadsafe(self.subscribed.set)

        def on_disconnect(_: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
            loop.call_soon_threadsafe(self.subscribed.clear)
            log.info("disconnected from the MQTT broker", reason=str(reason))

        def on_message(_: Any, __: Any, message: paho.MQTTMessage) -> None:
            loop.call_soon_threadsafe(self._queue.put_nowait, message)

        client.on_connect = on_connect
        client.on_subscribe = on_subscribe
        client.on_disconnect = on_disconnect
        client.on_message = on_message
        return client


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = _SESSION_S
    properties.ReceiveMaximum = _UNACKNOWLEDGED
    return properties
