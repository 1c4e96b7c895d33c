"""The tariffs' verbs: price a stay, planned or over; tell which tariff holds where, and what it says."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.kernel.money import Fen
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.registry.service import FacilityLabel, facility_label, facility_labels
from parking_cloud.tariffs import rules
from parking_cloud.tariffs.description import describe
from parking_cloud.tariffs.models import TariffAssignment, TariffRow, TariffVersion
from parking_cloud.tariffs.permits import joined, together
from parking_cloud.tariffs.plan import Plan
from parking_cloud.tariffs.problems import NoTariff, PlaceNotFound, TariffNotFound
from parking_cloud.tariffs.schemas import (
    AssignedTo,
    FacilityTariff,
    PermitKind,
    Price,
    Pricing,
    QuoteIn,
    QuoteOut,
    TariffDetail,
    TariffOut,
    VehicleClass,
    VersionOut,
)
from parking_cloud.tariffs.shapes import decode

LONGEST_PLANNED = timedelta(days=31)
PLACES_SHOWN = 500
_PLANS_KEPT = 512
_plans: OrderedDict[UUID, Plan] = OrderedDict()
"""Compiled once in each process; a version never changes, so neither does its plan."""

_IN_FORCE = text(
    "select v.id as version, a.operator_id, coalesce(("
    "   select jsonb_agg(jsonb_build_array(p.kind, p.valid_from, least(p.valid_until, p.revoked_at))"
    "       order by p.kind, p.valid_from)"
    "   from permit p where p.plate_hash = :plate and p.valid_from < :left_at"
    "   and coalesce(least(p.valid_until, p.revoked_at), 'infinity')"
    "       > greatest(p.valid_from, cast(:entered_at as timestamptz))"
    "   and (p.facility_id = :facility or p.operator_id = a.operator_id"
    "       or p.facility_id is null and p.operator_id is null)"
    " ), '[]') as permits"
    " from tariff_assignment a join tariff_version v on v.tariff_id = a.tariff_id"
    " and tstzrange(v.effective_from, v.effective_until) @> cast(:entered_at as timestamptz)"
    " where a.facility_id = :facility"
    " and tstzrange(a.valid_from, a.valid_until) @> cast(:entered_at as timestamptz)"
)


async def price_stay(
    session: AsyncSession,
    *,
    facility_id: UUID,
    vehicle: VehicleClass,
    entered_at: datetime,
    left_at: datetime,
    plate_hash: bytes | None,
    charging_minutes: int = 0,
) -> Price:
    """What a stay costs, by the tariff that was in force when the vehicle entered, and by its permits.

    Raises NoTariff; UnknownHolidayYear where the tariff needs the holidays of a year that is not known.
    """
    values = {"facility": facility_id, "entered_at": entered_at, "left_at": left_at, "plate": plate_hash}
    row = (await session.execute(_IN_FORCE, values)).one_or_none()
    if row is None:
        raise NoTariff()
    plan = await plan_of(session, row.version)
    held = _permits(row.permits)
    choices: list[list[rules.Permit]] = [[], *([permit] for permit in held), *together(held)]
    quotes = [
        rules.price(
            plan,
            vehicle=vehicle,
            entered_at=entered_at,
            left_at=left_at,
            charging_minutes=charging_minutes,
            permits=permits,
        )
        for permits in choices
    ]
    best, used = min(zip(quotes, choices, strict=True), key=lambda pair: pair[0].amount)
    return Price(
        amount=Fen(best.amount),
        lines=best.lines,
        tariff_version_id=row.version,
        exit_grace=timedelta(minutes=plan.tariff.exit_grace_minutes),
        permit=used[0].kind if used else None,
    )


async def planned_amounts(
    session: AsyncSession,
    *,
    facility_id: UUID,
    vehicle: VehicleClass,
    entered_at: datetime,
    left_at: Sequence[datetime],
) -> list[Fen | None]:
    """What stays cost that begin at one moment and end at these, without any permit; None where the holidays
    that it takes are not known. Raises NoTariff."""
    values = {"facility": facility_id, "entered_at": entered_at, "left_at": entered_at, "plate": None}
    row = (await session.execute(_IN_FORCE, values)).one_or_none()
    if row is None:
        raise NoTariff()
    plan = await plan_of(session, row.version)
    amounts: list[Fen | None] = []
    for left in left_at:
        try:
            amounts.append(
                Fen(rules.price(plan, vehicle=vehicle, entered_at=entered_at, left_at=left).amount)
            )
        except UnknownHolidayYear:
            amounts.append(None)
    return amounts


def _permits(rows: list[Any]) -> list[rules.Permit]:
    moments = [
        (
            PermitKind(kind),
            datetime.fromisoformat(start),
            None if end is None else datetime.fromisoformat(end),
        )
        for kind, start, end in rows
    ]
    return joined([rules.Permit(*values) for values in moments])


async def plan_of(session: AsyncSession, version_id: UUID) -> Plan:
    """A version, ready to price by."""
    plan = _plans.get(version_id)
    if plan is None:
        data = await session.scalar(select(TariffVersion.data).where(TariffVersion.id == version_id))
        plan = _plans[version_id] = Plan(decode(data))
        if len(_plans) > _PLANS_KEPT:
            _plans.popitem(last=False)
    else:
        _plans.move_to_end(version_id)
    return plan


async def quote_planned(session: AsyncSession, asked: QuoteIn, now: datetime) -> QuoteOut:
    """What a stay would cost, without any permit. Raises PlaceNotFound, NoTariff, InvalidInput."""
    facility = await place(session, asked.facility)
    entered = asked.entered_at or now
    left = asked.left_at or (entered + timedelta(minutes=asked.minutes or 0))
    if (asked.left_at is None) == (asked.minutes is None):
        raise InvalidInput(errors=[{"field": "minutes", "message": "give either left_at or minutes"}])
    if not timedelta() <= left - entered <= LONGEST_PLANNED:
        raise InvalidInput(errors=[{"field": "left_at", "message": "after entered_at, at most 31 days"}])
    price = await price_stay(
        session,
        facility_id=facility.id,
        vehicle=asked.vehicle,
        entered_at=entered,
        left_at=left,
        plate_hash=None,
        charging_minutes=asked.charging_minutes,
    )
    return QuoteOut(
        facility=facility.code,
        entered_at=entered,
        left_at=left,
        vehicle=asked.vehicle,
        amount=price.amount,
        lines=price.lines,
        exit_grace_s=int(price.exit_grace.total_seconds()),
        tariff_version_id=price.tariff_version_id,
    )


async def tariff_at(session: AsyncSession, id_or_code: str, at: datetime) -> FacilityTariff:
    """The tariff that holds at a facility, in words. Raises PlaceNotFound, NoTariff."""
    facility = await place(session, id_or_code)
    values = {"facility": facility.id, "entered_at": at, "left_at": at, "plate": None}
    found = (await session.execute(_IN_FORCE, values)).one_or_none()
    if found is None:
        raise NoTariff()
    version = await session.get_one(TariffVersion, found.version)
    row = await session.get_one(TariffRow, version.tariff_id)
    plan = await plan_of(session, version.id)
    return FacilityTariff(
        facility=facility.code,
        tariff=_out(row),
        version_id=version.id,
        effective_from=version.effective_from,
        effective_until=version.effective_until,
        description=describe(plan),
    )


async def list_tariffs(session: AsyncSession, who: Identity) -> list[TariffOut]:
    """Tariffs by code; an operator's staff see the city's and their own."""
    query = select(TariffRow).order_by(TariffRow.code)
    if who.role is Role.OPERATOR_STAFF:
        query = query.where(or_(TariffRow.operator_id.is_(None), TariffRow.operator_id == who.operator_id))
    return [_out(row) for row in await session.scalars(query)]


async def get_tariff(session: AsyncSession, who: Identity, tariff_id: UUID) -> TariffDetail:
    """A tariff with its versions, newest first, and where it holds. Raises TariffNotFound."""
    row = await session.get(TariffRow, tariff_id)
    hidden = (
        who.role is Role.OPERATOR_STAFF and row is not None and row.operator_id not in (None, who.operator_id)
    )
    if row is None or hidden:
        raise TariffNotFound()
    versions = await session.scalars(
        select(TariffVersion)
        .where(TariffVersion.tariff_id == tariff_id)
        .order_by(TariffVersion.effective_from.desc())
    )
    places = (
        await session.scalars(
            select(TariffAssignment)
            .where(TariffAssignment.tariff_id == tariff_id)
            .order_by(TariffAssignment.valid_from.desc(), TariffAssignment.id)
            .limit(PLACES_SHOWN)
        )
    ).all()
    labels = await facility_labels(session, {place.facility_id for place in places})
    return TariffDetail(
        tariff=_out(row),
        versions=[
            VersionOut(
                id=v.id, effective_from=v.effective_from, effective_until=v.effective_until, data=v.data
            )
            for v in versions
        ],
        facilities=[
            AssignedTo(
                code=labels[p.facility_id].code,
                name=labels[p.facility_id].name,
                valid_from=p.valid_from,
                valid_until=p.valid_until,
            )
            for p in places
        ],
    )


async def government_priced(session: AsyncSession, facility_ids: Sequence[UUID], at: datetime) -> list[UUID]:
    """Those of these facilities at which a government price holds then, in the given order."""
    rows = await session.scalars(
        text(
            "select a.facility_id from tariff_assignment a join tariff t on t.id = a.tariff_id"
            " where a.facility_id = any(:ids) and t.pricing = 'government'"
            " and tstzrange(a.valid_from, a.valid_until) @> cast(:at as timestamptz)"
        ),
        {"ids": list(facility_ids), "at": at},
    )
    found = set(rows)
    return [facility for facility in facility_ids if facility in found]


async def place(session: AsyncSession, id_or_code: str) -> FacilityLabel:
    """A facility by id or code. Raises PlaceNotFound."""
    found = await facility_label(session, id_or_code)
    if found is None:
        raise PlaceNotFound()
    return found


def _out(row: TariffRow) -> TariffOut:
    return TariffOut(
        id=row.id,
        code=row.code,
        name=row.name,
        name_en=row.name_en,
        operator_id=row.operator_id,
        pricing=Pricing(row.pricing),
        filing_number=row.filing_number,
        source=row.source,
    )
