"""Automatic payment with the driver's mandate: given, changed, paused and stopped by the driver; taken by
rule."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.vehicles import Holder, holders
from parking_cloud.kernel import audit
from parking_cloud.kernel.follow_ups import NotYet
from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem
from parking_cloud.notices import service as notices
from parking_cloud.notices.schemas import Reader
from parking_cloud.payments import service
from parking_cloud.payments.charging import give_up_live_payments, lock_charges
from parking_cloud.payments.facts import charge_facts, in_doubt, payment_facts, taken_by_mandate
from parking_cloud.payments.mandate_models import Mandate, MandateTaking
from parking_cloud.payments.mandate_rules import (
    MOST_A_DAY,
    MOST_A_STAY,
    TOLD,
    Allowance,
    Asked,
    MandateState,
    Verdict,
    day_began,
    verdict,
)
from parking_cloud.payments.mandate_texts import failed_texts, not_taken_texts
from parking_cloud.payments.models import Payment, PaymentPart
from parking_cloud.payments.provider import ClientAction, Method
from parking_cloud.payments.schemas import LIVE, ChargeState, PaymentState, Via
from parking_cloud.stays.schemas import StayFacts
from parking_cloud.stays.service import stay_facts

_STANDING = (MandateState.ASKED, MandateState.ACTIVE, MandateState.PAUSED)
Ceiling = Annotated[int, msgspec.Meta(ge=1)]


class MandateIn(msgspec.Struct, frozen=True, kw_only=True):
    """Ceilings in fen: for a stay, and for all stays of a day."""

    method: Method
    ceiling_stay: Ceiling
    ceiling_day: Ceiling
    return_url: Annotated[str, msgspec.Meta(max_length=500)] = ""


class CeilingsIn(msgspec.Struct, frozen=True, kw_only=True):
    ceiling_stay: Ceiling
    ceiling_day: Ceiling


class MandateOut(msgspec.Struct, frozen=True, kw_only=True):
    """`action`, while it is asked: what the driver's page does next, as soon as the provider has answered."""

    state: MandateState
    method: Method
    ceiling_stay: int
    ceiling_day: int
    taken_today: int
    active_from: datetime | None
    failure: str
    action: ClientAction | None


class NoMandate(NotFound):
    slug = "mandate-not-found"
    title = {"zh-CN": "您没有开通自动支付", "en": "You have no automatic payment"}


class MandateStands(Problem):
    slug = "mandate-stands"
    status = 409
    title = {"zh-CN": "自动支付已开通", "en": "You have automatic payment already"}
    detail = {"zh-CN": "如要更换支付方式，请先停止原有授权。", "en": "To change the method, stop it first."}


class CeilingTooHigh(InvalidInput):
    slug = "ceiling-too-high"
    title = {"zh-CN": "限额超出范围", "en": "The ceiling is out of range"}
    detail = {
        "zh-CN": "单次限额最高 200 元，每日限额最高 500 元且不低于单次限额。",
        "en": "At most ¥200 for a stay and ¥500 for a day, the day's no lower than the stay's.",
    }


async def give(
    session: AsyncSession, user_id: UUID, asked: MandateIn, provider: str, now: datetime
) -> MandateOut:
    """Begin a mandate: the provider's own form takes the method. Raises MandateStands, CeilingTooHigh."""
    _check(asked.ceiling_stay, asked.ceiling_day)
    mandate = Mandate(
        id=new_id(),
        user_id=user_id,
        provider=provider,
        method=asked.method.value,
        state=MandateState.ASKED.value,
        ceiling_stay=asked.ceiling_stay,
        ceiling_day=asked.ceiling_day,
        return_url=asked.return_url,
        look_again_at=now,
        asked_at=now,
    )
    try:
        async with session.begin_nested():
            session.add(mandate)
            await session.flush()
    except IntegrityError as error:
        raise MandateStands() from error
    await _audit(session, mandate, "asked")
    return await _shown(session, mandate, now)


def _check(stay: int, day: int) -> None:
    if stay > MOST_A_STAY or not stay <= day <= MOST_A_DAY:
        raise CeilingTooHigh()


async def look(session: AsyncSession, user_id: UUID, now: datetime) -> MandateOut:
    """The driver's mandate. Raises NoMandate."""
    return await _shown(session, await _own(session, user_id), now)


