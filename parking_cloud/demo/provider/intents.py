"""PaymentIntents: opened, confirmed, authorised by the payer, cancelled. Charges come of them."""

from __future__ import annotations

import secrets
import time
from typing import Any

from parking_cloud.demo.provider import books
from parking_cloud.demo.provider.cards import METHODS, Behaviour, card_error, method_of
from parking_cloud.demo.provider.forms import Refusal, Said, group, invalid, needed, whole
from parking_cloud.demo.provider.store import Store, Thing, shown

_DISPUTE_AFTER_S = 0.2
_MESSAGES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
}


def create(store: Store, said: Said, pages: str) -> Thing:
    """POST /v1/payment_intents"""
    amount = whole(said, "amount")
    if needed(said, "currency").lower() != "cny":
        raise invalid("parameter_invalid", "this provider knows cny only", param="currency")
    types = said.get("payment_method_types") or ["card"]
    if not isinstance(types, list) or not set(types) <= set(METHODS):
        raise invalid("parameter_invalid", "unknown payment_method_types", param="payment_method_types")
    intent = store.add(
        "pi",
        {
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic",
            "confirmation_method": "automatic",
            "currency": "cny",
            "customer": said.get("customer"),
            "description": said.get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": group(said, "metadata"),
            "next_action": None,
            "payment_method": None,
            "payment_method_options": group(said, "payment_method_options"),
            "payment_method_types": types,
            "processing": None,
            "status": "requires_payment_method",
        },
    )
    intent["client_secret"] = client_secret(intent["id"])
    store.save(intent)
    store.tell("payment_intent.created", intent)
    if said.get("confirm") == "true":
        return confirm(store, intent, said, pages)
    return intent


def client_secret(id: str) -> str:
    """What the payer's page may confirm an intent with."""
    return f"{id}_secret_{secrets.token_hex(12)}"


def confirm(store: Store, intent: Thing, said: Said, pages: str) -> Thing:
    """POST /v1/payment_intents/{id}/confirm"""
    _expect(intent, "requires_payment_method", "requires_confirmation", "requires_action")
    method = method_of(store, said)
    if method is None:
        raise invalid(
            "payment_intent_unexpected_state", "a payment method is missing", param="payment_method"
        )
    if method["type"] not in intent["payment_method_types"]:
        raise invalid(
            "payment_method_unexpected_type", "not one of payment_method_types", param="payment_method"
        )
    if method["customer"] != intent["customer"] and method["customer"] is not None:
        raise invalid("payment_method_customer_mismatch", "it belongs to another customer")
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    if method["type"] == "card":
        return _by_card(store, intent, method, said, pages)
    return_url = said.get("return_url") or ""
    page = f"{pages}/authorise/{intent['id']}?client_secret={intent['client_secret']}"
    if method["type"] == "alipay":
        needed(said, "return_url")
        action = {"url": page, "return_url": return_url, "native_url": None, "native_data": None}
        return _wait(store, intent, "alipay_handle_redirect", action, return_url)
    options = group(group(said, "payment_method_options"), "wechat_pay")
    needed(options, "client")
    action = {
        "data": page,
        "hosted_instructions_url": page,
        "image_data_url": "",
        "image_url_png": "",
        "image_url_svg": "",
    }
    return _wait(store, intent, "wechat_pay_display_qr_code", action, "")


def _by_card(store: Store, intent: Thing, method: Thing, said: Said, pages: str) -> Thing:
    behaviour, saved = Behaviour(method["_behaviour"]), method["customer"] is not None
    refused = {Behaviour.DECLINED: "generic_decline", Behaviour.NO_FUNDS: "insufficient_funds"}.get(behaviour)
    if behaviour == Behaviour.FAILS_ONCE_SAVED and saved:
        refused = "generic_decline"
    if refused:
        raise fail(store, intent, "card_declined", _MESSAGES[refused], decline_code=refused)
    asks = behaviour == Behaviour.ASKS_ALWAYS or (behaviour == Behaviour.ASKS_UNTIL_SAVED and not saved)
    if not asks:
        return succeed(store, intent)
    if said.get("off_session") == "true":
        message = "Your card was declined. This transaction requires authentication."
        raise fail(store, intent, "authentication_required", message, decline_code="authentication_required")
    return_url = said.get("return_url") or ""
    page = f"{pages}/authorise/{intent['id']}?client_secret={intent['client_secret']}"
    if return_url:
        return _wait(store, intent, "redirect_to_url", {"url": page, "return_url": return_url}, return_url)
    action = {"type": "three_d_secure_redirect", "stripe_js": page}
    return _wait(store, intent, "use_stripe_sdk", action, "")


