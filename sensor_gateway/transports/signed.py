"""Signed pushes by HTTP: whose it is, that it is fresh, and that it is the first of its nonce."""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator
from datetime import datetime
from typing import NamedTuple

import structlog
from litestar.datastructures import State
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sensor_gateway.directory import SourceEntry
from sensor_gateway.networks import nb_iot
from sensor_gateway.pressure import TooBusy
from sensor_gateway.problems import IntakeProblem
from sensor_gateway.publish import StorageUnavailable
from sensor_gateway.transports.rows import AnyRequest, body_of

_NONCE_PREFIX = "parking:nonces:"
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}")

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def signed_once(request: AnyRequest, state: State) -> AsyncIterator[tuple[SourceEntry, bytes]]:
    """Around what is done for a signed push: whose it is, and its body.

    Raises IntakeProblem where it is not genuine, or not the first. What could not be stored was not done, so
    that the same push is taken when it comes again.
    """
    signed = _claimed(request, state)
    body = await body_of(request)  # only now: a stranger's is not read at all
    source, nonce = _verify(signed, state, body)
    name = f"{_NONCE_PREFIX}{source.source}:{nonce}"
    await _claim(state.redis, name)
    try:
        yield source, body
    except (TooBusy, StorageUnavailable, RedisError):
        with contextlib.suppress(RedisError, OSError):
            await state.redis.delete(name)
        raise


class _Signed(NamedTuple):
    """What the headers say: whose it is by one of these keys, when, and the signature that proves it."""

    keys: list[tuple[str, SourceEntry]]
    timestamp: str
    nonce: str
    signature: bytes


def _claimed(request: AnyRequest, state: State) -> _Signed:
    headers = request.headers
    timestamp, nonce = headers.get("x-timestamp", ""), headers.get("x-nonce", "")
    state.directory.need_sources()
    keys: list[tuple[str, SourceEntry]] = state.directory.keys_of(headers.get("x-source", ""))
    if not keys or not _TIMESTAMP.fullmatch(timestamp) or not _NONCE.fullmatch(nonce):
        raise IntakeProblem("wrong-signature")
    return _Signed(keys, timestamp, nonce, headers.get("x-signature", "").lower().encode())


def _verify(signed: _Signed, state: State, body: bytes) -> tuple[SourceEntry, str]:
    source = next(
        (
            entry
            for key_hash, entry in signed.keys
            if hmac.compare_digest(
                nb_iot.signature(key_hash, signed.timestamp, signed.nonce, body).encode(), signed.signature
            )
        ),
        None,
    )
    if source is None:
        raise IntakeProblem("wrong-signature")
    if nb_iot.SCOPE not in source.scopes:
        raise IntakeProblem("not-allowed")
    now: datetime = state.now()
    if abs(now.timestamp() - int(signed.timestamp)) > nb_iot.WINDOW_S:
        raise IntakeProblem("stale-signature")
    return source, signed.nonce


async def _claim(redis: Redis, name: str) -> None:
    """Raises IntakeProblem where the nonce has been used."""
    ours = secrets.token_bytes(8)
    try:
        # The client repeats a command whose answer was lost; then it is our own token that is there already.
        seen = await redis.set(name, ours, nx=True, get=True, ex=2 * nb_iot.WINDOW_S)
    except (RedisError, OSError) as error:
        # Taken all the same: a frame that is heard again has the same id, so a replay has no effect.
        log.warning("Redis is away; a nonce is not looked up", error=str(error))
        return
    if seen not in (None, ours):
        raise IntakeProblem("replayed")
