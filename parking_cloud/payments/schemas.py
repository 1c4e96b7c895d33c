"""What crosses the slice's edge."""

from __future__ import annotations

from enum import StrEnum


class ChargeKind(StrEnum):
    STAY = "stay"
    PERMIT = "permit"
    BOOKING = "booking"
    """A shared space, booked."""


class ChargeState(StrEnum):
    OPEN = "open"
    """The vehicle is still there: it may be paid before leaving."""
    HELD = "held"
    """Its stay is under review: nothing is asked, nothing is taken, no clock runs."""
    DUE = "due"
    """Final, and not (wholly) paid."""
    SETTLED = "settled"
    """Final, and nothing is owed."""
    VOID = "void"


class PaymentState(StrEnum):
    CREATED = "created"
    """Ours; the provider may not know of it yet."""
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


LIVE = (PaymentState.CREATED, PaymentState.PENDING)
"""A payment that may still succeed. A charge has one of these at most, by the database."""


class Via(StrEnum):
    """How a payment came about."""

    SCAN = "scan"
    PLATE = "plate"
    APP = "app"
    MANDATE = "mandate"
    ATTENDANT = "attendant"


class RefundState(StrEnum):
    DUE = "due"
    SENT = "sent"
    """Asked of the provider; its answer may be lost."""
    DONE = "done"
    FAILED = "failed"
    """The provider will not: a person has to pay it back another way, or has it tried again."""
    REPLACED = "replaced"
    """Nothing goes back by this one any more: the payer's bank took the money back itself, or another refund
    stands in its place."""
