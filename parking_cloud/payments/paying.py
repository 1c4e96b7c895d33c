"""Paying by token: an offer is redeemed, and the provider asked, between two short transactions.

Whatever stays unfinished (a lost answer, a crash) is the desk's. The token makes it one payment however
often it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel import idempotency
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.money import Fen
from parking_cloud.kernel.problems import InvalidInput, NotFound, Problem
from parking_cloud.kernel.settings import Settings
from parking_cloud.payments import rules, service
from parking_cloud.payments.errands import Errands, PaymentJob, Sessions
from parking_cloud.payments.facts import receipt_token
from parking_cloud.payments.models import Payment
from parking_cloud.payments.offers import Offer, read_offer, redeem, token_hash
from parking_cloud.payments.provider import ClientAction, Method, Provider
from parking_cloud.payments.reading import read_token, reading_token
from parking_cloud.payments.schemas import LIVE, PaymentState

_PATIENCE_S = 12
"""A payer waits no longer for the provider; the desk goes on."""
_ROUTE = "/v1/pay/payments"

log = structlog.get_logger(__name__)


class CashOnly(Problem):
    slug = "cash-only"
    status = 503
    title = {"zh-CN": "暂时只能现金支付", "en": "Only cash is possible at the moment"}
    detail = {"zh-CN": "请向现场管理员缴费。", "en": "Please pay the attendant."}


class WrongReturnUrl(InvalidInput):
    slug = "wrong-return-url"
    title = {"zh-CN": "返回地址不可用", "en": "Payments do not lead back there"}
    detail = {"zh-CN": "返回地址须是本平台的页面。", "en": "Give the address of a page of this platform."}


class PaymentUnknown(NotFound):
    slug = "payment-not-found"
    title = {"zh-CN": "没有这笔支付", "en": "There is no such payment"}


class PayIn(msgspec.Struct, frozen=True, kw_only=True):
    token: str
    """Of the offer."""
    method: Method
    return_url: str = ""
    """Where a redirect leads back to: a page of this platform."""


class PaymentOut(msgspec.Struct, frozen=True, kw_only=True):
    """How a payment stands; `payment` is the token to read it by. Amounts in fen."""

    payment: str
    state: PaymentState
    amount: Fen
    failure: str = ""
    """The provider's code, such as `card_declined`."""
    action: ClientAction | None = None
    """What the payer's page does next."""
    receipt: str | None = None
    """The receipt's token, for who started the payment, once it has succeeded."""


class Cashier:
    """Takes payments over the counter of the API."""

    def __init__(
        self,
        settings: Settings,
        sessions: Sessions,
        reading: Sessions,
        redis: Redis,
        providers: Mapping[str, Provider],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._reading = reading
        self._redis = redis
        self._providers = providers
        self._clock = clock
        self._errands = Errands(sessions, providers, clock)

    async def pay(self, asked: PayIn, key: str | None = None, driver: UUID | None = None) -> PaymentOut:
        """The payment of an offer, opened at the provider.

        Of a signed-in driver it is kept that they paid at a barrier, and of nobody that they paid by plate.
        Raises OfferExpired, NothingOwed, CashOnly, WrongReturnUrl, KeyReused.
        """
        provider = self._provider(asked.method)
        self._check_return(asked.return_url)
        offer = await read_offer(self._redis, asked.token)
        async with transaction(self._sessions) as session:
            payment, first = await self._start(session, offer, asked, provider, key, driver)
        if first:
            await self._open(payment)
        return await self._look(str(payment.id), token_hash(asked.token))

    async def look(self, token: str) -> PaymentOut:
        """How a payment stands. Raises PaymentUnknown."""
        reader = read_token(self._settings.secret_key, token)
        if reader is None:
            raise PaymentUnknown()
        async with self._reading() as session:
            payment = await session.get(Payment, reader.payment_id)
        if payment is None:
            raise PaymentUnknown()
        return self._out(payment, started=reader.started)

    async def _start(
        self,
        session: AsyncSession,
        offer: Offer,
        asked: PayIn,
        provider: str,
        key: str | None,
        driver: UUID | None,
    ) -> tuple[Payment, bool]:
        """The offer's payment; True where it is new, so that it has to be opened."""
        now, hashed = self._clock.now(), token_hash(asked.token)
        if key is not None:
            body = msgspec.json.encode(asked)
            await idempotency.claim(session, caller=hashed.hex(), route=_ROUTE, key=key, body=body)
        wanted = await redeem(session, offer, now)
        before = await session.scalar(select(Payment).where(Payment.offer_hash == hashed).with_for_update())
        if before is not None:
            going_on = before.state in LIVE and before.method == asked.method
            if going_on or before.state == PaymentState.SUCCEEDED:
                return before, False
            before.offer_hash = None  # it failed, or the payer has chosen another way
            await session.flush()
        order = service.NewPaymentOrder(
            provider=provider,
            method=asked.method,
            via=offer.via,
            payer_id=offer.payer_id or (driver if offer.at_lane else None),
            scanned_facility_id=offer.scanned_facility_id,
            return_url=asked.return_url or f"{self._settings.public_url.rstrip('/')}/pay/return",
            offer_hash=hashed,
        )
        payment, joined = await service.start_payment(session, wanted, order, now, desk_waits=rules.LEASE)
        return payment, not joined

    async def _open(self, payment: Payment) -> None:
        job = PaymentJob(
            id=payment.id,
            provider=payment.provider,
            provider_id=None,
            state=payment.state,
            amount=payment.amount,
            method=payment.method,
            saved_method="",
            return_url=payment.return_url,
            attempts=1,
            created_at=payment.created_at,
            first_asked_at=None,
        )
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._errands.see_to_payment(job)
        except TimeoutError:
            log.info("the provider takes long: the desk goes on", payment=str(payment.id))

    async def _look(self, payment_id: str, hashed: bytes) -> PaymentOut:
        async with self._reading() as session:
            payment = await session.get_one(Payment, payment_id)
        return self._out(payment, started=payment.offer_hash == hashed)

    def _out(self, payment: Payment, *, started: bool) -> PaymentOut:
        secret, live = self._settings.secret_key, payment.state in LIVE
        action: Any = payment.action if live else None
        paid = payment.state == PaymentState.SUCCEEDED
        return PaymentOut(
            payment=reading_token(secret, payment.id, started=started),
            state=PaymentState(payment.state),
            amount=Fen(payment.amount),
            failure=payment.failure,
            action=None if action is None else msgspec.convert(action, ClientAction),
            receipt=receipt_token(secret, payment.id) if paid and started else None,
        )

    def _provider(self, method: Method) -> str:
        """Who takes it: the first provider there is."""
        if method is Method.CASH or not self._providers:
            raise CashOnly()
        return next(iter(self._providers))

    def _check_return(self, url: str) -> None:
        """A payment must not be made to lead to another's page."""
        if url and not url.startswith(self._settings.public_url.rstrip("/") + "/"):
            raise WrongReturnUrl()
