"""The decisions of payments, pure: what a charge is, where a refund comes from, when to try again, who may
leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeVar
from uuid import UUID

from parking_cloud.kernel.money import Fen, share_out
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.stays.schemas import StayState
from parking_cloud.tariffs.schemas import PermitKind

PAYMENT_LIVES = timedelta(minutes=15)
"""A payment that nobody completes is given up after this, so that another can be made."""
MANDATE_LIVES = timedelta(days=1)
"""The same for one by a mandate, where nobody waits at a page."""
NEWS_TRIES = 12
"""So often we look whether we know what a provider's news is of (for about an hour): an answer of ours may be
late, or it is of somebody else's payment."""
LEASE = timedelta(seconds=60)
"""Whoever has taken a job has so long to do it; it is taken up again then. Longer than a provider's
time-out."""
MAY_STILL_ARRIVE = timedelta(minutes=2)
"""After a payment was given up, a request to open it may so long be on its way: longer than a lease."""
SLOWEST = timedelta(minutes=10)
LOOK_EVERY = timedelta(seconds=10)
LOOK_SLOWEST = timedelta(minutes=2)
SAME_QUESTION = timedelta(minutes=1)
"""Cameras ask again and again while a vehicle stands there: the same amount is noted once."""
PAY_LATER_OVERDUE = timedelta(days=30)
"""The payment period (缴费期): who owes for longer is not in good standing."""

_PASSING = ("balance_insufficient", "insufficient_funds", "lock_timeout", "processing_error")
_PASSES_WITHIN = timedelta(days=3)

K = TypeVar("K")


def charge_state(stay: StayState, amount: int, paid: int) -> ChargeState:
    """What a stay's charge is, its amount and payments being what they are."""
    match stay:
        case StayState.OPEN:
            return ChargeState.OPEN
        case StayState.REVIEW:
            return ChargeState.HELD
        case StayState.VOID:
            return ChargeState.VOID
        case StayState.CLOSED:
            return final_state(amount, paid)


def final_state(amount: int, paid: int) -> ChargeState:
    """Of a charge whose amount is final. Where more is paid, the excess is refunded first."""
    return ChargeState.DUE if paid < amount else ChargeState.SETTLED


class Told(NamedTuple):
    """An amount that was told before leaving."""

    at: datetime
    until: datetime
    """Up to when it was priced."""
    let_out: bool
    """A gate opened for it."""


class PaidAt(NamedTuple):
    at: datetime
    amount: int


def prices_held(
    told: Sequence[Told], paid: Sequence[PaidAt], left_at: datetime, grace: timedelta
) -> list[tuple[datetime, int | None]]:
    """Up to when a stay that went on until `left_at` may be priced instead, earliest first.

    Each with what was paid by then, above which its price must not be; None: a gate opened for it, so that it
    holds whether paid or not. Who was told an amount, pays, and leaves in time owes no more; what is paid
    after leaving pays for all of the stay.
    """
    held: dict[datetime, int | None] = {}
    in_all = 0
    for payment in sorted(each for each in paid if each.at <= left_at):
        in_all += payment.amount
        heard = max((each for each in told if each.at <= payment.at), default=None)
        if heard is not None and heard.until < left_at <= max(heard.until, payment.at) + grace:
            held[heard.until] = in_all
    for each in told:
        if each.let_out and each.until < left_at <= max(each.until, each.at) + grace:
            held[each.until] = None
    return sorted(held.items(), key=lambda item: item[0])


def let_out_already(
    told: Sequence[tuple[datetime, datetime | None]], until: datetime, now: datetime, grace: timedelta
) -> bool:
    """True where a gate opened before, at no higher price, and that still holds. `told`: when it did, and up
    to when it was priced."""
    return any(priced is not None and priced <= until and now <= at + grace for at, priced in told)


def same_question(before: tuple[int, datetime | None], amount: int, until: datetime) -> bool:
    """True where an amount was told just now: it need not be noted again."""
    return before[0] == amount and before[1] is not None and abs(until - before[1]) <= SAME_QUESTION


def not_above(price: int, waived_to: int | None) -> Fen:
    """A price, but never above what a person has waived a charge to."""
    return Fen(price if waived_to is None else min(price, waived_to))


