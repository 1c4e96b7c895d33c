"""The intake: messages of any transport → observations and dead letters, published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import structlog
from prometheus_client import Counter, Histogram
from redis.exceptions import RedisError

from sensor_gateway.directory import DeviceEntry, SourceEntry
from sensor_gateway.follower import DirectoryEmpty, DirectoryFollower
from sensor_gateway.networks import PARSERS, MalformedMessage, Uplink
from sensor_gateway.observation import DeadLetter, Observation
from sensor_gateway.pipeline import Refused, observe_uplink
from sensor_gateway.publish import Publisher, StorageUnavailable

RECEIVED = Counter(
    "gateway_messages", "Uplinks, rows and polled statements read, refused ones too", ["transport"]
)
DECODING = Histogram("gateway_decode_seconds", "Time to decode and identify a batch")
STORING = Histogram("gateway_store_seconds", "Time until Redis or the spool has a batch")
PUBLISHED = Counter(
    "gateway_observations",
    "Observations and records that Redis or the spool has taken; what is sent again is counted again",
    ["transport"],
)
DEAD = Counter("gateway_dead_letters", "Messages set aside", ["transport", "reason"])

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Message(msgspec.Struct, frozen=True):
    """A network server's message as it arrived. `origin` is its topic or path.

    `sender`: whose key it came with. None: by the broker, whose own rules say who may publish there.
    """

    network: str
    transport: str
    origin: str
    body: bytes
    sender: SourceEntry | None = None

    @property
    def source(self) -> str:
        """The key of the source that sent it."""
        return self.sender.source if self.sender else self.network

    def may_speak_for(self, device: DeviceEntry) -> bool:
        """Whether its sender may."""
        return self.sender is None or self.sender.any_device or self.sender.source == device.source


class Outcome(msgspec.Struct, frozen=True):
    """What became of one message: exactly one of the two is set."""

    observation: Observation | None = None
    refused: Refused | None = None


class Intake:
    """Takes batches of uplink messages. When `take` returns, Redis has what they became."""

    def __init__(
        self,
        directory: DirectoryFollower,
        publisher: Publisher,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._directory = directory
        self._publisher = publisher
        self._now = now

    async def take(self, messages: Sequence[Message]) -> list[Outcome]:
        """Each message's outcome, in order; refused ones are dead letters by then.

        Raises StorageUnavailable: then nothing may be acknowledged.
        """
        received_at = self._now()
        with DECODING.time():
            outcomes = await self.judge(messages, received_at)
        dead = [
            DeadLetter(
                reason=outcome.refused.reason,
                detail=outcome.refused.detail,
                transport=message.transport,
                origin=message.origin,
                raw=message.body,
                received_at=received_at,
                source=message.source,
            )
            for message, outcome in zip(messages, outcomes, strict=True)
            if outcome.refused
        ]
        good = [outcome.observation for outcome in outcomes if outcome.observation]
        with STORING.time():
            await self._publisher.publish(good, dead)
        if messages:
            RECEIVED.labels(messages[0].transport).inc(len(messages))
            PUBLISHED.labels(messages[0].transport).inc(len(good))
        for letter in dead:
            DEAD.labels(letter.transport, letter.reason).inc()
        return outcomes

    async def judge(self, messages: Sequence[Message], received_at: datetime) -> list[Outcome]:
        """Decode and identify, without publishing. Raises StorageUnavailable where no device is known."""
        parsed: list[Uplink | Refused] = [_parse(message) for message in messages]
        devices = await self._devices({u.dev_eui for u in parsed if isinstance(u, Uplink)})
        return [
            _outcome(message, uplink, devices, received_at)
            for message, uplink in zip(messages, parsed, strict=True)
        ]

    async def _devices(self, names: set[str]) -> dict[str, DeviceEntry]:
        try:
            return await self._devices_known(names)
        except DirectoryEmpty as error:
            raise StorageUnavailable(str(error)) from error

    async def _devices_known(self, names: set[str]) -> dict[str, DeviceEntry]:
        try:
            return await self._directory.devices(names)
        except (RedisError, OSError) as error:
            # The registry speaks through Redis, so what is not in our copy can hardly be newer than it. A
            # stranger's uplink becomes a dead letter, rather than keep all others waiting for Redis.
            log.warning("Redis is away; devices are known by our own copy", error=str(error))
            return self._directory.devices_here(names)


def _parse(message: Message) -> Uplink | Refused:
    try:
        return PARSERS[message.network](message.body)
    except (MalformedMessage, KeyError) as error:
        return Refused("malformed-message", str(error))


def _outcome(
    message: Message, uplink: Uplink | Refused, devices: Mapping[str, DeviceEntry], received_at: datetime
) -> Outcome:
    if isinstance(uplink, Refused):
        return Outcome(refused=uplink)
    device = devices.get(uplink.dev_eui)
    if device is None:
        return Outcome(
            refused=Refused("unknown-device", f"no device {uplink.dev_eui} is registered", "devEui")
        )
    if not message.may_speak_for(device):
        return Outcome(refused=Refused("not-allowed", "the device belongs to another source", "devEui"))
    try:
        return Outcome(observation=observe_uplink(uplink, device, message.source, received_at))
    except Refused as refused:
        return Outcome(refused=refused)