async def has_mandate(session: AsyncSession, user_id: UUID) -> bool:
    """Whether `look` would find one."""
    try:
        await _own(session, user_id)
    except NoMandate:
        return False
    return True


async def set_ceilings(
    session: AsyncSession, user_id: UUID, ceilings: CeilingsIn, now: datetime
) -> MandateOut:
    """From now on. Raises NoMandate, CeilingTooHigh."""
    _check(ceilings.ceiling_stay, ceilings.ceiling_day)
    mandate = await _own(session, user_id)
    mandate.ceiling_stay, mandate.ceiling_day = ceilings.ceiling_stay, ceilings.ceiling_day
    mandate.changed_at = now
    await session.flush()
    await _audit(session, mandate, "ceilings")
    return await _shown(session, mandate, now)


async def pause(session: AsyncSession, user_id: UUID, *, paused: bool, now: datetime) -> MandateOut:
    """Nothing is taken while it is paused, nor of what became due then; what is on its way is given up.

    Raises NoMandate.
    """
    mandate = await _own(session, user_id)
    if paused and mandate.state == MandateState.ACTIVE:
        mandate.state = MandateState.PAUSED.value
        await _give_up(session, user_id, now)
    elif not paused and mandate.state == MandateState.PAUSED:
        mandate.state, mandate.active_from = MandateState.ACTIVE.value, now
    mandate.changed_at = now
    await session.flush()
    await _audit(session, mandate, mandate.state)
    return await _shown(session, mandate, now)


async def stop(session: AsyncSession, user_id: UUID, now: datetime) -> None:
    """For good, and the provider forgets the method. What is on its way is given up. Raises NoMandate."""
    mandate = await _own(session, user_id)
    mandate.state, mandate.changed_at, mandate.action = MandateState.STOPPED.value, now, None
    mandate.look_again_at = now
    await session.flush()
    await _give_up(session, user_id, now)
    await _audit(session, mandate, "stopped")


async def _give_up(session: AsyncSession, user_id: UUID, now: datetime) -> None:
    """What is being taken by a mandate is given up. The caller holds the mandate: no more can be begun."""
    rows = await session.scalars(
        select(PaymentPart.charge_id)
        .join(Payment, Payment.id == PaymentPart.payment_id)
        .where(
            Payment.payer_id == user_id,
            Payment.via == Via.MANDATE.value,
            Payment.state.in_(LIVE),
            PaymentPart.live,
        )
    )
    on_their_way = list(rows)
    await lock_charges(session, ids=on_their_way)
    await give_up_live_payments(session, on_their_way, now)


async def consider(session: AsyncSession, charge_id: UUID, now: datetime) -> None:
    """A charge has changed: take what is owed where a mandate allows it, or tell the driver why not.

    Decided once for each assessment of a charge. Raises NotYet while somebody is paying it otherwise.
    """
    before = (await charge_facts(session, [charge_id])).get(charge_id)
    if before is None or before.plate_hash is None or before.stay_id is None or not before.owed:
        return
    if before.final_at is None:
        return
    holder = (await holders(session, [before.plate_hash])).get(before.plate_hash)
    # The mandate is locked before the charge, here as where it is stopped: the two never wait in a circle.
    mandate = await _active(session, holder, lock=True)
    if holder is None or mandate is None or mandate.active_from is None:
        return
    await lock_charges(session, ids=[charge_id])
    charge = (await charge_facts(session, [charge_id]))[charge_id]
    if charge.plate_hash != before.plate_hash or charge.stay_id is None or charge.final_at is None:
        return
    if charge.disputed_at is not None:
        return  # it changes again with the answer
    if await session.get(MandateTaking, (charge_id, charge.assessments)) is not None:
        return
    if await session.scalar(
        select(PaymentPart.payment_id).where(PaymentPart.charge_id == charge_id, PaymentPart.live)
    ):
        raise NotYet
    stay = (await stay_facts(session, [charge.stay_id]))[charge.stay_id]
    asked = Asked(
        charge.state,
        charge.amount,
        charge.owed,
        charge.final_at,
        stay.entered_at,
        stay.exited_at or charge.final_at,
        stay.situations,
        await in_doubt(session, stay.id),
    )
    taken = await taken_by_mandate(session, holder.user_id, day_began(now))
    found = verdict(_allowance(mandate, holder), asked, taken)
    payment_id = await _take(session, mandate, charge_id, charge.owed, now) if found is Verdict.TAKE else None
    session.add(
        MandateTaking(
            charge_id=charge_id,
            assessment=charge.assessments,
            mandate_id=mandate.id,
            verdict=found.value,
            payment_id=payment_id,
            at=now,
        )
    )
    await session.flush()
    if found in TOLD:
        await notices.tell(
            session,
            reader=Reader(user_id=holder.user_id),
            kind="mandate_not_taken",
            dedupe_key=f"mandate {charge_id} {charge.assessments}",
            texts=not_taken_texts(found, charge.owed),
            now=now,
        )


