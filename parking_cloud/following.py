"""Who follows what has changed: the deeds that are done about charges and payments, and the worker's desks.

Assembled here, since it names slices of every floor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.arrears.cases import follow_charges
from parking_cloud.invoices.desk import InvoiceDesk
from parking_cloud.invoices.issuing import make_invoice_service
from parking_cloud.invoices.receipts import make_receipts
from parking_cloud.invoices.service import reverse_refunded
from parking_cloud.kernel.contacts import ContactVault
from parking_cloud.kernel.follow_ups import Deed, DeedForMany, FollowUps, note
from parking_cloud.kernel.outbox import Handler, OutboxMessage
from parking_cloud.kernel.settings import Settings
from parking_cloud.notices.desk import NoticeDesk
from parking_cloud.notices.senders import make_senders
from parking_cloud.payments import mandates, permit_sales, proving
from parking_cloud.payments.events import CHARGE_CHANGED, PAYMENT_CHANGED
from parking_cloud.payments.mandate_desk import MandateDesk
from parking_cloud.payments.provider import Provider
from parking_cloud.payments.schemas import ChargeKind, ChargeState, PaymentState, Via
from parking_cloud.projection import insistently
from parking_cloud.settlement.reconciling import Reconciler
from parking_cloud.sharing import paying as paid_bookings

Sessions = async_sessionmaker[AsyncSession]
Work = Callable[[datetime], Awaitable[int]]
"""Does what is due, and says how much that was."""

_note_arrears, _note_mandates, _note_permits = note("arrears"), note("mandate"), note("permit")
_note_bookings = note("booking")
_note_receipts, _note_mandate_payments = note("receipts"), note("mandate payment")
_note_proofs = note("vehicle proof")


async def _note_charges(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """Most changes are of charges that are paid before leaving: of those nothing follows."""

    def where(concerns: Callable[[str, str, str], bool]) -> list[OutboxMessage]:
        told = ((m, m.payload) for m in messages)
        return [m for m, said in told if concerns(said["kind"], said["was"], said["state"])]

    due, stay = ChargeState.DUE, ChargeKind.STAY
    await _note(session, redis, _note_arrears, where(lambda k, was, s: k == stay and due in (was, s)))
    await _note(session, redis, _note_mandates, where(lambda kind, _, state: kind == stay and state == due))
    await _note(session, redis, _note_permits, where(lambda kind, _, __: kind == ChargeKind.PERMIT))
    await _note(session, redis, _note_bookings, where(lambda kind, _, __: kind == ChargeKind.BOOKING))


async def _note_payments(session: AsyncSession, redis: Redis, messages: Sequence[OutboxMessage]) -> None:
    """A refund tells no state: receipts show it, and invoices are reversed for it."""
    paid = [m for m in messages if m.payload.get("state", PaymentState.SUCCEEDED) == PaymentState.SUCCEEDED]
    by_mandate = [m for m in messages if m.payload.get("via") == Via.MANDATE]
    await _note(session, redis, _note_receipts, paid)
    scanned = [m for m in paid if m.payload.get("via") == Via.SCAN]
    await _note(session, redis, _note_proofs, scanned)
    await _note(session, redis, _note_mandate_payments, by_mandate)


async def _note(
    session: AsyncSession, redis: Redis, noting: Handler, messages: Sequence[OutboxMessage]
) -> None:
    if messages:
        await noting(session, redis, messages)


NOTED: dict[str, Handler] = {CHARGE_CHANGED: _note_charges, PAYMENT_CHANGED: _note_payments}
"""Outbox handlers: what is to be done about what has changed."""


def deeds(settings: Settings) -> dict[str, Deed]:
    """What is done about a charge or a payment, by the names under which it was noted."""

    async def arrears(session: AsyncSession, charge: UUID, now: datetime) -> None:
        await follow_charges(session, [charge], now)

    async def receipts(session: AsyncSession, payment: UUID, now: datetime) -> None:
        await deeds_for_many(settings)["receipts"](session, [payment], now)

    return {
        "arrears": arrears,
        "mandate": mandates.consider,
        "permit": permit_sales.follow_charge,
        "booking": paid_bookings.follow_charge,
        "receipts": receipts,
        "mandate payment": mandates.tell_of_failure,
        "vehicle proof": proving.follow_payment,
    }


def deeds_for_many(settings: Settings) -> dict[str, DeedForMany]:
    """Those that come by the dozen, done together."""

    async def receipts(session: AsyncSession, payments: Sequence[UUID], now: datetime) -> None:
        await make_receipts(session, payments, settings.secret_key, now)
        await reverse_refunded(session, payments, now)

    return {"receipts": receipts}


async def work(settings: Settings, sessions: Sessions, providers: Mapping[str, Provider]) -> None:
    """Follow up, send notices, ask for invoices, see to mandates and compare books, until cancelled."""
    async with AsyncExitStack() as closing:
        desks: list[tuple[float, Work]] = [
            (0.25, FollowUps(sessions, deeds(settings), deeds_for_many(settings)).do_some),
            (1.0, MandateDesk(sessions, providers).do_some),
            (300.0, Reconciler(sessions, providers).do_some),
        ]
        senders = make_senders(settings)
        for sender in senders.values():
            closing.push_async_callback(sender.close)
        if senders:
            desks.append((1.0, NoticeDesk(sessions, senders, ContactVault(settings.plate_key)).send_some))
        invoices = make_invoice_service(settings)
        if invoices is not None:
            closing.push_async_callback(invoices.close)
            desks.append((1.0, InvoiceDesk(sessions, invoices, ContactVault(settings.plate_key)).send_some))
        async with asyncio.TaskGroup() as group:
            for pause_s, do_some in desks:
                group.create_task(_keep_at(do_some, pause_s))


async def _keep_at(do_some: Work, pause_s: float) -> None:
    async def until_nothing_is_due() -> None:
        while await do_some(datetime.now(UTC)):
            pass

    while True:
        await insistently(until_nothing_is_due)
        await asyncio.sleep(pause_s)
