"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec


class InvoiceState(StrEnum):
    REQUESTED = "requested"
    ISSUED = "issued"
    FAILED = "failed"
    """The service will not, and says why: it can be asked for again."""
    REVERSED = "reversed"
    """Taken back whole by red invoices."""


class TitleKind(StrEnum):
    """抬头."""

    PERSONAL = "personal"
    COMPANY = "company"


class ReceiptPart(msgspec.Struct, frozen=True, kw_only=True):
    """What of a payment was for which charge. Amounts in fen; `lines` are tariffs.schemas.Line.

    Where the payer may not learn of the stay (rules.shows_the_stay), `facility` is empty and so is the rest
    of it.
    """

    charge_id: UUID
    """As a receipt shows it: sealed. It serves to object, with the receipt's token."""
    kind: str
    facility: str
    amount: int
    charged: int
    """What the charge came to then; more than `amount` where part of it had been paid before."""
    entered_at: datetime | None
    left_at: datetime | None
    lines: list[Any]


class PaidBackOut(msgspec.Struct, frozen=True, kw_only=True):
    amount: int
    state: str
    done_at: datetime | None


class ReceiptOut(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    operator: str
    amount: int
    parts: list[ReceiptPart]
    refunds: list[PaidBackOut]
    invoice: InvoiceOut | None


class PaidOut(msgspec.Struct, frozen=True, kw_only=True):
    """What its payer has paid: a receipt of each operator that it was for."""

    amount: int
    method: str
    paid_at: datetime
    plate: str
    """Masked; empty where the payment was for several vehicles."""
    receipts: list[ReceiptOut]


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """Who an invoice is made out to, and where it goes."""

    title_kind: TitleKind
    title: str
    tax_number: str
    mail: str


class InvoiceIn(msgspec.Struct, frozen=True, kw_only=True):
    """`receipt` is the receipt's token; `number` chooses among several receipts of one payment."""

    receipt: Annotated[str, msgspec.Meta(min_length=40, max_length=64)]
    title_kind: TitleKind
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    tax_number: Annotated[str, msgspec.Meta(max_length=40)] = ""
    email: Annotated[str, msgspec.Meta(max_length=254)]
    number: Annotated[str, msgspec.Meta(max_length=64)] = ""


class InvoiceOut(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice as its payer sees it; the title masked for whoever looks over their shoulder."""

    state: InvoiceState
    number: str
    url: str
    failure: str
    asked_at: datetime
    taken_back: int
    """Fen, by red invoices."""
