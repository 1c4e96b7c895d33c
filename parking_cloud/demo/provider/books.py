"""The provider's books (balance transactions): a line for each movement of money, with its fee."""

from __future__ import annotations

from parking_cloud.demo.provider.store import Store, Thing

FEE_PER_MILLE = 29
DISPUTE_FEE = 1500
"""Fen; kept whoever wins."""
_TYPES = {"charge": "charge", "refund": "refund", "refund_failure": "refund_failure"}


def fee(amount: int) -> int:
    """2.9 %, half a fen upwards."""
    return (amount * FEE_PER_MILLE * 2 + 1000) // 2000


def enter(store: Store, category: str, source: Thing, *, amount: int, fee: int = 0) -> Thing:
    """A line: `amount` above zero came in."""
    return store.add(
        "txn",
        {
            "object": "balance_transaction",
            "amount": amount,
            "available_on": source["created"],
            "currency": "cny",
            "description": None,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [{"amount": fee, "currency": "cny", "type": "stripe_fee"}] if fee else [],
            "net": amount - fee,
            "reporting_category": category,
            "source": source["id"],
            "status": "available",
            "type": _TYPES.get(category, "adjustment"),
        },
    )
