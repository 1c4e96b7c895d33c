"""The tables of receipts and invoices."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id


class ReceiptCounter(Base):
    """The last receipt number of an operator in a year. Its row is locked while one is given, so that none is
    left out: a number that was not used goes back with its transaction."""

    __tablename__ = "receipt_counter"

    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]


class Receipt(Base):
    """收据: that an operator was paid. One of each operator that a payment was for; it never changes."""

    __tablename__ = "receipt"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        UniqueConstraint("payment_id", "operator_id", name="uq_receipt_of_payment"),
        UniqueConstraint("operator_id", "year", "serial", name="uq_receipt_serial"),
        Index("ix_receipt_token_hash", "token_hash"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(unique=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operator.id"))
    year: Mapped[int]
    serial: Mapped[int]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"))
    token_hash: Mapped[bytes]
    """SHA-256 of the token by which the payer reads it."""
    amount: Mapped[int] = mapped_column(BigInteger)
    method: Mapped[str]
    paid_at: Mapped[datetime]
    parts: Mapped[list[Any]] = mapped_column(JSONB)
    """schemas.ReceiptPart, as they were when it was paid. No plate."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Invoice(Base):
    """电子发票: asked of the invoice service for a receipt, or a red one (红冲) that takes an amount of it
    back.

    What it is made out to may be a person's identity number: it is sealed, with the address it goes to.
    """

    __tablename__ = "invoice"
    __table_args__ = (
        CheckConstraint("state in ('requested', 'issued', 'failed', 'reversed')", name="state"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("(red_of is null) or (refund_id is not null)", name="red"),
        CheckConstraint("(state in ('issued', 'reversed')) = (number <> '')", name="number"),
        UniqueConstraint("refund_id", name="uq_invoice_red_of_refund"),
        Index(
            "uq_invoice_of_receipt",
            "receipt_id",
            unique=True,
            postgresql_where="red_of is null and state in ('requested', 'issued', 'reversed')",
        ),
        Index("ix_invoice_try_again", "try_again_at", postgresql_where="state = 'requested'"),
        Index("ix_invoice_red_of", "red_of"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    receipt_id: Mapped[UUID] = mapped_column(ForeignKey("receipt.id"))
    red_of: Mapped[UUID | None] = mapped_column(ForeignKey("invoice.id"))
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("refund.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    details_sealed: Mapped[bytes]
    """schemas.Buyer, sealed."""
    language: Mapped[str]
    state: Mapped[str]
    number: Mapped[str] = mapped_column(default="", server_default="")
    url: Mapped[str] = mapped_column(default="", server_default="")
    """Where the service lets it be fetched."""
    failure: Mapped[str] = mapped_column(default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    try_again_at: Mapped[datetime | None]
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
