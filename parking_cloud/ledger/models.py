"""The ledger's tables. The database balances every movement at commit, and refuses change and removal."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from parking_cloud.kernel.db import Base
from parking_cloud.kernel.ids import new_id
from parking_cloud.ledger.schemas import AccountKind

_KINDS = ", ".join(f"'{kind}'" for kind in AccountKind)


class LedgerAccount(Base):
    """An account, by its kind and whose it is: an operator's, or (for a provider's books) named."""

    __tablename__ = "ledger_account"
    __table_args__ = (
        CheckConstraint(f"kind in ({_KINDS})", name="kind"),
        UniqueConstraint(
            "kind", "operator_id", "name", name="uq_ledger_account_key", postgresql_nulls_not_distinct=True
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    operator_id: Mapped[UUID | None] = mapped_column(ForeignKey("operator.id"))
    name: Mapped[str] = mapped_column(default="", server_default="")
    """Of a provider: `stripe`."""


class LedgerMovement(Base):
    """One movement; `kind` and `reference` name its cause, so that nothing is booked twice."""

    __tablename__ = "ledger_movement"
    __table_args__ = (
        UniqueConstraint("kind", "reference", name="uq_ledger_movement_cause"),
        Index("ix_ledger_movement_at", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    reference: Mapped[str]
    at: Mapped[datetime]
    """When it happened, as its cause says."""
    booked_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LedgerEntry(Base):
    """What a movement does to one account, in fen; debit above zero. A movement's entries sum to zero."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        Index("ix_ledger_entry_account_id", "account_id", postgresql_include=["amount"]),
    )

    movement_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_movement.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("ledger_account.id"), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
