"""What was pulled goes the way of everything else: identified, judged, published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sensor_gateway.directory import DeviceEntry
from sensor_gateway.follower import DirectoryFollower
from sensor_gateway.intake import PUBLISHED, RECEIVED, utc_now
from sensor_gateway.observation import Observation
from sensor_gateway.pipeline import Refused, Statement, observe_statement
from sensor_gateway.publish import Publisher

_BATCH = 1_000


class PullIntake:
    """Publishes the statements of polled sources. A source may speak only for its own devices."""

    def __init__(
        self,
        directory: DirectoryFollower,
        publisher: Publisher,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._directory = directory
        self._publisher = publisher
        self._now = now

    async def take(self, source: str, statements: Sequence[Statement]) -> list[Refused]:
        """Store what can be stored; why the others cannot. Raises StorageUnavailable: then all come again.

        What is refused is no dead letter: the source will say it again, and a portal may list hundreds of
        places that are not ours.
        """
        refused: list[Refused] = []
        for start in range(0, len(statements), _BATCH):
            refused += await self._take_batch(source, statements[start : start + _BATCH])
        return refused

    async def _take_batch(self, source: str, statements: Sequence[Statement]) -> list[Refused]:
        received_at = self._now()
        devices = await self._directory.devices({s.device_id for s in statements})
        judged = [judge_statement(statement, devices, source, received_at) for statement in statements]
        good = [one for one in judged if isinstance(one, Observation)]
        await self._publisher.publish(good)
        RECEIVED.labels("pull").inc(len(statements))
        PUBLISHED.labels("pull").inc(len(good))
        return [one for one in judged if isinstance(one, Refused)]


def judge_statement(
    statement: Statement, devices: Mapping[str, DeviceEntry], source: str, received_at: datetime
) -> Observation | Refused:
    """What a polled statement becomes, or why it becomes nothing."""
    device = devices.get(statement.device_id)
    if device is None:
        return Refused("unknown-device", f"no device {statement.device_id} is registered", "device_id")
    if device.source != source:
        return Refused("not-allowed", f"the device belongs to {device.source}", "device_id")
    try:
        return observe_statement(statement, device, source, received_at)
    except Refused as refused:
        return refused
