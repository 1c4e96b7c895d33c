"""Stripe, behind `provider.py`: its official SDK, with its retries, idempotency keys and signatures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe

from parking_cloud.kernel.settings import Settings
from parking_cloud.payments.provider import (
    BadSignature,
    BookLine,
    Method,
    NewPayment,
    NewSaving,
    ProviderAway,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    ProviderRefused,
    ProviderSaving,
)
from parking_cloud.payments.stripe_http import Connection
from parking_cloud.payments.stripe_reading import (
    Form,
    read_book_line,
    read_dispute,
    read_event,
    read_payment,
    read_refund,
    read_saving,
)

# What is sent to a payment provider is what a payment needs, not how our machine is doing.
stripe.enable_telemetry = False

CURRENCY = "cny"
_RETRIES = 2
_KEY_IS_KNOWN = timedelta(hours=23)
"""Stripe keeps keys for at least 24 hours."""
_CLOCKS_DIFFER = timedelta(minutes=5)
_BOOKS_STEP = timedelta(hours=1)
_PAGE = 100


class StripeProvider:
    """See `provider.Provider`."""

    name = "stripe"

    def __init__(self, settings: Settings) -> None:
        own_address = settings.stripe_api_url
        self._connection = Connection(own_address=bool(own_address))
        self._client = stripe.StripeClient(
            settings.stripe_secret_key,
            base_addresses={"api": own_address} if own_address else None,
            max_network_retries=_RETRIES,
            http_client=self._connection,
        )
        self._v1 = self._client.v1
        self._webhook_secret = settings.stripe_webhook_secret
        self._form = Form(settings.stripe_publishable_key, settings.stripe_script_url)

    async def open_payment(self, new: NewPayment) -> ProviderPayment:
        found = await self._opened_long_ago(new)
        if found is not None:
            return found
        params: dict[str, Any] = {
            "amount": new.amount,
            "currency": CURRENCY,
            "payment_method_types": [str(new.method)],
            "description": new.description,
            "metadata": {"key": new.key, "by": _how(new)},
        }
        params |= _confirmation(new)
        with _as_ours():
            try:
                intent = await self._v1.payment_intents.create_async(
                    params,  # type: ignore[arg-type]
                    {"idempotency_key": new.key},
                )
            except stripe.CardError as refused:
                # It was opened, and its method refused.
                of = refused.error.payment_intent if refused.error else None
                if of is None:
                    raise
                return read_payment(of.to_dict(), self._form)
            except stripe.IdempotencyError as clash:
                if clash.http_status == 409:
                    raise
                # The key was said before in other words, as we were before an update: what it opened counts.
                found = await self.find_payment(new)
                if found is None or found.amount != new.amount:
                    raise
                return found
        return read_payment(intent.to_dict(), self._form)

    async def find_payment(self, new: NewPayment) -> ProviderPayment | None:
        """Stripe's lists are true at once; its search, by the metadata, lags behind."""
        since = _whole_seconds((new.first_asked_at or datetime.now(UTC)) - _CLOCKS_DIFFER)
        wanted: dict[str, Any] = {"created": {"gte": since}, "limit": _PAGE}
        if new.saved_method:
            wanted["customer"] = new.saved_method.partition("/")[0]
        with _as_ours():
            page = await self._v1.payment_intents.list_async(wanted)  # type: ignore[arg-type]
            async for intent in page.auto_paging_iter():
                said = intent.to_dict()
                if (said["metadata"] or {}).get("key") == new.key:
                    return read_payment(said, self._form)
        return None

    async def _opened_long_ago(self, new: NewPayment) -> ProviderPayment | None:
        """One whose answer was lost so long ago that Stripe may have forgotten its key."""
        asked = new.first_asked_at
        if asked is None or datetime.now(UTC) - asked < _KEY_IS_KNOWN:
            return None
        with _as_ours():
            page = await self._v1.payment_intents.search_async({"query": f"metadata['key']:'{new.key}'"})
        return next((read_payment(intent.to_dict(), self._form) for intent in page.data), None)

    async def look_at_payment(self, payment_id: str) -> ProviderPayment:
        with _as_ours():
            intent = await self._v1.payment_intents.retrieve_async(payment_id)
        return read_payment(intent.to_dict(), self._form)

    async def cancel_payment(self, payment_id: str) -> ProviderPayment:
        with _as_ours():
            try:
                intent = await self._v1.payment_intents.cancel_async(
                    payment_id, {"cancellation_reason": "abandoned"}
                )
            except stripe.InvalidRequestError as error:
                if error.code != "payment_intent_unexpected_state":
                    raise
                intent = await self._v1.payment_intents.retrieve_async(payment_id)
        return read_payment(intent.to_dict(), self._form)

    async def refund(self, *, payment_id: str, amount: int, key: str, refusals: int = 0) -> ProviderRefund:
        with _as_ours():
            # Refunds are few, and may be tried again days later: what was done is looked for first.
            page = await self._v1.refunds.list_async({"payment_intent": payment_id, "limit": _PAGE})
            async for done in page.auto_paging_iter():
                said = done.to_dict()
                if (said["metadata"] or {}).get("key") == key:
                    return read_refund(said)
            refund = await self._v1.refunds.create_async(
                {"payment_intent": payment_id, "amount": amount, "metadata": {"key": key}},
                {"idempotency_key": f"{key}-{refusals}" if refusals else key},
            )
        return read_refund(refund.to_dict())

    async def look_at_refund(self, refund_id: str) -> ProviderRefund:
        with _as_ours():
            refund = await self._v1.refunds.retrieve_async(refund_id)
        return read_refund(refund.to_dict())

    async def look_at_dispute(self, dispute_id: str) -> ProviderDispute:
        with _as_ours():
            dispute = read_dispute((await self._v1.disputes.retrieve_async(dispute_id)).to_dict())
        if dispute is None:
            raise ProviderRefused("only_an_inquiry")
        return dispute

    async def open_saving(self, new: NewSaving) -> ProviderSaving:
        params: dict[str, Any] = {
            "payment_method_types": [str(new.method)],
            "usage": "off_session",
            "metadata": {"key": new.key},
        }
        with _as_ours():
            customer = await self._v1.customers.create_async(
                {"metadata": {"key": new.key}}, {"idempotency_key": f"{new.key}-customer"}
            )
            intent = await self._v1.setup_intents.create_async(
                params | {"customer": customer.id},  # type: ignore[arg-type]
                {"idempotency_key": new.key},
            )
        return read_saving(intent.to_dict(), self._form)

    async def look_at_saving(self, saving_id: str) -> ProviderSaving:
        with _as_ours():
            intent = await self._v1.setup_intents.retrieve_async(saving_id)
        return read_saving(intent.to_dict(), self._form)

    async def forget_method(self, saved_method: str) -> None:
        _, _, method = saved_method.partition("/")
        with _as_ours():
            try:
                await self._v1.payment_methods.detach_async(method)
            except stripe.InvalidRequestError as error:
                # Detached already: Stripe will not find it with a customer, or not find it at all.
                if error.http_status not in (400, 404):
                    raise

    async def books(self, since: datetime, until: datetime) -> AsyncIterator[BookLine]:
        """Stripe lists the newest first, so they are read by the hour, and each hour is turned round."""
        start = since
        while start < until:
            end = min(start + _BOOKS_STEP, until)
            for line in reversed(await self._book_lines(start, end)):
                yield line
            start = end

    async def _book_lines(self, start: datetime, end: datetime) -> list[BookLine]:
        lines = []
        first, last = _whole_seconds(start), _whole_seconds(end)
        with _as_ours():
            page = await self._v1.balance_transactions.list_async(
                {"created": {"gte": first, "lt": last}, "limit": _PAGE, "expand": ["data.source"]}
            )
            async for entry in page.auto_paging_iter():
                said = entry.to_dict()
                if said["currency"] != CURRENCY:
                    raise ProviderRefused("books_in_another_currency", said["currency"])
                lines.append(read_book_line(said))
        return lines

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | None:
        signature = next((v for k, v in headers.items() if k.lower() == "stripe-signature"), None)
        try:
            event = self._client.construct_event(body, signature, self._webhook_secret)
        except (stripe.SignatureVerificationError, ValueError) as error:
            raise BadSignature(str(error)) from error
        return read_event(event.to_dict())

    async def close(self) -> None:
        await self._connection.close_async()


