"""Refunds, and disputes (chargebacks)."""

from __future__ import annotations

from parking_cloud.demo.provider import books
from parking_cloud.demo.provider.cards import Behaviour
from parking_cloud.demo.provider.forms import Said, group, invalid, needed, whole
from parking_cloud.demo.provider.store import Store, Thing

_WALLET_S = 0.5
"""A wallet's refund takes its time."""
_FAILS_S = 0.5


def create(store: Store, said: Said) -> Thing:
    """POST /v1/refunds: the whole, or a part."""
    intent = store.get(needed(said, "payment_intent"), "payment_intent")
    if intent["status"] != "succeeded":
        raise invalid("payment_intent_unexpected_state", "it has no successful charge to refund")
    charge = store.get(intent["latest_charge"], "charge")
    left = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"]:
        raise invalid("charge_disputed", "it has been charged back")
    if left == 0:
        raise invalid("charge_already_refunded", f"Charge {charge['id']} has already been refunded.")
    amount = whole(said, "amount") if "amount" in said else left
    if amount > left:
        raise invalid(
            "amount_too_large", f"Refund amount is greater than what is left ({left})", param="amount"
        )
    slow = charge["_behaviour"] == Behaviour.REFUND_SLOW
    at_once = charge["payment_method_details"]["type"] == "card" and not slow
    refund = store.add(
        "re",
        {
            "object": "refund",
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": "cny",
            "failure_reason": None,
            "metadata": group(said, "metadata"),
            "payment_intent": intent["id"],
            "reason": said.get("reason"),
            "status": "succeeded" if at_once else "pending",
        },
    )
    line = books.enter(store, "refund", refund, amount=-amount)
    refund["balance_transaction"] = line["id"]
    store.save(refund)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    store.save(charge)
    store.tell("refund.created", refund)
    store.tell("charge.refunded", charge)
    if not at_once:
        store.do_later(refund["id"], "refund", _WALLET_S)
    if charge["_behaviour"] == Behaviour.REFUND_FAILS:
        store.do_later(refund["id"], "fail-refund", _FAILS_S)
    return refund


def arrive(store: Store, refund: Thing) -> None:
    """A slow refund has reached the payer."""
    refund["status"] = "succeeded"
    store.save(refund)
    store.tell("refund.updated", refund)


def fail(store: Store, refund: Thing) -> None:
    """The payer's bank sent it back: the money is the merchant's again."""
    line = books.enter(store, "refund_failure", refund, amount=refund["amount"])
    refund |= {
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "failure_balance_transaction": line["id"],
    }
    store.save(refund)
    charge = store.get(refund["charge"], "charge")
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    store.save(charge)
    store.tell("refund.updated", refund)
    store.tell("refund.failed", refund)


def open_dispute(store: Store, charge: Thing) -> None:
    """The payer's bank takes the money back until it is decided."""
    amount = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"] or amount == 0:
        return
    dispute = store.add(
        "dp",
        {
            "object": "dispute",
            "amount": amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": "cny",
            "evidence": {},
            "is_charge_refundable": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": "fraudulent",
            "status": "needs_response",
        },
    )
    books.enter(store, "dispute", dispute, amount=-amount, fee=books.DISPUTE_FEE)
    charge["disputed"] = True
    store.save(charge)
    store.tell("charge.dispute.created", dispute)
    store.tell("charge.dispute.funds_withdrawn", dispute)


def answer_dispute(store: Store, dispute: Thing, said: Said) -> Thing:
    """POST /v1/disputes/{id}: the words that decide it are the documentation's."""
    text = group(said, "evidence").get("uncategorized_text")
    if text in ("winning_evidence", "losing_evidence"):
        return decide(store, dispute, won=text == "winning_evidence")
    return dispute


def decide(store: Store, dispute: Thing, *, won: bool) -> Thing:
    """Its end. Said again, it has no effect."""
    if dispute["status"] in ("won", "lost"):
        return dispute
    dispute["status"] = "won" if won else "lost"
    store.save(dispute)
    if won:
        books.enter(store, "dispute_reversal", dispute, amount=dispute["amount"])
        charge = store.get(dispute["charge"], "charge")
        charge["disputed"] = False
        store.save(charge)
        store.tell("charge.dispute.funds_reinstated", dispute)
    store.tell("charge.dispute.closed", dispute)
    return dispute
