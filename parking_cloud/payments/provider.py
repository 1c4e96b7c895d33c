"""What the platform needs of a payment provider: the small interface behind which Stripe stands.

A second provider is a module with this interface and a line in `providers.py`; `service.py` stays as it is.
Every call that changes something carries a key: said again after a lost answer, it has no second effect.
No call is ever made inside a database transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from parking_cloud.kernel.money import Fen


class Method(StrEnum):
    CARD = "card"
    ALIPAY = "alipay"
    WECHAT_PAY = "wechat_pay"
    CASH = "cash"
    """Taken by an attendant; no provider has a part in it."""


class ProviderState(StrEnum):
    """How a payment stands at the provider."""

    PENDING = "pending"
    """The payer, or the provider, has still to act."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ClientAction(msgspec.Struct, frozen=True, kw_only=True):
    """What the payer's page does next."""

    kind: str
    """`card_form` (the provider's own form, by its script), `redirect`, `qr` or `none`; `save_form`: as
    `card_form`, to keep a method for a mandate."""
    url: str = ""
    """Of a redirect; of a QR code its content."""
    client_secret: str = ""
    publishable_key: str = ""
    script_url: str = ""


class NewPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment to be opened. `key` is ours, and the same whenever it is tried again."""

    key: str
    amount: Fen
    method: Method
    description: str
    """Shown to the payer. No plate, place or time."""
    return_url: str
    """Where a redirect leads back to."""
    saved_method: str = ""
    """A mandate's method at the provider (`customer/method`): charged at once, the payer being away."""
    first_asked_at: datetime | None = None
    """When we first tried. A provider forgets keys after some time (Stripe: 24 hours): what was asked for
    longer ago is looked for in its books, before it is asked for again."""


class ProviderPayment(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    state: ProviderState
    amount: Fen
    key: str = ""
    """Ours, as given when it was opened."""
    failure: str = ""
    """The provider's code for why it failed, such as `card_declined`."""
    action: ClientAction | None = None


class NewSaving(msgspec.Struct, frozen=True, kw_only=True):
    """A method to be kept for a mandate. `key` is ours, as with a payment."""

    key: str
    method: Method
    return_url: str


class ProviderSaving(msgspec.Struct, frozen=True, kw_only=True):
    """How the keeping of a method stands."""

    id: str
    state: ProviderState
    key: str = ""
    saved_method: str = ""
    """`customer/method`, once succeeded: what `NewPayment.saved_method` takes."""
    failure: str = ""
    action: ClientAction | None = None


class ProviderRefund(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    state: ProviderState
    amount: Fen
    payment_id: str
    key: str = ""
    failure: str = ""


class ProviderDispute(msgspec.Struct, frozen=True, kw_only=True):
    """A payer's bank asks the money back (chargeback)."""

    id: str
    payment_id: str
    amount: Fen
    state: str
    """`open`, `won` or `lost`."""
    reason: str = ""


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook's news. It may come repeated, late, or out of order: it only says where to look again."""

    id: str
    type: str
    occurred_at: datetime
    payment_id: str = ""
    refund_id: str = ""
    saving_id: str = ""
    dispute: ProviderDispute | None = None


class BookLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the provider's books (Stripe: balance transaction). `amount` above zero came in."""

    id: str
    kind: str
    """`payment`, `refund`, `dispute`, `dispute_reversal`, `fee`, `payout` or `other`."""
    amount: Fen
    fee: Fen
    at: datetime
    payment_id: str = ""
    refund_id: str = ""
    dispute_id: str = ""


class ProviderAway(Exception):
    """No answer, or one that says to try again: whether it was done is not known. Try again with the key."""


class ProviderRefused(Exception):
    """The provider understood, and will not. `code` is its own word for why."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code


class BadSignature(Exception):
    """A webhook that the provider did not sign with our secret, or that is too old."""


class Provider(Protocol):
    """A payment provider. Every method but `read_event` may raise ProviderAway or ProviderRefused."""

    name: str

    async def open_payment(self, new: NewPayment) -> ProviderPayment: ...

    async def find_payment(self, new: NewPayment) -> ProviderPayment | None:
        """What was opened by its key, found without asking for it. None: there is none so far."""
        ...

    async def look_at_payment(self, payment_id: str) -> ProviderPayment: ...

    async def cancel_payment(self, payment_id: str) -> ProviderPayment:
        """Give it up. One that has succeeded stays so, and is returned as it is."""
        ...

    async def refund(self, *, payment_id: str, amount: Fen, key: str, refusals: int = 0) -> ProviderRefund:
        """Pay back, once by its key. `refusals`: so often that was refused for the time being."""
        ...

    async def look_at_refund(self, refund_id: str) -> ProviderRefund: ...

    async def look_at_dispute(self, dispute_id: str) -> ProviderDispute: ...

    async def open_saving(self, new: NewSaving) -> ProviderSaving:
        """Have the payer give a method to keep: the action's form takes it, never we."""
        ...

    async def look_at_saving(self, saving_id: str) -> ProviderSaving: ...

    async def forget_method(self, saved_method: str) -> None:
        """Nothing can be taken by it any more. One that is gone already is no error."""
        ...

    def books(self, since: datetime, until: datetime) -> AsyncIterator[BookLine]:
        """All lines of its books with since <= at < until, oldest first."""
        ...

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent | None:
        """The news in a webhook; None: of a kind that does not concern us. Raises BadSignature."""
        ...

    async def close(self) -> None:
        """Let its connections go."""
        ...
