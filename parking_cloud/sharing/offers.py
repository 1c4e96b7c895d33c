"""What the public sees of sharing: where and when spaces are open, for how much, and what is closed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.registry.service import facility_label, facility_labels
from parking_cloud.sharing import rules
from parking_cloud.sharing.models import SharingClosing, SharingPlan
from parking_cloud.sharing.plans import published
from parking_cloud.sharing.problems import NotShared, WrongTime
from parking_cloud.sharing.schemas import Bookable, Slot
from parking_cloud.sharing.service import bookable
from parking_cloud.sharing.times import Span

LONGEST = timedelta(days=7)
FURTHEST = timedelta(days=400)
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class ClosedOut(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency closing, as everybody may know it."""

    starts_at: datetime
    ends_at: datetime
    reason: str


class OfferOut(msgspec.Struct, frozen=True, kw_only=True):
    """A facility that shares spaces. Prices in fen; None: that kind is not offered. `open` and `closed` are
    of the next seven days; `holidays_unknown_from`: from then on nothing can be booked yet."""

    facility_id: UUID
    facility_code: str
    facility: str
    price_hour: int | None
    price_evening: int | None
    price_month: int | None
    walk_in: bool
    note: str
    open: list[Slot]
    window: Slot | None
    """The window as a whole in which the asked begin lies: what an evening books."""
    closed: list[ClosedOut]
    holidays_unknown_from: str | None
    asked: Bookable | None
    """Of the asked time; None where it is not open throughout."""


async def offers(
    session: AsyncSession, *, facility: str | None, start: datetime, end: datetime, now: datetime
) -> list[OfferOut]:
    """What is offered for a time: at one facility, or wherever it is open throughout. Raises NotShared,
    WrongTime."""
    if not now - timedelta(days=1) <= start <= now + FURTHEST:
        raise WrongTime(errors=[{"field": "start", "message": "since yesterday, within 400 days"}])
    if not timedelta() < end - start <= LONGEST:
        raise WrongTime(errors=[{"field": "end", "message": "after start, at most seven days"}])
    ids = None
    if facility is not None:
        label = await facility_label(session, facility)
        if label is None:
            raise NotShared()
        ids = [label.id]
    found = await bookable(session, start=start, end=end, now=now, facility_ids=ids)
    shown = list(found) if ids is None else ids
    plans = await published(session, min(start, now), shown)
    if ids is not None and not plans:
        raise NotShared()
    labels = await facility_labels(session, plans)
    notes = await session.execute(
        select(SharingPlan.facility_id, SharingPlan.note).where(SharingPlan.facility_id.in_(plans))
    )
    note_of = {row.facility_id: row.note for row in notes}
    closed = await _closed(session, list(plans), now)
    week = Span(now, now + LONGEST)
    result: list[OfferOut] = []
    for id_ in sorted(plans, key=lambda each: labels[each].code):
        plan, opening = plans[id_], rules.open_times(plans[id_], week)
        window = rules.window_at(plan, start)
        result.append(
            OfferOut(
                facility_id=id_,
                facility_code=labels[id_].code,
                facility=labels[id_].name,
                price_hour=plan.price_hour,
                price_evening=plan.price_evening,
                price_month=plan.price_month,
                walk_in=plan.walk_in,
                note=note_of.get(id_, ""),
                open=[Slot(*span) for span in opening.times],
                window=None if window is None else Slot(*window),
                closed=closed.get(id_, []),
                holidays_unknown_from=opening.unknown[0].isoformat() if opening.unknown else None,
                asked=found.get(id_),
            )
        )
    return result


async def _closed(
    session: AsyncSession, facility_ids: list[UUID], now: datetime
) -> dict[UUID, list[ClosedOut]]:
    rows = await session.scalars(
        select(SharingClosing)
        .where(
            SharingClosing.facility_id.in_(facility_ids),
            SharingClosing.ends_at > now,
            SharingClosing.starts_at < now + LONGEST,
            SharingClosing.lifted_at.is_(None),
        )
        .order_by(SharingClosing.starts_at)
    )
    found: dict[UUID, list[ClosedOut]] = {}
    for row in rows:
        shown = ClosedOut(starts_at=row.starts_at, ends_at=row.ends_at, reason=row.reason)
        found.setdefault(row.facility_id, []).append(shown)
    return found
