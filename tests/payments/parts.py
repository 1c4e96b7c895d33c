"""Stays at the small city's garage (¥6 an hour, 15 minutes of grace) and a provider that does as it is
told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.ids import new_id
from parking_cloud.kernel.money import Fen
from parking_cloud.payments.provider import (
    BadSignature,
    BookLine,
    ClientAction,
    NewPayment,
    NewSaving,
    ProviderAway,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    ProviderRefused,
    ProviderSaving,
    ProviderState,
)
from parking_cloud.stays.models import Stay
from parking_cloud.stays.schemas import Ended, Opened, StayState
from parking_cloud.tariffs.schemas import VehicleClass
from sensor_gateway.plates import parse_plate
from sensor_gateway.sealing import PlateVault
from tests.factories import NOON, load_small_city
from tests.tariffs.parts import with_tariff

KEY = "7f" * 32
VAULT = PlateVault(KEY)
OWN, NEIGHBOURS = "浙E12345", "浙E54321"
HOUR = 600
"""Fen."""
TARIFF: dict[str, Any] = {
    "rates": {
        "hour": {
            "kind": "steps",
            "name": {"zh": "按小时", "en": "by the hour"},
            "steps": [{"unit": 60, "amount": HOUR}],
        }
    },
    "schedules": [{"hours": [{"rate": "hour"}]}],
    "exit_grace_minutes": 15,
}
_TABLES = (
    "charge, charge_assessment, payment, payment_part, refund, chargeback, provider_news, stay,"
    " stay_to_assess, ledger_account, ledger_movement, ledger_entry, outbox_message"
)


def minute(number: float) -> datetime:
    """So many minutes from noon."""
    return NOON + timedelta(minutes=number)


def hashed(plate: str) -> bytes:
    return VAULT.lookup_hash(parse_plate(plate))


async def priced_garage(session: AsyncSession) -> UUID:
    """The small city's garage with its tariff; committed."""
    await load_small_city(session)
    await with_tariff(session, "garage", TARIFF)
    await session.commit()
    found = await session.scalar(text("select id from facility where code = 'garage'"))
    assert isinstance(found, UUID)
    return found


async def forget_payments(session: AsyncSession) -> None:
    """As if nobody had ever parked; committed."""
    await session.execute(text(f"truncate {_TABLES} restart identity cascade"))
    await session.commit()


async def parked(session: AsyncSession, facility: UUID, at: float = 0, plate: str = OWN) -> UUID:
    """A vehicle entered so many minutes from noon; committed."""
    stay = Stay(
        id=new_id(),
        facility_id=facility,
        plate_hash=hashed(plate),
        plate_sealed=VAULT.seal(parse_plate(plate)),
        vehicle_class=VehicleClass.SMALL,
        state=StayState.OPEN,
        entered_at=minute(at),
        derived_entered_at=minute(at),
        facts_from=minute(at),
        facts_until=minute(at),
        opened_by=Opened.GATE,
    )
    session.add(stay)
    await session.commit()
    return stay.id


async def restate(session: AsyncSession, stay_id: UUID, **changes: Any) -> None:
    """A stay becomes another, as its slice would have it; committed."""
    assignments = "".join(f"{name} = :{name}, " for name in changes)
    await session.execute(
        text(f"update stay set {assignments}version = version + 1 where id = :id"),
        {"id": stay_id, **changes},
    )
    await session.commit()


async def left(session: AsyncSession, stay_id: UUID, at: float) -> None:
    await restate(session, stay_id, state=StayState.CLOSED, exited_at=minute(at), ended_by=Ended.GATE)


async def voided(session: AsyncSession, stay_id: UUID) -> None:
    await restate(session, stay_id, state=StayState.VOID)