async def _take(session: AsyncSession, mandate: Mandate, charge_id: UUID, owed: int, now: datetime) -> UUID:
    order = service.NewPaymentOrder(
        provider=mandate.provider,
        method=Method(mandate.method),
        via=Via.MANDATE,
        payer_id=mandate.user_id,
        saved_method=mandate.saved_method,
    )
    return (await service.start_payment(session, {charge_id: owed}, order, now)).payment.id


async def tell_of_failure(session: AsyncSession, payment_id: UUID, now: datetime) -> None:
    """A mandate's payment has failed: the driver is told, and it is not tried again by itself."""
    payment = (await payment_facts(session, [payment_id])).get(payment_id)
    if payment is None or payment.via is not Via.MANDATE or payment.state is not PaymentState.FAILED:
        return
    await notices.tell(
        session,
        reader=Reader(user_id=payment.payer_id),
        kind="mandate_failed",
        dedupe_key=f"mandate failed {payment_id}",
        texts=failed_texts(payment.amount),
        now=now,
    )


async def covers(session: AsyncSession, stay: StayFacts, price: int, owed: int, now: datetime) -> bool:
    """Whether a stay that ends now at this price would be paid by a mandate: then a gate may open for it."""
    if stay.plate_hash is None:
        return False
    holder = (await holders(session, [stay.plate_hash])).get(stay.plate_hash)
    mandate = await _active(session, holder, lock=False)
    if holder is None or mandate is None or mandate.active_from is None:
        return False
    doubt = await in_doubt(session, stay.id)
    asked = Asked(ChargeState.DUE, price, owed, now, stay.entered_at, now, stay.situations, doubt)
    taken = await taken_by_mandate(session, holder.user_id, day_began(now))
    return verdict(_allowance(mandate, holder), asked, taken) is Verdict.TAKE


async def _active(session: AsyncSession, holder: Holder | None, *, lock: bool) -> Mandate | None:
    """The holder's active mandate; locked, so that two charges of a day are decided one after the other."""
    if holder is None:
        return None
    query = select(Mandate).where(
        Mandate.user_id == holder.user_id, Mandate.state == MandateState.ACTIVE.value
    )
    query = query.with_for_update() if lock else query
    return await session.scalar(query.execution_options(populate_existing=True))


def _allowance(mandate: Mandate, holder: Holder) -> Allowance:
    assert mandate.active_from is not None
    return Allowance(
        MandateState(mandate.state),
        mandate.active_from,
        holder.since,
        mandate.ceiling_stay,
        mandate.ceiling_day,
    )


async def _own(session: AsyncSession, user_id: UUID) -> Mandate:
    states: Collection[str] = [state.value for state in _STANDING]
    newest = select(Mandate).where(Mandate.user_id == user_id, Mandate.state.in_(states)).with_for_update()
    mandate = await session.scalar(newest.execution_options(populate_existing=True))
    if mandate is None:
        raise NoMandate()
    return mandate


async def _shown(session: AsyncSession, mandate: Mandate, now: datetime) -> MandateOut:
    action: Any = mandate.action if mandate.state == MandateState.ASKED else None
    return MandateOut(
        state=MandateState(mandate.state),
        method=Method(mandate.method),
        ceiling_stay=mandate.ceiling_stay,
        ceiling_day=mandate.ceiling_day,
        taken_today=await taken_by_mandate(session, mandate.user_id, day_began(now)),
        active_from=mandate.active_from,
        failure=mandate.failure,
        action=None if action is None else msgspec.convert(action, ClientAction),
    )


async def _audit(session: AsyncSession, mandate: Mandate, what: str) -> None:
    await audit.record(
        session,
        actor_id=mandate.user_id,
        actor_role="driver",
        action=f"payments.mandate_{what}",
        subject_type="mandate",
        subject_id=str(mandate.id),
        detail={"ceiling_stay": mandate.ceiling_stay, "ceiling_day": mandate.ceiling_day},
    )
