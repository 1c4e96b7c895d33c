"""Payments' verbs: start one, and take in what became of it. Money that arrives counts, however late."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.money import Fen, format_yuan
from parking_cloud.kernel.problems import Problem
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments import rules
from parking_cloud.payments.charging import give_up_live_payments, lock_charges, settle, settle_late
from parking_cloud.payments.events import PAYMENT_CHANGED
from parking_cloud.payments.models import Charge, Payment, PaymentPart
from parking_cloud.payments.provider import Method, ProviderPayment, ProviderState
from parking_cloud.payments.refunds import CASH, as_id, part_amounts, pay_back_disowned
from parking_cloud.payments.schemas import LIVE, ChargeState, PaymentState, Via

_PAYABLE = (ChargeState.OPEN, ChargeState.DUE)

log = structlog.get_logger(__name__)


class NothingOwed(Problem):
    slug = "nothing-owed"
    status = 409
    title = {"zh-CN": "目前无需支付", "en": "Nothing is owed at the moment"}
    detail = {
        "zh-CN": "可能已经支付，或无需缴费。如有疑问，请联系现场管理员。",
        "en": "It may have been paid already, or costs nothing. If in doubt, ask the attendant.",
    }


class CashDiffers(Problem):
    slug = "cash-differs"
    status = 409
    title = {"zh-CN": "金额与应缴不符", "en": "The amount is not what is owed"}
    detail = {"zh-CN": "应缴 {yuan}。请核对后重新登记。", "en": "{yuan} is owed. Check, and record it again."}


class NewPaymentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody pays."""

    provider: str
    method: Method
    via: Via
    payer_id: UUID | None = None
    scanned_facility_id: UUID | None = None
    saved_method: str = ""
    return_url: str = ""
    offer_hash: bytes | None = None


class Started(NamedTuple):
    payment: Payment
    joined: bool
    """It was there already: somebody pays the same charges in the same way."""


async def start_payment(
    session: AsyncSession,
    wanted: Mapping[UUID, int],
    order: NewPaymentOrder,
    now: datetime,
    *,
    desk_waits: timedelta = timedelta(0),
) -> Started:
    """A payment of charges, up to `wanted` of each (fen, by charge), for the desk to open at the provider.

    `desk_waits`: so long the caller means to open it itself. A charge has one live payment at a time: one
    just like this is joined, any other is given up. Raises NothingOwed.
    """
    charges = await lock_charges(session, ids=list(wanted))
    owed = {c.id: c.amount - c.paid for c in charges if c.state in _PAYABLE}
    shares = rules.parts(wanted, owed)
    if not shares:
        raise NothingOwed()
    live = await _live_payments(session, shares)
    if len(live) == 1 and await _is_same(session, live[0], shares, order):
        return Started(live[0], joined=True)
    if live:
        await give_up_live_payments(session, list(shares), now)
    payment = _new(shares, order, now)
    payment.look_again_at = now + desk_waits
    if desk_waits:
        payment.first_asked_at, payment.attempts = now, 1
    await _add(session, payment, shares)
    return Started(payment, joined=False)


async def record_cash(
    session: AsyncSession, wanted: Mapping[UUID, int], amount: int, attendant: UUID, now: datetime
) -> Payment:
    """Cash that an attendant took for charges, up to `wanted` of each: what they come to, and no other
    amount.

    Raises NothingOwed, CashDiffers.
    """
    charges = await lock_charges(session, ids=wanted)
    owed = {c.id: c.amount - c.paid for c in charges if c.state in _PAYABLE}
    shares = rules.parts(wanted, owed)
    if not shares:
        raise NothingOwed()
    if sum(shares.values()) != amount:
        raise CashDiffers(yuan=format_yuan(Fen(sum(shares.values()))))
    await give_up_live_payments(session, list(shares), now)
    order = NewPaymentOrder(provider=CASH, method=Method.CASH, via=Via.ATTENDANT, payer_id=attendant)
    payment = _new(shares, order, now)
    await _add(session, payment, shares)
    await payment_succeeded(session, payment.id, now)
    return payment