def _how(new: NewPayment) -> str:
    if new.saved_method:
        return "saved"
    return "form" if new.method == Method.CARD else "us"


def _confirmation(new: NewPayment) -> dict[str, Any]:
    """What lets Stripe begin at once. A card waits for its form: its number goes to Stripe alone."""
    if new.saved_method:
        customer, _, method = new.saved_method.partition("/")
        return {"customer": customer, "payment_method": method, "confirm": True, "off_session": True}
    if new.method == Method.CARD:
        return {}
    begin: dict[str, Any] = {
        "confirm": True,
        "payment_method_data": {"type": str(new.method)},
        "return_url": new.return_url,
    }
    if new.method == Method.WECHAT_PAY:
        begin["payment_method_options"] = {"wechat_pay": {"client": "web"}}
    return begin


@contextmanager
def _as_ours() -> Iterator[None]:
    """The SDK's errors as the interface's. Raises ProviderAway or ProviderRefused."""
    try:
        yield
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        raise ProviderRefused(error.code or "invalid_request", error.user_message or "") from error
    except stripe.IdempotencyError as error:
        if error.http_status == 409:
            raise ProviderAway("the same request is still being answered") from error
        raise ProviderRefused("idempotency_error", error.user_message or "") from error
    except stripe.StripeError as error:
        # No answer, too many requests, a fault of theirs; or our key is refused, which we have to mend:
        # no payment fails for that.
        raise ProviderAway(f"{type(error).__name__} {error.http_status or ''}".strip()) from error


def _whole_seconds(moment: datetime) -> int:
    """Stripe's times are whole seconds: a line of the second 12 is not before 11.5."""
    return -int(-moment.timestamp() // 1)
