"""Webhooks: a provider's news is kept once, and only says where the desk has to look again.

It may come repeated, late or out of order; what counts is what the provider says when it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.problems import NotFound, Problem
from parking_cloud.payments.provider import BadSignature, Provider, ProviderEvent


class ProviderUnknown(NotFound):
    slug = "provider-not-found"
    title = {"zh-CN": "没有这个支付机构", "en": "There is no such payment provider"}


class NotSigned(Problem):
    slug = "webhook-not-signed"
    status = 400
    title = {"zh-CN": "签名无效", "en": "The signature does not hold"}
    detail = {
        "zh-CN": "该通知并非由支付机构签发，或已过期。",
        "en": "The provider did not sign this with our secret, or it is too old.",
    }


async def take_news(
    session: AsyncSession,
    providers: Mapping[str, Provider],
    name: str,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
) -> bool:
    """Keep a webhook's news for the desk. False: it was told before, or does not concern us.

    Raises ProviderUnknown, NotSigned.
    """
    provider = providers.get(name)
    if provider is None:
        raise ProviderUnknown()
    try:
        event = provider.read_event(body, headers)
    except BadSignature as error:
        raise NotSigned() from error
    if event is None:
        return False
    concerns, reference = concern_of(event)
    return await _keep(session, name, event.id, event.type, concerns, reference, event.occurred_at, now)


async def look_at(
    session: AsyncSession,
    provider: str,
    line_id: str,
    concerns: str,
    reference: str,
    at: datetime,
    now: datetime,
) -> None:
    """A line of the provider's books tells of something we never heard of: its webhook may have been lost. It
    is looked at once, however often the line is read."""
    await _keep(session, provider, f"books {line_id}", "books", concerns, reference, at, now)


async def _keep(
    session: AsyncSession,
    provider: str,
    event_id: str,
    type_: str,
    concerns: str,
    reference: str,
    at: datetime,
    now: datetime,
) -> bool:
    kept = await session.scalar(
        text(
            "insert into provider_news"
            " (provider, event_id, type, concerns, reference, occurred_at, received_at, look_again_at)"
            " values (:provider, :id, :type, :concerns, :reference, :at, :now, :now)"
            " on conflict do nothing returning true"
        ),
        {
            "provider": provider,
            "id": event_id,
            "type": type_,
            "concerns": concerns,
            "reference": reference,
            "at": at,
            "now": now,
        },
    )
    return bool(kept)


def concern_of(event: ProviderEvent) -> tuple[str, str]:
    """What has to be looked at, and its id at the provider."""
    if event.dispute is not None:
        return "dispute", event.dispute.id
    if event.refund_id:
        return "refund", event.refund_id
    if event.saving_id:
        return "saving", event.saving_id
    return "payment", event.payment_id