def _wait(store: Store, intent: Thing, kind: str, action: dict[str, Any], return_url: str) -> Thing:
    intent |= {
        "status": "requires_action",
        "next_action": {"type": kind, kind: action},
        "_return_url": return_url,
    }
    store.save(intent)
    store.tell("payment_intent.requires_action", intent)
    return intent


def authorise(store: Store, intent: Thing, *, agrees: bool) -> Thing:
    """The payer's answer on the page that a redirect or a QR code leads to. Said twice, it has no effect."""
    if intent["status"] != "requires_action":
        return intent
    intent["next_action"] = None
    if agrees:
        return succeed(store, intent)
    code = "payment_intent_payment_attempt_failed"
    if intent["payment_method_types"] == ["card"]:
        code = "payment_intent_authentication_failure"
    fail(store, intent, code, "The payer did not agree to it.")
    return intent


def succeed(store: Store, intent: Thing) -> Thing:
    """The money is there."""
    method = store.get(intent["payment_method"], "payment_method")
    charge = _charge(store, intent, method, paid=True)
    amount = intent["amount"]
    line = books.enter(store, "charge", charge, amount=amount, fee=books.fee(amount))
    charge["balance_transaction"] = line["id"]
    store.save(charge)
    intent |= {
        "status": "succeeded",
        "amount_received": amount,
        "latest_charge": charge["id"],
        "next_action": None,
        "last_payment_error": None,
    }
    store.save(intent)
    store.tell("charge.succeeded", charge)
    store.tell("payment_intent.succeeded", intent)
    if method["_behaviour"] == Behaviour.DISPUTED:
        store.do_later(charge["id"], "dispute", _DISPUTE_AFTER_S)
    return intent


def fail(store: Store, intent: Thing, code: str, message: str, **more: Any) -> Refusal:
    """This attempt came to nothing; another may be made. Returns the refusal to answer with."""
    method = store.get(intent["payment_method"], "payment_method")
    kind = "card_error" if method["type"] == "card" else "invalid_request_error"
    charge = _charge(store, intent, method, paid=False)
    charge |= {"failure_code": code, "failure_message": message}
    store.save(charge)
    error = {"type": kind, "code": code, "message": message, "payment_method": shown(method)} | more
    intent |= {
        "status": "requires_payment_method",
        "last_payment_error": error,
        "latest_charge": charge["id"],
        "payment_method": None,
        "next_action": None,
    }
    store.save(intent)
    store.tell("charge.failed", charge)
    store.tell("payment_intent.payment_failed", intent)
    return card_error(code, message, payment_intent=shown(intent), **more)


def _charge(store: Store, intent: Thing, method: Thing, *, paid: bool) -> Thing:
    kind = method["type"]
    return store.add(
        "ch" if kind == "card" else "py",
        {
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if paid else 0,
            "amount_refunded": 0,
            "balance_transaction": None,
            "captured": paid,
            "currency": "cny",
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_code": None,
            "failure_message": None,
            "metadata": intent["metadata"],
            "paid": paid,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"type": kind, kind: method[kind]},
            "refunded": False,
            "status": "succeeded" if paid else "failed",
            "_behaviour": method["_behaviour"],
        },
    )


def cancel(store: Store, intent: Thing, said: Said) -> Thing:
    """POST /v1/payment_intents/{id}/cancel"""
    _expect(intent, "requires_payment_method", "requires_confirmation", "requires_action")
    intent |= {
        "status": "canceled",
        "canceled_at": int(time.time()),
        "cancellation_reason": said.get("cancellation_reason"),
        "next_action": None,
    }
    store.save(intent)
    store.tell("payment_intent.canceled", intent)
    return intent


def _expect(intent: Thing, *states: str) -> None:
    if intent["status"] not in states:
        message = f"You cannot do this with a PaymentIntent that is {intent['status']}."
        more = {"payment_intent": shown(intent)}
        code = "payment_intent_unexpected_state"
        raise Refusal(400, "invalid_request_error", code, message, more=more)
