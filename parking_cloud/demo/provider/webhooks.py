"""Webhooks: signed, delivered at least once and in no order, and again until they are taken."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import time
from hashlib import sha256

import httpx
import msgspec

from parking_cloud.demo.provider import refunds
from parking_cloud.demo.provider.store import Store

_AT_ONCE = 8
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_IDLE_S = 30.0
_log = logging.getLogger(__name__)


def signature(body: bytes, secret: str, at: int) -> str:
    """The header by which a receiver knows that a webhook is ours, and how old it is."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()
    return f"t={at},v1={signed}"


class Deliverer:
    """Delivers what is due, and does the deeds whose time has come."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._more = asyncio.Event()
        self.copies = 1
        """How often each is delivered: more than once, so that receivers can be tested."""

    def wake(self) -> None:
        """There is something new to deliver."""
        self._more.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            while True:
                self._more.clear()
                self._do_what_is_due()
                due = self._store.deliveries(time.time(), _AT_ONCE)
                if due:
                    await asyncio.gather(*(self._deliver(client, *delivery) for delivery in due))
                    continue
                at = self._store.next_at()
                wait = _IDLE_S if at is None else max(at - time.time(), 0.01)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._more.wait(), min(wait, _IDLE_S))

    def _do_what_is_due(self) -> None:
        store = self._store
        with store.transaction():
            for id, deed in store.take_due(time.time()):
                thing = store.get(id)
                match deed:
                    case "refund":
                        refunds.arrive(store, thing)
                    case "fail-refund":
                        refunds.fail(store, thing)
                    case "dispute":
                        refunds.open_dispute(store, thing)

    async def _deliver(self, client: httpx.AsyncClient, event: str, endpoint: str, attempts: int) -> None:
        to = self._store.get(endpoint)
        body = msgspec.json.encode(self._store.get(event))
        taken = True
        for _ in range(self.copies):
            headers = {
                "Content-Type": "application/json",
                "Stripe-Signature": signature(body, to["secret"], int(time.time())),
            }
            try:
                answer = await client.post(to["url"], content=body, headers=headers)
                taken = taken and answer.is_success
            except httpx.HTTPError:
                taken = False
        with self._store.transaction():
            if taken:
                self._store.delivered(event, endpoint)
            else:
                wait = min(_FIRST_WAIT_S * 2**attempts, _LONGEST_WAIT_S)
                self._store.deliver_again(event, endpoint, time.time() + wait)
        if not taken and attempts == 0:
            _log.warning("a webhook was not taken; it is sent again until it is")
