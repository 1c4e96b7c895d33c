"""The payments' tables."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.payments.provider import Method
from parking_cloud.payments.schemas import ChargeKind, ChargeState, PaymentState, RefundState, Via


def _in(name: str, values: type[StrEnum]) -> str:
    return f"{name} in ({', '.join(repr(str(value)) for value in values)})"


class Charge(Base):
    """账单: what one stay, one permit or one booking costs. One per stay: it is corrected, never made
    again."""

    __tablename__ = "charge"
    __table_args__ = (
        CheckConstraint(_in("kind", ChargeKind), name="kind"),
        CheckConstraint(_in("state", ChargeState), name="state"),
        CheckConstraint("(kind = 'stay') = (stay_id is not null)", name="stay"),
        CheckConstraint("amount >= 0", name="amounts"),
        CheckConstraint("state <> 'settled' or paid = amount", name="settled"),
        CheckConstraint("state <> 'due' or paid < amount", name="due"),
        CheckConstraint("state <> 'void' or amount = 0", name="void"),
        CheckConstraint("(state in ('due', 'settled')) <= (final_at is not null)", name="final"),
        Index("ix_charge_plate_hash", "plate_hash", postgresql_where="state in ('open', 'due')"),
        Index("ix_charge_due", "operator_id", "final_at", postgresql_where="state = 'due'"),
        Index("ix_charge_facility_id", "facility_id", "created_at"),
        Index("ix_charge_plate_history", "plate_hash", "id"),
        Index("ix_charge_final_at", "final_at", postgresql_where="final_at is not null"),
        Index("ix_charge_held", "operator_id", postgresql_where="state = 'held'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    stay_id: Mapped[UUID | None] = mapped_column(ForeignKey("stay.id"), unique=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"))
    plate_hash: Mapped[bytes | None]
    state: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    """Fen, as last assessed."""
    paid: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Fen: payments that succeeded, less refunds that were decided (done or not), less what a payer's bank
    took back. Below zero where the bank took back what was refunded already."""
    assessments: Mapped[int] = mapped_column(default=0, server_default="0")
    final_at: Mapped[datetime | None]
    """When the vehicle had left and the amount stood: the clock of arrears starts here."""
    disputed_at: Mapped[datetime | None]
    """Since when somebody objects to it: until the answer it is not asked for, nor held against a vehicle."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ChargeAssessment(Base):
    """Why a charge is what it is. Only added to: the newest counts."""

    __tablename__ = "charge_assessment"
    __table_args__ = (CheckConstraint("amount >= 0", name="amount"),)

    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charge.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    amount: Mapped[int] = mapped_column(BigInteger)
    why: Mapped[str]
    """`before_leaving`, `let_out` (a gate opened for it), `left`, `paid_in_time` (it has become known that he
    had paid before he left), `corrected`, `void`, `waived`, `other_vehicle` (its plate was corrected: the
    one before owes nothing) or `permit`."""
    until: Mapped[datetime | None]
    """Up to when the stay was priced."""
    stay_version: Mapped[int | None]
    tariff_version_id: Mapped[UUID | None]
    lines: Mapped[list[Any]] = mapped_column(JSONB)
    """tariffs.schemas.Line, as shown to the driver."""


class Payment(Base):
    """支付: money on its way, or arrived. Its amount never changes."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint(_in("method", Method), name="method"),
        CheckConstraint(_in("state", PaymentState), name="state"),
        CheckConstraint(_in("via", Via), name="via"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("(state = 'succeeded') = (succeeded_at is not null)", name="succeeded"),
        UniqueConstraint("provider", "provider_id", name="uq_payment_provider"),
        Index("ix_payment_look_again", "look_again_at", postgresql_where="look_again_at is not null"),
        Index("ix_payment_succeeded_at", "succeeded_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider: Mapped[str]
    """`stripe`, …; `cash` for what an attendant took."""
    provider_id: Mapped[str | None]
    method: Mapped[str]
    via: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    failure: Mapped[str] = mapped_column(default="", server_default="")
    action: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """provider.ClientAction, for the payer's page."""
    offer_hash: Mapped[bytes | None] = mapped_column(unique=True)
    """SHA-256 of the token by which it was asked for: a second click finds the first one's payment."""
    saved_method: Mapped[str] = mapped_column(default="", server_default="")
    payer_id: Mapped[UUID | None]
    """The signed-in driver, or the attendant who took cash."""
    scanned_facility_id: Mapped[UUID | None] = mapped_column(ForeignKey("facility.id"))
    """Where the payer scanned a code, or stood at the barrier."""
    return_url: Mapped[str] = mapped_column(default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    look_again_at: Mapped[datetime | None]
    """When the desk has to do with it again; None: there is nothing more to do. One that was given up here
    has still to be given up at the provider."""
    first_asked_at: Mapped[datetime | None]
    """When the provider was first asked to open it."""
    created_at: Mapped[datetime]
    succeeded_at: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PaymentPart(Base):
    """What of a payment goes to which charge. A charge has one payment at a time that may still succeed."""

    __tablename__ = "payment_part"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        Index("uq_payment_part_live", "charge_id", unique=True, postgresql_where="live"),
        Index("ix_payment_part_charge_id", "charge_id"),
    )

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True)
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charge.id"), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    live: Mapped[bool]
    disowned: Mapped[bool] = mapped_column(default=False, server_default="false")
    """The charge turned out to be another vehicle's: what comes by this goes back, and pays nothing."""


class Refund(Base):
    """退款: money on its way back. A trigger keeps a payment part's refunds within what was paid."""

    __tablename__ = "refund"
    __table_args__ = (
        CheckConstraint(_in("state", RefundState), name="state"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("(state = 'done') = (done_at is not null)", name="done"),
        UniqueConstraint("provider_id", name="uq_refund_provider_id"),
        Index("ix_refund_try_again", "try_again_at", postgresql_where="try_again_at is not null"),
        Index("ix_refund_payment_id", "payment_id"),
        Index("ix_refund_charge_id", "charge_id"),
        Index("ix_refund_created_at", "created_at"),
        Index("ix_refund_by_hand", "id", postgresql_where="state in ('failed', 'due')"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"))
    charge_id: Mapped[UUID] = mapped_column(ForeignKey("charge.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    why: Mapped[str]
    """`paid_twice`, `corrected`, `void`, `waived` or `dispute`."""
    state: Mapped[str]
    provider_id: Mapped[str | None]
    failure: Mapped[str] = mapped_column(default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    refusals: Mapped[int] = mapped_column(default=0, server_default="0")
    """So often the provider would not for now: a provider repeats its refusal of a key, so each has the next
    attempt take a new one."""
    try_again_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class ProviderNews(Base):
    """A webhook's event, once by its id however often it is delivered. It says what to look at again."""

    __tablename__ = "provider_news"
    __table_args__ = (
        CheckConstraint("concerns in ('payment', 'refund', 'dispute', 'saving')", name="concerns"),
        Index("ix_provider_news_look_again", "look_again_at", postgresql_where="look_again_at is not null"),
    )

    provider: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    concerns: Mapped[str]
    reference: Mapped[str]
    """The provider's id of what it concerns."""
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    look_again_at: Mapped[datetime | None]
    """None: it has been looked at."""


class Chargeback(Base):
    """A payer's bank asks the money back (Stripe: dispute)."""

    __tablename__ = "chargeback"
    __table_args__ = (
        CheckConstraint("state in ('open', 'won', 'lost')", name="state"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("(state = 'open') = (closed_at is null)", name="closed"),
        UniqueConstraint("provider", "provider_id", name="uq_chargeback_provider"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider: Mapped[str]
    provider_id: Mapped[str]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="", server_default="")
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class StayToAssess(Base):
    """A stay whose charge has to follow it: what fails for one stay holds up no other."""

    __tablename__ = "stay_to_assess"

    stay_id: Mapped[UUID] = mapped_column(ForeignKey("stay.id"), primary_key=True)
    try_again_at: Mapped[datetime] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    failure: Mapped[str] = mapped_column(default="", server_default="")


class FacilityPaymentPolicy(Base):
    """How a facility lets vehicles out, and the platform's share. Without a row: the city's defaults."""

    __tablename__ = "facility_payment_policy"
    __table_args__ = (
        CheckConstraint("pay_later_limit >= 0", name="pay_later_limit"),
        CheckConstraint("commission_bp between 0 and 10000", name="commission_bp"),
    )

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    version: Mapped[int]
    pay_later: Mapped[bool]
    """先离场后付费 for vehicles in good standing."""
    pay_later_limit: Mapped[int] = mapped_column(BigInteger)
    """Fen: what a vehicle may owe in all, with this stay."""
    let_out_when_away: Mapped[bool]
    """What the gate does while it cannot ask: let out and bill later, or fetch an attendant."""
    commission_bp: Mapped[int] = mapped_column(default=0, server_default="0")
    """The platform's share of what is paid, in hundredths of a percent: the present one."""
    changed_at: Mapped[datetime]


class FacilityCommission(Base):
    """The platform's share at a facility from a moment on: what was paid before keeps the one of its time."""

    __tablename__ = "facility_commission"
    __table_args__ = (CheckConstraint("bp between 0 and 10000", name="bp"),)

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    since: Mapped[datetime] = mapped_column(primary_key=True)
    bp: Mapped[int]
    """Hundredths of a percent."""


class ExitRulesTold(Base):
    """Which rules a lane has said that it holds."""

    __tablename__ = "exit_rules_told"

    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"), primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    acknowledged_at: Mapped[datetime]


class PayPlace(Base):
    """扫码点: what a printed QR code stands for. Its code tells nothing; one that leaked is made anew."""

    __tablename__ = "pay_place"
    __table_args__ = (
        CheckConstraint("code ~ '^[a-z2-9]{12}$'", name="code"),
        Index("uq_pay_place_in_use", "facility_id", "lane", unique=True, postgresql_where="ended_at is null"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    lane: Mapped[str] = mapped_column(default="", server_default="")
    """Empty: the whole facility's."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