def parts(wanted: Mapping[K, int], outstanding: Mapping[K, int]) -> dict[K, Fen]:
    """What of each charge is to be paid: as offered, but never more than is still owed."""
    shares = {key: min(amount, outstanding.get(key, 0)) for key, amount in wanted.items()}
    return {key: Fen(share) for key, share in shares.items() if share > 0}


class Paid(NamedTuple):
    """A payment's part of a charge, and what is left of it to refund."""

    payment_id: UUID
    at: datetime
    left: int


def refunds_from(payments: Sequence[Paid], excess: int) -> dict[UUID, Fen]:
    """From which payments an excess goes back: the newest first, each no further than what is left of it.

    Raises ValueError where they do not hold so much: money that never came is not paid back.
    """
    taken: dict[UUID, Fen] = {}
    for payment in sorted(payments, key=lambda p: (p.at, p.payment_id), reverse=True):
        share = min(excess, payment.left)
        if share > 0:
            taken[payment.payment_id] = Fen(share)
            excess -= share
    if excess > 0:
        raise ValueError("more is to be refunded than was paid")
    return taken


def shares_of(amount: int, by_charge: Mapping[UUID, int]) -> dict[UUID, Fen]:
    """How what a bank took back of a payment falls on its charges: in proportion, the same whenever asked."""
    charges = sorted(by_charge)
    return dict(zip(charges, share_out(Fen(amount), [by_charge[charge] for charge in charges]), strict=True))


def lives(by_mandate: bool) -> timedelta:
    """How long a payment may be on its way."""
    return MANDATE_LIVES if by_mandate else PAYMENT_LIVES


def back_off(attempts: int) -> timedelta:
    """How long to wait after the nth try that got no answer: 1 s, 2 s, 4 s … 10 min."""
    return min(timedelta(seconds=2.0 ** min(max(attempts - 1, 0), 20)), SLOWEST)


def will_pass(refusal: str, waited: timedelta) -> bool:
    """True where a refund was refused for a reason that goes away by itself, and there is time for that."""
    return refusal in _PASSING and waited < _PASSES_WITHIN


def look_after(age: timedelta) -> timedelta:
    """When to look again at what is on its way for `age`: often at first; webhooks tell sooner."""
    return min(max(age / 2, LOOK_EVERY), LOOK_SLOWEST)


def good_standing(
    *, owed_now: int, unpaid: int, oldest_due: datetime | None, limit: int, now: datetime
) -> bool:
    """May a vehicle leave first and pay later: nothing long unpaid, and in all within the facility's
    limit."""
    overdue = oldest_due is not None and now - oldest_due > PAY_LATER_OVERDUE
    return not overdue and owed_now + unpaid <= limit


class Why(StrEnum):
    """Why a gate opens, or does not."""

    FREE = "free"
    PERMIT = "permit"
    PREPAID = "prepaid"
    """By a permit that was bought (包月), or a booking."""
    PAID = "paid"
    MANDATE = "mandate"
    PAY_LATER = "pay_later"
    DUE = "due"
    ASK_ATTENDANT = "ask_attendant"


class AtExit(NamedTuple):
    """What is known of a vehicle that wants to leave. Amounts in fen."""

    price: int
    owed: int
    permit: PermitKind | None
    """The one that made it cheaper."""
    mandate_covers: bool
    """The driver's mandate will pay it once the vehicle has left."""
    pay_later: bool


_BY_PERMIT = {PermitKind.MONTHLY: Why.PREPAID, PermitKind.BOOKING: Why.PREPAID}


def at_exit(vehicle: AtExit) -> tuple[bool, Why]:
    """Whether the gate opens, and why: only on confirmed payment or a standing rule."""
    if vehicle.price == 0:
        return True, _BY_PERMIT.get(vehicle.permit, Why.PERMIT) if vehicle.permit else Why.FREE
    if vehicle.owed <= 0:
        return True, Why.PAID
    if vehicle.mandate_covers:
        return True, Why.MANDATE
    if vehicle.pay_later:
        return True, Why.PAY_LATER
    return False, Why.DUE
