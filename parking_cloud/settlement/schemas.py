"""What crosses the slice's edge. All amounts in fen."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec

from parking_cloud.settlement.rules import DifferenceKind

Note = Annotated[str, msgspec.Meta(min_length=4, max_length=500)]


class RunOut(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a provider's books against the ledger. `books` less `ledger` is the sum of its differences."""

    provider: str
    day: date
    lines: int
    books: int
    ledger: int
    fees: int
    differences: int
    open: int
    ran_at: datetime


class DifferenceOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    provider: str
    day: date
    kind: DifferenceKind
    cause: str
    here: int
    there: int
    explanation: dict[str, str]
    """In both languages."""
    resolved_at: datetime | None
    resolved_by: str
    note: str


class ResolutionIn(msgspec.Struct, frozen=True):
    note: Note


class CloseIn(msgspec.Struct, frozen=True, kw_only=True):
    """All days before `until` that are in no statement yet."""

    operator_id: UUID
    until: date


class TransferIn(msgspec.Struct, frozen=True):
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class LineOut(msgspec.Struct, frozen=True, kw_only=True):
    facility: str
    day: date
    charged: int
    paid_card: int
    paid_alipay: int
    paid_wechat_pay: int
    cash: int
    refunded: int
    charged_back: int
    fees: int
    commission: int
    net: int


class StatementOut(msgspec.Struct, frozen=True, kw_only=True):
    """`id` and `number` are empty for a draft. What leaves the operator is below zero."""

    id: UUID | None
    number: str
    operator_id: UUID
    operator: str
    first_day: date | None
    until: date
    charged: int
    electronic: int
    cash: int
    refunded: int
    charged_back: int
    fees: int
    commission: int
    net: int
    carried_in: int
    payout: int
    carried_out: int
    closed_at: datetime | None
    transferred_at: datetime | None
    transfer_reference: str
    lines: list[LineOut]
