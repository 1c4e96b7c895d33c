"""What Stripe says, in our words. Pure: plain dictionaries in, `provider.py`'s structs out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from parking_cloud.kernel.money import Fen
from parking_cloud.payments.provider import (
    BookLine,
    ClientAction,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    ProviderSaving,
    ProviderState,
)

WEBHOOK_EVENTS = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
)
"""What an endpoint should be told of; all else is looked at anyway, or is no news to us."""

_ENDED = {"succeeded": ProviderState.SUCCEEDED, "canceled": ProviderState.CANCELLED}
_REFUND = _ENDED | {"failed": ProviderState.FAILED}
_BOOK_KINDS = {
    "charge": "payment",
    "refund": "refund",
    "refund_failure": "refund",
    "dispute": "dispute",
    "dispute_reversal": "dispute_reversal",
    "fee": "fee",
    "payout": "payout",
}


class Form:
    """What a page needs to show Stripe's own card form."""

    def __init__(self, publishable_key: str, script_url: str) -> None:
        self._publishable_key = publishable_key
        self._script_url = script_url

    def action(self, kind: str, client_secret: str) -> ClientAction:
        return ClientAction(
            kind=kind,
            client_secret=client_secret,
            publishable_key=self._publishable_key,
            script_url=self._script_url,
        )


def read_payment(intent: dict[str, Any], form: Form) -> ProviderPayment:
    """A PaymentIntent.

    After a refused card the payer may try another in the same form: that is pending still. Where we confirmed
    it ourselves (a redirect, a QR code, a saved method), a refusal is the end.
    """
    said = intent.get("metadata") or {}
    refused = intent.get("last_payment_error") or {}
    by_form = said.get("by") == "form"
    state = _ENDED.get(intent["status"], ProviderState.PENDING)
    if intent["status"] == "requires_payment_method" and refused and not by_form:
        state = ProviderState.FAILED
    action = None
    if state == ProviderState.PENDING:
        secret = intent.get("client_secret") or ""
        action = form.action("card_form", secret) if by_form else _next_action(intent)
    return ProviderPayment(
        id=intent["id"],
        state=state,
        amount=Fen(intent["amount"]),
        key=said.get("key", ""),
        failure=_failure(refused) if state != ProviderState.SUCCEEDED else "",
        action=action,
    )


def _next_action(intent: dict[str, Any]) -> ClientAction | None:
    action = intent.get("next_action") or {}
    match action.get("type"):
        case "alipay_handle_redirect" | "redirect_to_url" as kind:
            return ClientAction(kind="redirect", url=action[kind]["url"])
        case "wechat_pay_display_qr_code" as kind:
            return ClientAction(kind="qr", url=action[kind]["data"])
        case _:
            return None


def _failure(error: dict[str, Any]) -> str:
    return str(error.get("decline_code") or error.get("code") or "")


def read_saving(intent: dict[str, Any], form: Form) -> ProviderSaving:
    """A SetupIntent."""
    state = _ENDED.get(intent["status"], ProviderState.PENDING)
    done = state == ProviderState.SUCCEEDED
    secret = intent.get("client_secret") or ""
    return ProviderSaving(
        id=intent["id"],
        state=state,
        key=(intent.get("metadata") or {}).get("key", ""),
        saved_method=f"{_id(intent['customer'])}/{_id(intent['payment_method'])}" if done else "",
        failure="" if done else _failure(intent.get("last_setup_error") or {}),
        action=form.action("save_form", secret) if state == ProviderState.PENDING else None,
    )


def read_refund(refund: dict[str, Any]) -> ProviderRefund:
    return ProviderRefund(
        id=refund["id"],
        state=_REFUND.get(refund.get("status") or "", ProviderState.PENDING),
        amount=Fen(refund["amount"]),
        payment_id=_id(refund.get("payment_intent")),
        key=(refund.get("metadata") or {}).get("key", ""),
        failure=refund.get("failure_reason") or "",
    )


def read_dispute(dispute: dict[str, Any]) -> ProviderDispute | None:
    """None: an inquiry, or one that was headed off; no money has moved."""
    status = dispute["status"]
    if status.startswith("warning_") or status == "prevented":
        return None
    return ProviderDispute(
        id=dispute["id"],
        payment_id=_id(dispute.get("payment_intent")),
        amount=Fen(dispute["amount"]),
        state=status if status in ("won", "lost") else "open",
        reason=dispute.get("reason") or "",
    )


def read_event(event: dict[str, Any]) -> ProviderEvent | None:
    """None: of a kind that does not concern us."""
    kind, thing = event["type"], event["data"]["object"]
    payment_id = refund_id = saving_id = ""
    dispute = None
    match thing.get("object"):
        case "payment_intent":
            payment_id = thing["id"]
        case "setup_intent":
            saving_id = thing["id"]
        case "refund":
            refund_id, payment_id = thing["id"], _id(thing.get("payment_intent"))
        case "charge" if kind == "charge.refunded":
            payment_id = _id(thing.get("payment_intent"))
        case "dispute":
            dispute = read_dispute(thing)
            payment_id = dispute.payment_id if dispute else ""
    if not (payment_id or refund_id or saving_id):
        return None
    return ProviderEvent(
        id=event["id"],
        type=kind,
        occurred_at=_moment(event["created"]),
        payment_id=payment_id,
        refund_id=refund_id,
        saving_id=saving_id,
        dispute=dispute,
    )


def read_book_line(line: dict[str, Any]) -> BookLine:
    """A balance transaction, its source expanded."""
    kind = _BOOK_KINDS.get(line["reporting_category"], "other")
    source = line.get("source")
    source = source if isinstance(source, dict) else {}
    of = source.get("object")
    return BookLine(
        id=line["id"],
        kind=kind,
        amount=Fen(line["amount"]),
        fee=Fen(line["fee"]),
        at=_moment(line["created"]),
        payment_id=_id(source.get("payment_intent")),
        refund_id=source["id"] if of == "refund" else "",
        dispute_id=source["id"] if of == "dispute" else "",
    )


def _id(thing: Any) -> str:
    """The id of something that Stripe gives whole, by its id, or not at all."""
    return thing["id"] if isinstance(thing, dict) else thing or ""


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
