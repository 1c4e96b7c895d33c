"""What staff decide on the page of charges and payments: forms in, the page again with what came of it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.tokens import Identity
from parking_cloud.console.health import to_the_door
from parking_cloud.console.payments import MAY_MOVE_MONEY, PAGE
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.money import parse_yuan
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotFound, NotSignedIn
from parking_cloud.payments import staff
from parking_cloud.payments.staff import ChargeChanged

DeedRequest = Request[Identity, Any, Any]
Reason = Annotated[str, msgspec.Meta(max_length=500)]
YuanText = Annotated[str, msgspec.Meta(max_length=20)]


class WaiverForm(msgspec.Struct, frozen=True):
    amount: YuanText
    """In yuan: what is to be paid after it."""
    reason: Reason


class RefundForm(msgspec.Struct, frozen=True):
    amount: YuanText
    """In yuan: what is to be paid back."""
    reason: Reason
    paid: int
    """In fen, as the page had shown it."""


class ByHandForm(msgspec.Struct, frozen=True):
    reason: Reason


def _back(said: str, which: str = "charges") -> Redirect:
    return Redirect(f"{PAGE}?list={which}&said={said}#rows", status_code=303)


def to_the_page(_: DeedRequest, refusal: Exception) -> Redirect:
    """What was refused, told on the page; nothing was changed."""
    if isinstance(refusal, ChargeChanged):
        return _back("changed")
    if isinstance(refusal, NotAllowed | NotFound):
        return _back("not_yours")
    return _back("bad_amount" if _concerns(refusal, "amount") else "no_reason")


def _concerns(refusal: Exception, field: str) -> bool:
    errors = refusal.errors if isinstance(refusal, InvalidInput) else None
    return any(error["field"] == field for error in errors or [])


REFUSALS: dict[int | type[Exception], Any] = {
    NotSignedIn: to_the_door,
    NotAllowed: to_the_page,
    NotFound: to_the_page,
    InvalidInput: to_the_page,
    ChargeChanged: to_the_page,
}


def _fen(text: str) -> int:
    try:
        return parse_yuan(text)
    except ValueError as error:
        raise InvalidInput(errors=[{"field": "amount", "message": str(error)}]) from error


@post(
    f"{PAGE}/charges/{{charge_id:uuid}}/waive",
    guards=[allow(*MAY_MOVE_MONEY)],
    exception_handlers=REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def waive(
    request: DeedRequest,
    session: AsyncSession,
    clock: Clock,
    charge_id: UUID,
    data: Annotated[WaiverForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Less is asked of a charge."""
    await staff.waive(session, request.user, charge_id, _fen(data.amount), data.reason, clock.now())
    return _back("done_waived")


@post(
    f"{PAGE}/charges/{{charge_id:uuid}}/refund",
    guards=[allow(*MAY_MOVE_MONEY)],
    exception_handlers=REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def refund(
    request: DeedRequest,
    session: AsyncSession,
    clock: Clock,
    charge_id: UUID,
    data: Annotated[RefundForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Something of what was paid goes back."""
    amount, now = _fen(data.amount), clock.now()
    await staff.pay_back(session, request.user, charge_id, amount, data.reason, now, paid_as_seen=data.paid)
    return _back("done_refunded")


@post(
    f"{PAGE}/refunds/{{refund_id:uuid}}/by-hand",
    guards=[allow(*MAY_MOVE_MONEY)],
    exception_handlers=REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def paid_by_hand(
    request: DeedRequest,
    session: AsyncSession,
    clock: Clock,
    refund_id: UUID,
    data: Annotated[ByHandForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """A refund was paid back from the till."""
    await staff.paid_by_hand(session, request.user, refund_id, data.reason, clock.now())
    return _back("done_by_hand", "refunds")


@post(
    f"{PAGE}/refunds/{{refund_id:uuid}}/again",
    guards=[allow(*MAY_MOVE_MONEY)],
    exception_handlers=REFUSALS,
    include_in_schema=False,
    status_code=200,
)
async def try_again(
    request: DeedRequest,
    session: AsyncSession,
    clock: Clock,
    refund_id: UUID,
    data: Annotated[ByHandForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """A refund that failed is asked of the provider once more."""
    await staff.try_refund_again(session, request.user, refund_id, data.reason, clock.now())
    return _back("done_again", "refunds")


route_handlers: list[ControllerRouterHandler] = [waive, refund, paid_by_hand, try_again]
