"""Customers, and the methods that are kept for them (SetupIntents)."""

from __future__ import annotations

from parking_cloud.demo.provider.cards import Behaviour, card_error, method_of
from parking_cloud.demo.provider.forms import Refusal, Said, group, invalid, needed
from parking_cloud.demo.provider.intents import client_secret
from parking_cloud.demo.provider.store import Store, Thing, shown


def create_customer(store: Store, said: Said) -> Thing:
    """POST /v1/customers"""
    return store.add(
        "cus", {"object": "customer", "metadata": group(said, "metadata"), "email": said.get("email")}
    )


def create(store: Store, said: Said, pages: str) -> Thing:
    """POST /v1/setup_intents"""
    intent = store.add(
        "seti",
        {
            "object": "setup_intent",
            "cancellation_reason": None,
            "customer": store.get(needed(said, "customer"), "customer")["id"],
            "last_setup_error": None,
            "metadata": group(said, "metadata"),
            "next_action": None,
            "payment_method": None,
            "payment_method_types": said.get("payment_method_types") or ["card"],
            "status": "requires_payment_method",
            "usage": said.get("usage") or "off_session",
        },
    )
    intent["client_secret"] = client_secret(intent["id"])
    store.save(intent)
    store.tell("setup_intent.created", intent)
    return confirm(store, intent, said, pages) if said.get("confirm") == "true" else intent


def confirm(store: Store, intent: Thing, said: Said, pages: str) -> Thing:
    """POST /v1/setup_intents/{id}/confirm"""
    if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        message = f"You cannot confirm a SetupIntent that is {intent['status']}."
        raise Refusal(400, "invalid_request_error", "setup_intent_unexpected_state", message)
    method = method_of(store, said)
    if method is None:
        raise invalid("parameter_missing", "a payment method is missing", param="payment_method")
    if method["type"] not in intent["payment_method_types"]:
        raise invalid(
            "payment_method_unexpected_type", "not one of payment_method_types", param="payment_method"
        )
    intent |= {"payment_method": method["id"], "last_setup_error": None, "next_action": None}
    behaviour = Behaviour(method["_behaviour"])
    if behaviour in (Behaviour.DECLINED, Behaviour.NO_FUNDS):
        raise _refused(store, intent, "card_declined", "Your card was declined.")
    if behaviour in (Behaviour.ASKS_ALWAYS, Behaviour.ASKS_UNTIL_SAVED) or method["type"] == "alipay":
        page = f"{pages}/authorise/{intent['id']}?client_secret={intent['client_secret']}"
        action = {"type": "three_d_secure_redirect", "stripe_js": page}
        intent |= {
            "status": "requires_action",
            "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": action},
        }
        store.save(intent)
        store.tell("setup_intent.requires_action", intent)
        return intent
    return _keep(store, intent)


def authorise(store: Store, intent: Thing, *, agrees: bool) -> Thing:
    """The payer's answer on the provider's page."""
    if intent["status"] != "requires_action":
        return intent
    if agrees:
        return _keep(store, intent)
    _refused(store, intent, "setup_intent_authentication_failure", "The payer did not agree to it.")
    return intent


def _keep(store: Store, intent: Thing) -> Thing:
    method = store.get(intent["payment_method"], "payment_method")
    method["customer"] = intent["customer"]
    store.save(method)
    intent |= {"status": "succeeded", "next_action": None}
    store.save(intent)
    store.tell("payment_method.attached", method)
    store.tell("setup_intent.succeeded", intent)
    return intent


def _refused(store: Store, intent: Thing, code: str, message: str) -> Refusal:
    error = {"type": "card_error", "code": code, "message": message}
    intent |= {
        "status": "requires_payment_method",
        "last_setup_error": error,
        "payment_method": None,
        "next_action": None,
    }
    store.save(intent)
    store.tell("setup_intent.setup_failed", intent)
    return card_error(code, message, setup_intent=shown(intent))


def detach(store: Store, method: Thing) -> Thing:
    """POST /v1/payment_methods/{id}/detach"""
    if method["customer"] is None:
        raise invalid("payment_method_unattached", "it is attached to nobody")
    method |= {"customer": None, "_behaviour": Behaviour.DECLINED}
    store.save(method)
    store.tell("payment_method.detached", method)
    return method
