"""The desk's errands: what is done about one payment, one refund, one piece of news, one stay.

A provider is called outside every transaction, and always with our row's id as the key: said again after a
lost answer, it has no second effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.db import transaction
from parking_cloud.kernel.money import Fen
from parking_cloud.payments import chargebacks, charging, refund_news, rules, service
from parking_cloud.payments.provider import (
    Method,
    NewPayment,
    Provider,
    ProviderAway,
    ProviderPayment,
    ProviderRefused,
)
from parking_cloud.payments.schemas import PaymentState
from parking_cloud.tariffs.problems import NoTariff

DESCRIPTION = "湖州停车 Parking"
"""What payers read on their bill: no plate, no place, no time."""

AWAY = Counter("parking_provider_away", "Calls of a payment provider without a usable answer", ["provider"])

Sessions = async_sessionmaker[AsyncSession]

log = structlog.get_logger(__name__)


class PaymentJob(NamedTuple):
    """A payment that has something to be done about it, as it was when it was taken."""

    id: UUID
    provider: str
    provider_id: str | None
    state: str
    amount: int
    method: str
    saved_method: str
    return_url: str
    attempts: int
    created_at: datetime
    first_asked_at: datetime | None
    """None: the provider was never asked before."""
    given_up_at: datetime | None = None
    """When it was given up here, other than by its age."""


class RefundJob(NamedTuple):
    id: UUID
    provider: str
    payment_id: str
    """The provider's."""
    provider_id: str | None
    amount: int
    attempts: int
    refusals: int
    created_at: datetime


class NewsJob(NamedTuple):
    provider: str
    event_id: str
    concerns: str
    reference: str
    attempts: int


class StayJob(NamedTuple):
    stay_id: UUID
    attempts: int
    leased_until: datetime


