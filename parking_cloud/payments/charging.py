"""Charges follow their stays: assessed, held, void or corrected, each change with its movement in the
ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import Problem
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments import rules
from parking_cloud.payments.events import CHARGE_CHANGED, PAYMENT_CHANGED
from parking_cloud.payments.models import Charge, ChargeAssessment, Payment, PaymentPart
from parking_cloud.payments.pricing import Quote, history, price_of
from parking_cloud.payments.refunds import pay_back
from parking_cloud.payments.schemas import LIVE, ChargeKind, ChargeState, PaymentState
from parking_cloud.stays.schemas import StayFacts, StayState
from parking_cloud.stays.service import stay_facts
from parking_cloud.tariffs.problems import NoTariff
from parking_cloud.tariffs.schemas import Line

_FINAL = (ChargeState.DUE, ChargeState.SETTLED)
_REFUNDED_FOR = ("paid_twice", "corrected", "void", "waived", "dispute")


class StayNotOver(Problem):
    slug = "stay-not-over"
    status = 409
    title = {"zh-CN": "车辆尚未离场", "en": "The vehicle is still there"}
    detail = {
        "zh-CN": "离场后金额才确定，届时方可减免。停车记录有误的，请先更正或作废该记录。",
        "en": "Its amount stands once it has left. Where the stay is wrong, correct or void the stay.",
    }


class Assessed(NamedTuple):
    """What an assessment comes to, and why."""

    amount: int
    why: str
    until: datetime | None = None
    stay_version: int | None = None
    tariff_version_id: UUID | None = None
    lines: Sequence[Line] = ()


async def hold_stays(session: AsyncSession, stay_ids: Sequence[UUID]) -> None:
    """Nobody else assesses these stays until this transaction has ended."""
    for stay_id in sorted(stay_ids):
        await alone(session, f"charge of stay {stay_id}")


async def lock_charges(
    session: AsyncSession, *, ids: Collection[UUID] = (), stay_ids: Collection[UUID] = ()
) -> list[Charge]:
    """Charges by their ids or their stays', locked in one order; those that there are."""
    found = await session.scalars(
        select(Charge)
        .where(Charge.id.in_(ids) | Charge.stay_id.in_(stay_ids))
        .order_by(Charge.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(found)


async def assess_stay(session: AsyncSession, stay_id: UUID, now: datetime) -> None:
    """Let a stay's charge follow it as it is now; again changes nothing.

    Raises NoTariff or UnknownHolidayYear where a closed stay cannot be priced: nothing is charged then.
    """
    await hold_stays(session, [stay_id])
    stay = (await stay_facts(session, [stay_id])).get(stay_id)
    if stay is None:
        return
    charge = next(iter(await lock_charges(session, stay_ids=[stay_id])), None)
    if charge is None and stay.state is StayState.CLOSED:
        charge = await new_charge(session, stay, now)
    if charge is not None:
        await follow_stay(session, stay, charge, now)


async def follow_stay(session: AsyncSession, stay: StayFacts, charge: Charge, now: datetime) -> None:
    """The same, where the caller holds the stay and has locked its charge."""
    if charge.plate_hash != stay.plate_hash:
        await _give_over(session, stay, charge, now)
    if stay.state is StayState.CLOSED:
        await _assess_closed(session, stay, charge, now)
    else:
        await _follow(session, stay, charge, now)


async def _give_over(session: AsyncSession, stay: StayFacts, charge: Charge, now: datetime) -> None:
    """A stay was another vehicle's. Whoever was asked for it owes nothing, and gets back what he paid, also
    what is still on its way; the charge begins anew for the vehicle whose stay it was."""
    named, charge.plate_hash = charge.plate_hash, stay.plate_hash
    if named is None:
        await tell(session, charge, charge.state)  # nobody was asked by name
        return
    await give_up_live_payments(session, [charge.id], now)
    await session.execute(update(PaymentPart).where(PaymentPart.charge_id == charge.id).values(disowned=True))
    await _assess(session, charge, Assessed(0, "other_vehicle"), ChargeState.OPEN, now)


async def new_charge(session: AsyncSession, stay: StayFacts, now: datetime) -> Charge:
    """A stay's charge, of nothing yet. The caller holds the stay."""
    charge = Charge(
        id=new_id(),
        kind=ChargeKind.STAY,
        stay_id=stay.id,
        facility_id=stay.facility_id,
        operator_id=stay.operator_id,
        plate_hash=stay.plate_hash,
        state=ChargeState.OPEN,
        amount=0,
        paid=0,
        assessments=0,
        created_at=now,
    )
    session.add(charge)
    await session.flush()
    return charge


async def assess_before_leaving(
    session: AsyncSession, stay: StayFacts, charge: Charge, quoted: Quote, now: datetime
) -> None:
    """What somebody was told that an open stay comes to, so that he may pay it. The caller holds the stay.

    A stay that is not open any more is left as it is; so is a charge of which more was paid.
    """
    if not _can_be_told(stay, charge, quoted):
        return
    known = await history(session, charge)
    if not known or not rules.same_question((known[-1].amount, known[-1].until), quoted.amount, quoted.until):
        await _assess(session, charge, _of_quote(quoted, "before_leaving", stay), ChargeState.OPEN, now)


async def assess_let_out(
    session: AsyncSession, stay: StayFacts, charge: Charge, quoted: Quote, now: datetime
) -> None:
    """A gate opens for an open stay at this price: who leaves in time owes no more, whether he has paid it or
    not. The caller holds the stay.

    One that it opened for just now is not told anew: whoever stays within reach of it would never owe more.
    """
    if not _can_be_told(stay, charge, quoted):
        return
    told = [(each.at, each.until) for each in await history(session, charge) if each.why == "let_out"]
    if not rules.let_out_already(told, quoted.until, now, quoted.price.exit_grace):
        await _assess(session, charge, _of_quote(quoted, "let_out", stay), ChargeState.OPEN, now)


def _can_be_told(stay: StayFacts, charge: Charge, quoted: Quote) -> bool:
    open_ = stay.state is StayState.OPEN and charge.state == ChargeState.OPEN
    return open_ and quoted.amount >= charge.paid


async def waive(session: AsyncSession, charge: Charge, amount: int, now: datetime) -> None:
    """A person lowers a locked charge to `amount`; what was paid above it goes back. It is for good, so the
    vehicle must have left. Raises StayNotOver."""
    if charge.state == ChargeState.OPEN:
        raise StayNotOver()
    last = next(reversed(await history(session, charge)), None)
    version = None if last is None else last.stay_version
    state = rules.final_state(amount, min(charge.paid, amount)) if charge.state in _FINAL else None
    found = Assessed(amount, "waived", None if last is None else last.until, version)
    await _assess(session, charge, found, state or ChargeState(charge.state), now)


async def settle(session: AsyncSession, charge: Charge, paid: int, why: str, now: datetime) -> None:
    """What was paid of a locked charge has changed: its state follows, and an excess goes back by itself."""
    await _move(session, charge, charge.amount, ChargeState(charge.state), paid, why, now)


async def settle_late(session: AsyncSession, charge: Charge, begun_at: datetime, now: datetime) -> None:
    """A payment of a locked charge, begun at `begun_at`, has become known and is settled: where that was
    before the vehicle had left, the stay is priced again, as it would have been had we heard in time."""
    if charge.stay_id is None or charge.final_at is None or begun_at > charge.final_at:
        return
    stay = (await stay_facts(session, [charge.stay_id]))[charge.stay_id]
    known = await history(session, charge)
    if stay.state is not StayState.CLOSED or stay.exited_at is None or known[-1].stay_version != stay.version:
        return  # it has changed, and will be assessed for that
    try:
        found = await price_of(session, stay, charge, known, stay.exited_at)
    except (NoTariff, UnknownHolidayYear):
        return  # that money has come counts all the same
    if found.amount < charge.amount:
        await _assess_left(session, stay, charge, found, "paid_in_time", now)
    if charge.state == ChargeState.SETTLED:
        await give_up_live_payments(session, [charge.id], now)


async def charge_sale(
    session: AsyncSession,
    *,
    kind: ChargeKind,
    facility_id: UUID,
    operator_id: UUID,
    amount: int,
    lines: Sequence[Line],
    now: datetime,
) -> Charge:
    """A charge for what is to be bought, a permit or a booking: due at once. Granting it is the caller's,
    once it is settled. It has no plate: who only knows one must not learn of it, nor pay it by chance."""
    charge = Charge(
        id=new_id(),
        kind=kind,
        facility_id=facility_id,
        operator_id=operator_id,
        plate_hash=None,
        state=ChargeState.OPEN,
        amount=0,
        paid=0,
        assessments=0,
        created_at=now,
    )
    session.add(charge)
    await session.flush()
    found = Assessed(amount, kind.value, lines=lines)
    await _assess(session, charge, found, rules.final_state(amount, 0), now)
    return charge


async def void(session: AsyncSession, charge: Charge, now: datetime, version: int | None = None) -> None:
    """A locked charge is for nothing that happened: nothing is owed, and all that was paid goes back."""
    await _assess(session, charge, Assessed(0, "void", stay_version=version), ChargeState.VOID, now)
    await give_up_live_payments(session, [charge.id], now)


async def give_up_live_payments(session: AsyncSession, charge_ids: Sequence[UUID], now: datetime) -> None:
    """Payments of locked charges that may still succeed are given up here; the desk does so at the
    provider."""
    part_of = select(PaymentPart.payment_id).where(PaymentPart.charge_id.in_(charge_ids), PaymentPart.live)
    live = list(
        await session.scalars(
            select(Payment).where(Payment.id.in_(part_of), Payment.state.in_(LIVE)).with_for_update()
        )
    )
    if not live:
        return
    for payment in live:
        payment.state, payment.look_again_at, payment.changed_at = PaymentState.CANCELLED, now, now
        told = {"state": payment.state, "via": payment.via}
        await outbox.add(session, PAYMENT_CHANGED, str(payment.id), told)
    if live:
        ended = [payment.id for payment in live]
        await session.execute(update(PaymentPart).where(PaymentPart.payment_id.in_(ended)).values(live=False))


async def _follow(session: AsyncSession, stay: StayFacts, charge: Charge, now: datetime) -> None:
    """The charge of a stay that is open again, under review, or void."""
    state = rules.charge_state(stay.state, charge.amount, charge.paid)
    if state == charge.state:
        return
    if state is ChargeState.VOID:
        await void(session, charge, now, stay.version)
        return
    await _move(session, charge, charge.amount, state, charge.paid, "corrected", now)
    if state is ChargeState.HELD:
        await give_up_live_payments(session, [charge.id], now)


async def _assess_closed(session: AsyncSession, stay: StayFacts, charge: Charge, now: datetime) -> None:
    known = await history(session, charge)
    if charge.state in _FINAL and known and known[-1].stay_version == stay.version:
        return
    assert stay.exited_at is not None
    found = await price_of(session, stay, charge, known, stay.exited_at)
    before = any(each.why in ("left", "corrected", "void", "other_vehicle") for each in known)
    await _assess_left(session, stay, charge, found, "corrected" if before else "left", now)


async def _assess_left(
    session: AsyncSession, stay: StayFacts, charge: Charge, found: Quote, why: str, now: datetime
) -> None:
    state = rules.charge_state(stay.state, found.amount, min(charge.paid, found.amount))
    await _assess(session, charge, _of_quote(found, why, stay), state, now)


def _of_quote(quoted: Quote, why: str, stay: StayFacts) -> Assessed:
    price = quoted.price
    return Assessed(quoted.amount, why, quoted.until, stay.version, price.tariff_version_id, price.lines)


async def _assess(
    session: AsyncSession, charge: Charge, found: Assessed, state: ChargeState, now: datetime
) -> None:
    """Write an assessment with its movement; the charge takes its amount and state, and an excess goes
    back."""
    number = charge.assessments + 1
    session.add(
        ChargeAssessment(
            charge_id=charge.id,
            number=number,
            at=now,
            amount=found.amount,
            why=found.why,
            until=found.until,
            stay_version=found.stay_version,
            tariff_version_id=found.tariff_version_id,
            lines=_plain(found.lines),
        )
    )
    change = found.amount - charge.amount
    if change:
        drivers = Account(AccountKind.DRIVER, charge.operator_id)
        earned = Account(AccountKind.OPERATOR, charge.operator_id)
        await ledger.post(
            session,
            kind="charge",
            reference=f"{charge.id}:{number}",
            at=now,
            entries={drivers: change, earned: -change},
        )
    await _move(session, charge, found.amount, state, charge.paid, found.why, now, number)


async def _move(
    session: AsyncSession,
    charge: Charge,
    amount: int,
    state: ChargeState,
    paid: int,
    why: str,
    now: datetime,
    assessments: int | None = None,
) -> None:
    """All of a charge at once, since the database holds its columns to each other."""
    excess = paid - amount
    if excess > 0:
        await pay_back(session, charge, excess, why if why in _REFUNDED_FOR else "corrected", now)
        paid = amount
    if state in _FINAL:
        state = rules.final_state(amount, paid)
        if charge.final_at is None or amount > charge.amount:
            charge.final_at = now
    else:
        charge.final_at = None
    was = charge.state
    charge.amount, charge.paid, charge.state, charge.changed_at = amount, paid, state, now
    charge.assessments = charge.assessments if assessments is None else assessments
    await session.flush()
    await tell(session, charge, was)


async def tell(session: AsyncSession, charge: Charge, was: str) -> None:
    """Others hear that a charge has changed; `was`: its state before."""
    told = {"kind": charge.kind, "was": was, "state": charge.state}
    await outbox.add(session, CHARGE_CHANGED, str(charge.id), told)


def _plain(lines: Sequence[Line]) -> list[Any]:
    plain: list[Any] = msgspec.to_builtins(list(lines))
    return plain