async def payment_seen(session: AsyncSession, payment_id: UUID, said: ProviderPayment, now: datetime) -> None:
    """A payment is as the provider says it is now. In whatever order and however often: the end is the
    same."""
    if said.state is ProviderState.PENDING:
        # What is still on its way changes no charge.
        held = _Held(await _lock(session, payment_id), [], {})
    else:
        held = await _hold(session, payment_id)
    payment = held.payment
    payment.provider_id = said.id
    if said.amount != payment.amount:
        log.error("the provider has another amount", payment=str(payment_id))
        payment.failure, payment.look_again_at = "amount_differs", now + rules.SLOWEST
        return
    match said.state:
        case ProviderState.SUCCEEDED:
            await _succeed(session, held, now)
        case ProviderState.FAILED:
            await _end(session, payment, PaymentState.FAILED, said.failure or "failed", now)
        case ProviderState.CANCELLED:
            await _end(session, payment, PaymentState.CANCELLED, said.failure, now)
        case ProviderState.PENDING:
            _wait(payment, said, now)
    await session.flush()


async def payment_succeeded(session: AsyncSession, payment_id: UUID, now: datetime) -> bool:
    """The money is there: it counts for the payment's charges, also after we had given the payment up.

    What is more than a charge comes to goes back by itself. False: it was known.
    """
    return await _succeed(session, await _hold(session, payment_id), now)


async def payment_failed(session: AsyncSession, payment_id: UUID, failure: str, now: datetime) -> None:
    """The provider will not have it at all."""
    held = await _hold(session, payment_id)
    await _end(session, held.payment, PaymentState.FAILED, failure, now)


async def never_opened(session: AsyncSession, payment_id: UUID, now: datetime) -> None:
    """It was given up before the provider was asked for it: there is nothing to give up there."""
    held = await _hold(session, payment_id)
    await _end(session, held.payment, PaymentState.CANCELLED, "", now)


async def payment_heard(session: AsyncSession, provider: str, said: ProviderPayment, now: datetime) -> bool:
    """News of a payment, by its id there or by the key we gave it. False: it is none of ours."""
    ours = Payment.provider_id == said.id
    if (key := as_id(said.key)) is not None:
        ours |= Payment.id == key
    payment_id = await session.scalar(select(Payment.id).where(Payment.provider == provider, ours))
    if payment_id is not None:
        await payment_seen(session, payment_id, said, now)
    return payment_id is not None


class _Held(NamedTuple):
    """A payment with its charges, all locked: charges first, so that no two block in a circle."""

    payment: Payment
    charges: list[Charge]
    shares: dict[UUID, int]


async def _hold(session: AsyncSession, payment_id: UUID) -> _Held:
    shares = await part_amounts(session, payment_id)
    charges = await lock_charges(session, ids=shares)
    return _Held(await _lock(session, payment_id), charges, shares)


async def _lock(session: AsyncSession, payment_id: UUID) -> Payment:
    payment = await session.get(Payment, payment_id, with_for_update=True, populate_existing=True)
    assert payment is not None
    return payment


async def _succeed(session: AsyncSession, held: _Held, now: datetime) -> bool:
    payment, charges, shares = held
    if payment.state == PaymentState.SUCCEEDED:
        return False
    ended_before = payment.state not in LIVE
    payment.state, payment.succeeded_at, payment.changed_at = PaymentState.SUCCEEDED, now, now
    payment.look_again_at, payment.action, payment.failure = None, None, ""
    await session.flush()
    await _release(session, payment.id)
    await _book(session, payment, charges, shares, now)
    for charge in charges:
        back = await pay_back_disowned(session, charge, payment.id, now) if ended_before else 0
        await settle(session, charge, charge.paid + shares[charge.id] - back, "paid_twice", now)
        await settle_late(session, charge, payment.created_at, now)
    await outbox.add(session, PAYMENT_CHANGED, str(payment.id), {"state": payment.state, "via": payment.via})
    return True


