"""Charges follow their stays: assessed, held, void or corrected, each change with its movement in the
ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import outbox
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.ids import new_id
from parking_cloud.ledger import service as ledger
from parking_cloud.ledger.schemas import Account, AccountKind
from parking_cloud.payments import rules
from parking_cloud.payments.events import CHARGE_CHANGED, PAYMENT_CHANGED
from parking_cloud.payments.models import Charge, ChargeAssessment, Payment, PaymentPart
from parking_cloud.payments.refunds import pay_back
from parking_cloud.payments.schemas import LIVE, ChargeKind, ChargeState, PaymentState
from parking_cloud.stays.schemas import StayFacts, StayState
from parking_cloud.stays.service import stay_facts
from parking_cloud.tariffs.schemas import Line, Price
from parking_cloud.tariffs.service import price_stay

_FINAL = (ChargeState.DUE, ChargeState.SETTLED)
_REFUNDED_FOR = ("paid_twice", "corrected", "void", "waived", "dispute")


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
    if stay.state is StayState.CLOSED:
        await _assess_closed(session, stay, charge or await new_charge(session, stay, now), now)
    elif charge is not None:
        await _follow(session, stay, charge, now)


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


class Quote(NamedTuple):
    """What a stay comes to if the vehicle leaves at some time."""

    price: Price
    until: datetime
    """Up to when it is priced: earlier than that time where it had paid, and leaves within the grace."""
    amount: int
    """Fen: the price, less what a person has waived."""
    owed: int


async def quote(session: AsyncSession, stay: StayFacts, charge: Charge | None, at: datetime) -> Quote:
    """What an open stay comes to if the vehicle leaves at `at`. Raises NoTariff, UnknownHolidayYear."""
    if charge is None:
        price = await price_to(session, stay, at)
        return Quote(price, at, price.amount, price.amount)
    price, until = await _price(session, stay, charge, at)
    amount = rules.not_above(price.amount, await _waived_to(session, charge.id))
    return Quote(price, until, amount, max(amount - charge.paid, 0))


async def assess_before_leaving(
    session: AsyncSession, stay: StayFacts, charge: Charge, quoted: Quote, now: datetime
) -> None:
    """What somebody was told that an open stay comes to, so that he may pay it. The caller holds the stay.

    A stay that is not open any more is left as it is; so is a charge of which more was paid.
    """
    open_ = stay.state is StayState.OPEN and charge.state == ChargeState.OPEN
    if not open_ or quoted.amount < charge.paid:
        return
    last = await last_assessment(session, charge.id) if charge.assessments else None
    if last is None or not rules.same_question((last.amount, last.until), (quoted.amount, quoted.until)):
        found = _of_price(quoted.amount, "before_leaving", quoted.until, stay, quoted.price)
        await _assess(session, charge, found, ChargeState.OPEN, now)


async def waive(session: AsyncSession, charge: Charge, amount: int, now: datetime) -> None:
    """A person lowers a locked charge to `amount`; what was paid above it goes back."""
    last = await last_assessment(session, charge.id)
    version = None if last is None else last.stay_version
    state = rules.final_state(amount, min(charge.paid, amount)) if charge.state in _FINAL else None
    found = Assessed(amount, "waived", None if last is None else last.until, version)
    await _assess(session, charge, found, state or ChargeState(charge.state), now)


async def settle(session: AsyncSession, charge: Charge, paid: int, why: str, now: datetime) -> None:
    """What was paid of a locked charge has changed: its state follows, and an excess goes back by itself."""
    await _move(session, charge, charge.amount, ChargeState(charge.state), paid, why, now)
    await _tell(session, charge)


async def charge_permit(
    session: AsyncSession,
    *,
    facility_id: UUID,
    operator_id: UUID,
    plate_hash: bytes | None,
    amount: int,
    lines: Sequence[Line],
    now: datetime,
) -> Charge:
    """A charge for a permit that is to be bought: due at once. Granting it is the caller's, once it is
    settled."""
    charge = Charge(
        id=new_id(),
        kind=ChargeKind.PERMIT,
        facility_id=facility_id,
        operator_id=operator_id,
        plate_hash=plate_hash,
        state=ChargeState.OPEN,
        amount=0,
        paid=0,
        assessments=0,
        created_at=now,
    )
    session.add(charge)
    await session.flush()
    found = Assessed(amount, "permit", lines=lines)
    await _assess(session, charge, found, rules.final_state(amount, 0), now)
    return charge


async def void(session: AsyncSession, charge: Charge, now: datetime, version: int | None = None) -> None:
    """A locked charge is for nothing that happened: nothing is owed, and all that was paid goes back."""
    await _assess(session, charge, Assessed(0, "void", stay_version=version), ChargeState.VOID, now)
    await give_up_live_payments(session, [charge.id], now)


async def last_assessment(
    session: AsyncSession, charge_id: UUID, why: Sequence[str] = ()
) -> ChargeAssessment | None:
    """The newest assessment, among those with one of these reasons where they are given."""
    query = select(ChargeAssessment).where(ChargeAssessment.charge_id == charge_id)
    if why:
        query = query.where(ChargeAssessment.why.in_(why))
    return await session.scalar(query.order_by(ChargeAssessment.number.desc()).limit(1))


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
        await outbox.add(session, PAYMENT_CHANGED, str(payment.id), {})
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
    await _tell(session, charge)
    if state is ChargeState.HELD:
        await give_up_live_payments(session, [charge.id], now)


async def _assess_closed(session: AsyncSession, stay: StayFacts, charge: Charge, now: datetime) -> None:
    last = await last_assessment(session, charge.id)
    if charge.state in _FINAL and last is not None and last.stay_version == stay.version:
        return
    assert stay.exited_at is not None
    price, until = await _price(session, stay, charge, stay.exited_at)
    before = await last_assessment(session, charge.id, ["left", "corrected", "void"])
    why = "left" if before is None else "corrected"
    amount = rules.not_above(price.amount, await _waived_to(session, charge.id))
    found = _of_price(amount, why, until, stay, price)
    state = rules.charge_state(stay.state, amount, min(charge.paid, amount))
    await _assess(session, charge, found, state, now)


async def _price(
    session: AsyncSession, stay: StayFacts, charge: Charge, left_at: datetime
) -> tuple[Price, datetime]:
    """What a stay that ended costs, and up to when it was priced.

    Who had paid all that it cost up to then, and left within the tariff's grace, owes nothing more. The
    stay's present facts count: one that is known to have begun earlier was not wholly paid.
    """
    whole = await price_to(session, stay, left_at)
    told = await last_assessment(session, charge.id, ["before_leaving"])
    if told is None or told.until is None or told.until >= left_at or charge.paid < told.amount:
        return whole, left_at
    paid_at = await _last_paid(session, charge.id)
    grace = whole.exit_grace
    if not rules.left_in_grace(left_at=left_at, priced_until=told.until, paid_at=paid_at, grace=grace):
        return whole, left_at
    if told.until < stay.entered_at:
        return whole, left_at
    then = await price_to(session, stay, told.until)
    covered = then.amount <= min(charge.paid, whole.amount)
    return (then, told.until) if covered else (whole, left_at)


async def price_to(session: AsyncSession, stay: StayFacts, until: datetime) -> Price:
    """A stay's price up to some time. Raises NoTariff, UnknownHolidayYear."""
    return await price_stay(
        session,
        facility_id=stay.facility_id,
        vehicle=stay.vehicle_class,
        entered_at=stay.entered_at,
        left_at=max(until, stay.entered_at),
        plate_hash=stay.plate_hash,
        charging_minutes=stay.charging_minutes,
    )


async def _last_paid(session: AsyncSession, charge_id: UUID) -> datetime | None:
    return await session.scalar(
        select(func.max(Payment.succeeded_at))
        .join(PaymentPart, PaymentPart.payment_id == Payment.id)
        .where(PaymentPart.charge_id == charge_id)
    )


async def _waived_to(session: AsyncSession, charge_id: UUID) -> int | None:
    waived = await last_assessment(session, charge_id, ["waived"])
    return None if waived is None else waived.amount


def _of_price(amount: int, why: str, until: datetime, stay: StayFacts, price: Price) -> Assessed:
    return Assessed(amount, why, until, stay.version, price.tariff_version_id, price.lines)


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
    await _tell(session, charge)


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
    charge.amount, charge.paid, charge.state, charge.changed_at = amount, paid, state, now
    charge.assessments = charge.assessments if assessments is None else assessments
    await session.flush()


async def _tell(session: AsyncSession, charge: Charge) -> None:
    await outbox.add(session, CHARGE_CHANGED, str(charge.id), {"kind": charge.kind})


def _plain(lines: Sequence[Line]) -> list[Any]:
    plain: list[Any] = msgspec.to_builtins(list(lines))
    return plain
