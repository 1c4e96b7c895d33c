"""The chart of accounts.

| kind | whose | above zero |
|---|---|---|
| driver | per operator | drivers owe (what was charged, less what was paid) |
| operator | per operator | never: below zero is what it has earned, paid or not |
| cash | per operator | cash its attendants took, which it holds already |
| provider | per provider | money at the provider |
| bank | | money that providers have paid out to the platform's bank |
| refunds | per operator | never: below zero is what is decided to be paid back, and not yet was |
| fees | per provider | what the provider kept |
| platform | | never: below zero is the platform's commission |
| payout | per operator | never: below zero is what is settled, and not yet transferred to the operator |
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec


class AccountKind(StrEnum):
    DRIVER = "driver"
    OPERATOR = "operator"
    CASH = "cash"
    PROVIDER = "provider"
    BANK = "bank"
    REFUNDS = "refunds"
    FEES = "fees"
    PLATFORM = "platform"
    PAYOUT = "payout"


class Account(msgspec.Struct, frozen=True, order=True):
    """Names an account: it exists from its first movement on."""

    kind: AccountKind
    operator_id: UUID | None = None
    name: str = ""
