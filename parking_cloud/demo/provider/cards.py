"""Test cards, by the numbers and names that Stripe's documentation gives them."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Any

from parking_cloud.demo.provider.forms import Refusal, Said, group, invalid, needed
from parking_cloud.demo.provider.store import Store, Thing


class Behaviour(StrEnum):
    PAYS = "pays"
    DECLINED = "generic_decline"
    NO_FUNDS = "insufficient_funds"
    DISPUTED = "disputed"
    ASKS_ALWAYS = "asks_always"
    """The bank wants its holder asked with every payment."""
    ASKS_UNTIL_SAVED = "asks_until_saved"
    FAILS_ONCE_SAVED = "fails_once_saved"
    REFUND_SLOW = "refund_slow"
    REFUND_FAILS = "refund_fails"


_BY_NUMBER = {
    "4242424242424242": Behaviour.PAYS,
    "4000000000000002": Behaviour.DECLINED,
    "4000000000009995": Behaviour.NO_FUNDS,
    "4000000000000259": Behaviour.DISPUTED,
    "4000002760003184": Behaviour.ASKS_ALWAYS,
    "4000002500003155": Behaviour.ASKS_UNTIL_SAVED,
    "4000000000000341": Behaviour.FAILS_ONCE_SAVED,
    "4000000000007726": Behaviour.REFUND_SLOW,
    "4000000000005126": Behaviour.REFUND_FAILS,
}
_BY_NAME = {
    "pm_card_visa": "4242424242424242",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_createDispute": "4000000000000259",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_authenticationRequiredOnSetup": "4000002500003155",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_pendingRefund": "4000000000007726",
    "pm_card_refundFail": "4000000000005126",
}
METHODS = ("card", "alipay", "wechat_pay")


def method_of(store: Store, said: Said) -> Thing | None:
    """The payment method that a request names or brings, if any."""
    name = said.get("payment_method")
    if isinstance(name, str) and name:
        if name in _BY_NAME:
            return _new_card(store, _BY_NAME[name], exp_month=12, exp_year=2040)
        return store.get(name, "payment_method")
    return new_method(store, group(said, "payment_method_data")) if "payment_method_data" in said else None


def new_method(store: Store, data: Said) -> Thing:
    """A method made of what the payer typed. The number itself is not kept."""
    kind = needed(data, "type")
    if kind not in METHODS:
        raise invalid("parameter_invalid", f"no such payment method: {kind}", param="type")
    if kind != "card":
        return _kept(store, kind, {})
    card = group(data, "card")
    number = needed(card, "number").replace(" ", "")
    month, year = needed(card, "exp_month"), needed(card, "exp_year")
    if not number.isdecimal() or not _luhn(number):
        raise card_error("incorrect_number", "Your card number is incorrect.")
    if not (month.isdecimal() and 1 <= int(month) <= 12):
        raise card_error("invalid_expiry_month", "Your card's expiration month is invalid.")
    if not (year.isdecimal() and len(year) in (2, 4)):
        raise card_error("invalid_expiry_year", "Your card's expiration year is invalid.")
    exp_year = int(year) + (2000 if len(year) == 2 else 0)
    now = time.gmtime()
    if (exp_year, int(month)) < (now.tm_year, now.tm_mon):
        raise card_error("expired_card", "Your card has expired.")
    return _new_card(store, number, exp_month=int(month), exp_year=exp_year)


def card_error(code: str, message: str, **more: Any) -> Refusal:
    return Refusal(402, "card_error", code, message, more=more)


def _new_card(store: Store, number: str, *, exp_month: int, exp_year: int) -> Thing:
    card = {
        "brand": "visa" if number.startswith("4") else "unknown",
        "last4": number[-4:],
        "exp_month": exp_month,
        "exp_year": exp_year,
        "funding": "credit",
        "country": "US",
    }
    # Any other number that is well formed pays: Stripe's test mode has more cards than stand here.
    return _kept(store, "card", card, _BY_NUMBER.get(number, Behaviour.PAYS))


def _kept(store: Store, kind: str, details: dict[str, Any], behaviour: Behaviour = Behaviour.PAYS) -> Thing:
    method = {
        "object": "payment_method",
        "type": kind,
        kind: details,
        "customer": None,
        "metadata": {},
        "_behaviour": str(behaviour),
    }
    return store.add("pm", method)


def _luhn(number: str) -> bool:
    if not 12 <= len(number) <= 19:
        return False
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
