"""Charges, payments and refunds as rows of the page, and a day's money as bars: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from parking_cloud.console.evidence_words import moment
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.payments.overview import DayTotals
from parking_cloud.registry.service import FacilityLabel

Texts = Mapping[str, str]
_HIGH = 100.0


class Bar(NamedTuple):
    """A bar of the day's chart: where it stands (in steps), how high (0..100), and its words."""

    step: int
    height: float
    label: str
    amount: str


def hour_bars(totals: DayTotals) -> list[Bar]:
    """What was paid in each hour; empty where nothing was."""
    highest = max(totals.paid_by_hour)
    if highest <= 0:
        return []
    return [
        Bar(hour, _HIGH * paid / highest, f"{hour:02d}:00", format_yuan(Fen(paid)))
        for hour, paid in enumerate(totals.paid_by_hour)
    ]


def method_bars(totals: DayTotals, t: Texts) -> list[Bar]:
    """What was paid in each way, the largest first."""
    paid = sorted(totals.paid_by_method.items(), key=lambda item: -item[1])
    highest = max((amount for _, amount in paid), default=0) or 1
    return [
        Bar(n, _HIGH * amount / highest, t[method], format_yuan(Fen(amount)))
        for n, (method, amount) in enumerate(paid)
    ]


def charge_row(
    charge: Mapping[str, Any], labels: Mapping[UUID, FacilityLabel], t: Texts, language: str
) -> dict[str, Any]:
    """A charge in words."""
    label = labels[charge["facility_id"]]
    return {
        "id": charge["id"],
        "number": number(charge["id"]),
        "stay_id": charge["stay_id"],
        "state": charge["state"],
        "state_words": t[_state_of(charge)],
        "kind": t[f"kind_{charge['kind']}"],
        "facility": label.name if language == "zh-CN" or not label.name_en else label.name_en,
        "amount": format_yuan(charge["amount"]),
        "paid": format_yuan(charge["paid"]),
        "created_at": moment(t, charge["created_at"]),
        "why": _why(charge["why"], t),
        "lines": [(line["reason"][language], format_yuan(line["amount"])) for line in charge["lines"] or []],
        "paying": t["paying"] if charge["paying"] else "",
        "may_waive": charge["state"] == "due",
        "may_refund": charge["paid"] > 0,
        "paid_yuan": _plain_yuan(charge["paid"]),
        "paid_fen": charge["paid"],
    }


def _state_of(charge: Mapping[str, Any]) -> str:
    paid_up = charge["state"] == "open" and charge["paid"] >= charge["amount"] > 0
    return "charge_open_paid" if paid_up else f"charge_{charge['state']}"


def payment_row(payment: Mapping[str, Any], t: Texts) -> dict[str, Any]:
    """A payment in words."""
    return {
        "id": payment["id"],
        "number": number(payment["id"]),
        "state": payment["state"],
        "state_words": t[f"payment_{payment['state']}"],
        "how": f"{t[payment['method']]} · {t['via_' + payment['via']]}",
        "amount": format_yuan(payment["amount"]),
        "created_at": moment(t, payment["created_at"]),
        "failure": payment["failure"],
        "attempts": t["attempts"].format(n=payment["attempts"]) if payment["attempts"] > 1 else "",
    }


def refund_row(refund: Mapping[str, Any], t: Texts) -> dict[str, Any]:
    """A refund in words."""
    by_hand = refund["by_hand"]
    words = t["refund_by_hand"] if by_hand and refund["state"] == "due" else t[f"refund_{refund['state']}"]
    return {
        "id": refund["id"],
        "number": number(refund["id"]),
        "charge": number(refund["charge_id"]),
        "state": "failed" if by_hand else refund["state"],
        "state_words": words,
        "amount": format_yuan(refund["amount"]),
        "created_at": moment(t, refund["created_at"]),
        "why": _why(refund["why"], t),
        "failure": refund["failure"],
        "attempts": t["attempts"].format(n=refund["attempts"]) if refund["attempts"] > 1 else "",
        "by_hand": by_hand,
        "may_try_again": refund["state"] == "failed",
    }


def number(id_: UUID) -> str:
    """The end of an id, which is enough to tell rows apart; its beginning is only the time."""
    return id_.hex[-10:]


def _why(why: str | None, t: Texts) -> str:
    return t.get(f"why_{why}", why or "") if why else ""


def _plain_yuan(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"
