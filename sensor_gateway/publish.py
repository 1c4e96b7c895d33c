"""Into Redis: observations onto their streams, what could not be read onto the dead-letter stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

from sensor_gateway.observation import (
    BODY_FIELD,
    DEAD_LETTER_STREAM,
    DeadLetter,
    Observation,
    encode,
    stream_for,
)

_DEAD_LETTERS_KEPT = 100_000


class StorageUnavailable(RuntimeError):
    """Redis did not take everything; nothing of the batch may be acknowledged."""


class Publisher:
    """Writes batches: when `publish` returns, Redis has all of it."""

    def __init__(self, redis: Redis, shards: int) -> None:
        self._redis = redis
        self._shards = shards

    async def publish(self, observations: Sequence[Observation], dead: Sequence[DeadLetter] = ()) -> None:
        """One round trip for the batch. Raises StorageUnavailable."""
        if not observations and not dead:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for observation in observations:
            pipeline.xadd(
                stream_for(observation.facility_id, self._shards), {BODY_FIELD: encode(observation)}
            )
        for letter in dead:
            pipeline.xadd(
                DEAD_LETTER_STREAM,
                dead_letter_fields(letter),  # type: ignore[arg-type]
                maxlen=_DEAD_LETTERS_KEPT,
                approximate=True,
            )
        try:
            await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StorageUnavailable(str(error)) from error


def dead_letter_fields(letter: DeadLetter) -> dict[str, str | bytes]:
    """A dead letter as the fields of a stream entry."""
    return {
        "reason": letter.reason,
        "detail": letter.detail,
        "transport": letter.transport,
        "origin": letter.origin,
        "source": letter.source,
        "received_at": letter.received_at.isoformat(),
        "raw": letter.raw,
    }


def dead_letter_of(fields: dict[bytes, bytes]) -> DeadLetter:
    """The fields of a stream entry as a dead letter."""
    text = {name.decode(): value.decode(errors="replace") for name, value in fields.items() if name != b"raw"}
    received = text.get("received_at")
    return DeadLetter(
        reason=text.get("reason", ""),
        detail=text.get("detail", ""),
        transport=text.get("transport", ""),
        origin=text.get("origin", ""),
        source=text.get("source", ""),
        received_at=datetime.fromisoformat(received) if received else datetime.now(UTC),
        raw=fields.get(b"raw", b""),
    )