async def _end(
    session: AsyncSession, payment: Payment, state: PaymentState, failure: str, now: datetime
) -> None:
    """It has failed or was cancelled at the provider: there is nothing more to do about it."""
    payment.look_again_at = None
    if payment.state not in LIVE:
        return
    if state is PaymentState.CANCELLED and payment.via == Via.MANDATE:
        # Nobody gave it up: its time has run out, and its driver counts on it.
        state, failure = PaymentState.FAILED, failure or "expired"
    payment.state, payment.failure, payment.action, payment.changed_at = state, failure, None, now
    await session.flush()
    await _release(session, payment.id)
    await outbox.add(session, PAYMENT_CHANGED, str(payment.id), {"state": payment.state, "via": payment.via})


def _wait(payment: Payment, said: ProviderPayment, now: datetime) -> None:
    if payment.state in LIVE:
        payment.state = PaymentState.PENDING
        payment.action = None if said.action is None else msgspec.to_builtins(said.action)
        payment.failure = said.failure
        payment.look_again_at = now + rules.look_after(now - payment.created_at)
        payment.changed_at = now
    elif payment.state == PaymentState.CANCELLED:
        payment.look_again_at = now + rules.LOOK_EVERY  # it has still to be given up there


async def _live_payments(session: AsyncSession, charge_ids: Collection[UUID]) -> list[Payment]:
    """Those of locked charges that may still succeed."""
    found = await session.scalars(
        select(Payment)
        .join(PaymentPart, PaymentPart.payment_id == Payment.id)
        .where(PaymentPart.charge_id.in_(charge_ids), PaymentPart.live)
        .distinct()
    )
    return list(found)


async def _is_same(
    session: AsyncSession, payment: Payment, shares: Mapping[UUID, int], order: NewPaymentOrder
) -> bool:
    """True where it pays just this, in just this way."""
    same_way = (payment.provider, payment.method, payment.saved_method) == (
        order.provider,
        order.method,
        order.saved_method,
    )
    return same_way and await part_amounts(session, payment.id) == dict(shares)


def _new(shares: Mapping[UUID, Fen], order: NewPaymentOrder, now: datetime) -> Payment:
    return Payment(
        id=new_id(),
        provider=order.provider,
        method=order.method,
        via=order.via,
        amount=sum(shares.values()),
        state=PaymentState.CREATED,
        failure="",
        offer_hash=order.offer_hash,
        saved_method=order.saved_method,
        payer_id=order.payer_id,
        scanned_facility_id=order.scanned_facility_id,
        return_url=order.return_url,
        attempts=0,
        created_at=now,
        changed_at=now,
    )


async def _add(session: AsyncSession, payment: Payment, shares: Mapping[UUID, Fen]) -> None:
    session.add(payment)
    await session.flush()
    session.add_all(
        PaymentPart(payment_id=payment.id, charge_id=charge, amount=share, live=True)
        for charge, share in shares.items()
    )
    await session.flush()


async def _release(session: AsyncSession, payment_id: UUID) -> None:
    """Its charges may be paid otherwise."""
    await session.execute(
        update(PaymentPart).where(PaymentPart.payment_id == payment_id, PaymentPart.live).values(live=False)
    )


async def _book(
    session: AsyncSession,
    payment: Payment,
    charges: Sequence[Charge],
    amounts: Mapping[UUID, int],
    now: datetime,
) -> None:
    entries: dict[Account, int] = {}
    for charge in charges:
        share, operator = amounts[charge.id], charge.operator_id
        lies = (
            Account(AccountKind.CASH, operator)
            if payment.provider == CASH
            else Account(AccountKind.PROVIDER, name=payment.provider)
        )
        drivers = Account(AccountKind.DRIVER, operator)
        entries[lies] = entries.get(lies, 0) + share
        entries[drivers] = entries.get(drivers, 0) - share
    await ledger.post(session, kind="payment", reference=str(payment.id), at=now, entries=entries)