class Errands:
    """See the module."""

    def __init__(self, sessions: Sessions, providers: Mapping[str, Provider], clock: Clock) -> None:
        self._sessions = sessions
        self._providers = providers
        self._clock = clock

    async def see_to_payment(self, job: PaymentJob) -> None:
        """Open it, look at it, or give it up at the provider, whichever is next."""
        provider = self._providers.get(job.provider)
        if provider is None:
            return
        try:
            said = await self._ask(provider, job)
        except ProviderAway as away:
            self._note_away(job.provider, away, payment=str(job.id), attempts=job.attempts)
            await self._put_off("payment set look_again_at = :at where look_again_at is not null and", job)
            return
        except ProviderRefused as refused:
            log.warning("the provider refused a payment", payment=str(job.id), code=refused.code)
            async with transaction(self._sessions) as session:
                await service.payment_failed(session, job.id, refused.code, self._clock.now())
            return
        async with transaction(self._sessions) as session:
            if said is None:
                await service.never_opened(session, job.id, self._clock.now())
            else:
                await service.payment_seen(session, job.id, said, self._clock.now())

    async def _ask(self, provider: Provider, job: PaymentJob) -> ProviderPayment | None:
        """The call that is next. None: it is given up, and the provider was never asked for it."""
        age = self._clock.now() - job.created_at
        given_up = job.state == PaymentState.CANCELLED or age > rules.lives(bool(job.saved_method))
        provider_id = job.provider_id
        if not given_up:
            if provider_id is None:
                return await provider.open_payment(_order(job))
            return await provider.look_at_payment(provider_id)
        if provider_id is None:
            asked_for = None if job.first_asked_at is None else await self._asked_for(provider, job)
            if asked_for is None:
                return None
            provider_id = asked_for.id
        return await provider.cancel_payment(provider_id)

    async def _asked_for(self, provider: Provider, job: PaymentJob) -> ProviderPayment | None:
        """What a lost answer was of, to be given up. None: nothing was opened, nor will be.

        By a kept method it is only looked for: opening it would take the money. Otherwise it is opened, if
        need be, since only its payer could complete it.
        """
        if not job.saved_method:
            return await provider.open_payment(_order(job))
        found = await provider.find_payment(_order(job))
        given_up_at = job.given_up_at or job.created_at + rules.lives(by_mandate=True)
        if found is None and self._clock.now() - given_up_at < rules.MAY_STILL_ARRIVE:
            raise ProviderAway("a request to open it may still be on its way")
        return found

    async def see_to_refund(self, job: RefundJob) -> None:
        """Ask for it, or look how it stands."""
        provider = self._providers.get(job.provider)
        if provider is None:
            return
        try:
            if job.provider_id is not None:
                said = await provider.look_at_refund(job.provider_id)
            else:
                said = await provider.refund(
                    payment_id=job.payment_id,
                    amount=Fen(job.amount),
                    key=str(job.id),
                    refusals=job.refusals,
                )
        except ProviderAway as away:
            self._note_away(job.provider, away, refund=str(job.id), attempts=job.attempts)
            await self._put_off("refund set try_again_at = :at where state = 'sent' and", job)
            return
        except ProviderRefused as refused:
            log.warning("the provider refused a refund", refund=str(job.id), code=refused.code)
            await self._refund_refused(job, refused.code)
            return
        async with transaction(self._sessions) as session:
            await refund_news.refund_seen(session, job.id, said, self._clock.now())

    async def _refund_refused(self, job: RefundJob, code: str) -> None:
        now = self._clock.now()
        if rules.will_pass(code, now - job.created_at):
            what = "refund set try_again_at = :at, refusals = refusals + 1 where state = 'sent' and"
            await self._put_off(what, job)
            return
        async with transaction(self._sessions) as session:
            await refund_news.refund_failed(session, job.id, code, now)

    async def hear(self, job: NewsJob) -> None:
        """Look at what a webhook told of: it may be old, so what counts is what the provider says now."""
        provider = self._providers.get(job.provider)
        if provider is None:
            return
        try:
            heard = await self._heard(provider, job)
        except ProviderAway as away:
            self._note_away(job.provider, away, news=job.event_id, attempts=job.attempts)
            heard = False
        except ProviderRefused as refused:
            log.warning("the provider knows nothing of its news", news=job.event_id, code=refused.code)
            heard = True
        again = None if heard else self._clock.now() + rules.back_off(job.attempts)
        async with transaction(self._sessions) as session:
            await session.execute(
                text("update provider_news set look_again_at = :at where provider = :p and event_id = :e"),
                {"at": again, "p": job.provider, "e": job.event_id},
            )

    async def _heard(self, provider: Provider, job: NewsJob) -> bool:
        """Take it in. False: it is of something that is not known here, or not yet."""
        now = self._clock.now
        match job.concerns:
            case "dispute":
                dispute = await provider.look_at_dispute(job.reference)
                async with transaction(self._sessions) as session:
                    known = await chargebacks.dispute_seen(session, job.provider, dispute, now())
            case "refund":
                refund = await provider.look_at_refund(job.reference)
                async with transaction(self._sessions) as session:
                    known = await refund_news.refund_heard(session, job.provider, refund, now())
            case _:
                payment = await provider.look_at_payment(job.reference)
                async with transaction(self._sessions) as session:
                    known = await service.payment_heard(session, job.provider, payment, now())
        return known or job.attempts > rules.NEWS_TRIES

    async def assess(self, job: StayJob) -> None:
        """Let a stay's charge follow it. What fails for one stay is kept with its reason, and tried again."""
        done = "delete from stay_to_assess where stay_id = :id and try_again_at = :leased"
        values: dict[str, Any] = {"id": job.stay_id, "leased": job.leased_until}
        try:
            async with transaction(self._sessions) as session:
                await charging.assess_stay(session, job.stay_id, self._clock.now())
                await session.execute(text(done), values)
        except NoTariff:
            # Nothing may be asked where no price was set.
            log.warning("a stay at a facility without a tariff is not charged", stay=str(job.stay_id))
            async with transaction(self._sessions) as session:
                await session.execute(text(done), values)
        except Exception as error:
            values |= {"why": type(error).__name__, "at": self._clock.now() + rules.back_off(job.attempts)}
            async with transaction(self._sessions) as session:
                await session.execute(
                    text(
                        "update stay_to_assess set failure = :why, try_again_at = :at"
                        " where stay_id = :id and try_again_at = :leased"
                    ),
                    values,
                )
            raise

    def _note_away(self, provider: str, away: ProviderAway, **about: Any) -> None:
        AWAY.labels(provider).inc()
        log.info("the provider is away", provider=provider, error=str(away), **about)

    async def _put_off(self, what: str, job: PaymentJob | RefundJob) -> None:
        at = self._clock.now() + rules.back_off(job.attempts)
        async with transaction(self._sessions) as session:
            await session.execute(text(f"update {what} id = :id"), {"at": at, "id": job.id})


def _order(job: PaymentJob) -> NewPayment:
    return NewPayment(
        key=str(job.id),
        amount=Fen(job.amount),
        method=Method(job.method),
        description=DESCRIPTION,
        return_url=job.return_url,
        saved_method=job.saved_method,
        first_asked_at=job.first_asked_at,
    )