class ScriptedProvider:
    """A provider whose payers are the test. It keeps what it is asked by its key, as the real ones do.

    `before` and `after` are called around each call: what they raise is a request or an answer that is lost.
    """

    name = "stripe"

    def __init__(self) -> None:
        self.payments: dict[str, ProviderPayment] = {}
        self.refunds: dict[str, ProviderRefund] = {}
        self.disputes: dict[str, ProviderDispute] = {}
        self.refuses_refunds = self.lacks_balance = False
        self.refusals: dict[tuple[str, int], str] = {}
        self.calls = 0
        self.away = False

    def before(self) -> None:
        self.calls += 1
        if self.away:
            raise ProviderAway("scripted")

    def after(self) -> None: ...

    # what payers and banks do

    def payer_pays(self, payment_id: str) -> None:
        if self.payments[payment_id].state is ProviderState.PENDING:
            self._payment(payment_id, ProviderState.SUCCEEDED)

    def payer_fails(self, payment_id: str) -> None:
        if self.payments[payment_id].state is ProviderState.PENDING:
            self._payment(payment_id, ProviderState.FAILED, failure="card_declined")

    def bank_takes_back(self, payment_id: str) -> str:
        payment = self.payments[payment_id]
        dispute = f"dp_{payment_id}"
        if payment.state is ProviderState.SUCCEEDED:
            self.disputes.setdefault(
                dispute,
                ProviderDispute(id=dispute, payment_id=payment_id, amount=payment.amount, state="open"),
            )
        return dispute

    def bank_decides(self, dispute_id: str, state: str) -> None:
        if dispute_id in self.disputes and self.disputes[dispute_id].state == "open":
            self.disputes[dispute_id] = msgspec.structs.replace(self.disputes[dispute_id], state=state)

    def balance(self) -> int:
        """What lies at the provider."""
        paid = sum(p.amount for p in self.payments.values() if p.state is ProviderState.SUCCEEDED)
        back = sum(r.amount for r in self.refunds.values() if r.state is ProviderState.SUCCEEDED)
        taken = sum(d.amount for d in self.disputes.values() if d.state != "won")
        return paid - back - taken

    def _payment(self, payment_id: str, state: ProviderState, failure: str = "") -> None:
        old = self.payments[payment_id]
        self.payments[payment_id] = msgspec.structs.replace(old, state=state, failure=failure, action=None)

    # what the platform asks

    async def open_payment(self, new: NewPayment) -> ProviderPayment:
        self.before()
        known = next((p for p in self.payments.values() if p.key == new.key), None)
        if known is None:
            known = ProviderPayment(
                id=f"pi_{len(self.payments)}",
                state=ProviderState.SUCCEEDED if new.saved_method else ProviderState.PENDING,
                amount=new.amount,
                key=new.key,
                action=None
                if new.saved_method
                else ClientAction(kind="redirect", url="https://pay.example/"),
            )
            self.payments[known.id] = known
        self.after()
        return known

    async def find_payment(self, new: NewPayment) -> ProviderPayment | None:
        self.before()
        self.after()
        return next((p for p in self.payments.values() if p.key == new.key), None)

    async def look_at_payment(self, payment_id: str) -> ProviderPayment:
        self.before()
        self.after()
        return self._known(self.payments, payment_id)

    async def cancel_payment(self, payment_id: str) -> ProviderPayment:
        self.before()
        if self._known(self.payments, payment_id).state is ProviderState.PENDING:
            self._payment(payment_id, ProviderState.CANCELLED)
        self.after()
        return self.payments[payment_id]

    async def refund(self, *, payment_id: str, amount: Fen, key: str, refusals: int = 0) -> ProviderRefund:
        self.before()
        known = next((r for r in self.refunds.values() if r.key == key), None)
        if known is None:
            if self.refuses_refunds or self.lacks_balance:
                code = "charge_disputed" if self.refuses_refunds else "balance_insufficient"
                self.refusals.setdefault((key, refusals), code)
            if (key, refusals) in self.refusals:
                raise ProviderRefused(self.refusals[key, refusals])
            known = ProviderRefund(
                id=f"re_{len(self.refunds)}",
                state=ProviderState.SUCCEEDED,
                amount=amount,
                payment_id=payment_id,
                key=key,
            )
            self.refunds[known.id] = known
        self.after()
        return known

    async def look_at_refund(self, refund_id: str) -> ProviderRefund:
        self.before()
        self.after()
        return self._known(self.refunds, refund_id)

    async def look_at_dispute(self, dispute_id: str) -> ProviderDispute:
        self.before()
        self.after()
        return self._known(self.disputes, dispute_id)

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | None:
        if headers.get("signature") != "good":
            raise BadSignature("scripted")
        return msgspec.json.decode(body, type=ProviderEvent | None)

    async def open_saving(self, new: NewSaving) -> ProviderSaving:
        raise ProviderRefused("not_scripted")

    async def look_at_saving(self, saving_id: str) -> ProviderSaving:
        raise ProviderRefused("not_scripted")

    async def forget_method(self, saved_method: str) -> None:
        raise ProviderRefused("not_scripted")

    async def books(self, since: datetime, until: datetime) -> AsyncIterator[BookLine]:
        for line in ():
            yield line

    async def close(self) -> None: ...

    @staticmethod
    def _known(things: dict[str, Any], key: str) -> Any:
        if key not in things:
            raise ProviderRefused("resource_missing")
        return things[key]
