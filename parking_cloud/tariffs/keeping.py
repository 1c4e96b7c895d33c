"""Keeping tariffs: what is said about them, their versions, and where they hold. All of it is audited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.db import alone
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.registry.service import facility_label, facility_labels
from parking_cloud.tariffs.models import TariffAssignment, TariffRow, TariffVersion
from parking_cloud.tariffs.problems import InThePast, NotFiled, PlaceNotFound, TariffNotFound, TariffRefused
from parking_cloud.tariffs.schemas import Pricing, TariffIn
from parking_cloud.tariffs.shapes import Tariff
from parking_cloud.tariffs.validity import read


def accepted(data: object) -> Tariff:
    """A tariff that can be used. Raises TariffRefused that lists every fault."""
    tariff, found = read(data)
    if tariff is None:
        raise TariffRefused(errors=[{"field": f.where, "zh": f.zh, "en": f.en} for f in found])
    return tariff


async def save_tariff(session: AsyncSession, who: Identity, said: TariffIn) -> UUID:
    """Add a tariff, or change what is said about it; what it costs is in its versions.

    Raises NotAllowed, NotFiled.
    """
    row = await session.scalar(select(TariffRow).where(TariffRow.code == said.code).with_for_update())
    if row is not None:
        may_keep(who, row.operator_id, Pricing(row.pricing))
    may_keep(who, said.operator_id, said.pricing)
    if not said.filing_number.strip():
        raise NotFiled()
    if row is None:
        row = TariffRow(code=said.code)
        session.add(row)
    row.name, row.name_en, row.operator_id = said.name, said.name_en, said.operator_id
    row.pricing, row.filing_number, row.source = said.pricing.value, said.filing_number.strip(), said.source
    await session.flush()
    detail = {"code": said.code, "pricing": said.pricing.value, "filing_number": row.filing_number}
    await _audit(session, who, "tariffs.saved", "tariff", row.id, detail)
    return row.id


async def add_version(
    session: AsyncSession,
    who: Identity,
    tariff_id: UUID,
    data: object,
    effective_from: datetime,
    now: datetime,
) -> UUID:
    """From a moment on the tariff says this; versions that were to begin later are replaced.

    Only a tariff that has said nothing yet may begin in the past. Raises TariffNotFound, NotAllowed,
    TariffRefused, InThePast.
    """
    tariff = accepted(data)
    await alone(session, f"tariff {tariff_id}")
    row = await session.get(TariffRow, tariff_id)
    if row is None:
        raise TariffNotFound()
    may_keep(who, row.operator_id, Pricing(row.pricing))
    first = not await session.scalar(
        select(TariffVersion.id).where(TariffVersion.tariff_id == tariff_id).limit(1)
    )
    if effective_from < now and not first:
        raise InThePast()
    here = TariffVersion.tariff_id == tariff_id
    await session.execute(delete(TariffVersion).where(here, TariffVersion.effective_from >= effective_from))
    await session.execute(
        update(TariffVersion)
        .where(here, _later(TariffVersion.effective_until, effective_from))
        .values(effective_until=effective_from)
    )
    version = TariffVersion(
        tariff_id=tariff_id,
        effective_from=effective_from,
        data=msgspec.to_builtins(tariff),
        created_by=who.user_id,
    )
    session.add(version)
    await session.flush()
    detail = {"version": str(version.id), "effective_from": effective_from.isoformat()}
    await _audit(session, who, "tariffs.version_added", "tariff", tariff_id, detail)
    return version.id


async def assign(
    session: AsyncSession, who: Identity, facility_id: UUID, tariff_id: UUID, since: datetime, now: datetime
) -> UUID:
    """From a moment on the tariff holds at a facility; what was to hold later is replaced.

    Only a facility that has had none yet may begin in the past. Raises PlaceNotFound, TariffNotFound,
    NotAllowed, InThePast.
    """
    await alone(session, f"tariff of facility {facility_id}")
    facility = await facility_label(session, str(facility_id))
    if facility is None:
        raise PlaceNotFound()
    row = await session.get(TariffRow, tariff_id)
    if row is None:
        raise TariffNotFound()
    may_keep(who, facility.operator_id, Pricing(row.pricing))
    if row.operator_id not in (None, facility.operator_id):
        raise NotAllowed()
    here = TariffAssignment.facility_id == facility_id
    if since < now and await has_tariff(session, facility_id):
        raise InThePast()
    await session.execute(delete(TariffAssignment).where(here, TariffAssignment.valid_from >= since))
    await session.execute(
        update(TariffAssignment)
        .where(here, _later(TariffAssignment.valid_until, since))
        .values(valid_until=since)
    )
    assignment = TariffAssignment(
        facility_id=facility_id, operator_id=facility.operator_id, tariff_id=tariff_id, valid_from=since
    )
    session.add(assignment)
    await session.flush()
    detail = {"tariff": row.code, "since": since.isoformat()}
    await _audit(session, who, "tariffs.assigned", "facility", facility_id, detail)
    return assignment.id


async def assign_first(
    session: AsyncSession, who: Identity, tariffs: Mapping[UUID, UUID], since: datetime
) -> None:
    """Many facilities' first tariffs, by facility; those that have, had or will have one keep it.

    By the city alone. Raises NotAllowed.
    """
    if who.role is not Role.CITY_ADMINISTRATOR:
        raise NotAllowed()
    here = TariffAssignment.facility_id.in_(tariffs)
    had = set(await session.scalars(select(TariffAssignment.facility_id).where(here)))
    labels = await facility_labels(session, tariffs.keys() - had)
    session.add_all(
        TariffAssignment(
            facility_id=facility.id,
            operator_id=facility.operator_id,
            tariff_id=tariffs[facility.id],
            valid_from=since,
        )
        for facility in labels.values()
    )
    for facility_id in labels:
        detail = {"tariff": str(tariffs[facility_id]), "since": since.isoformat()}
        await _audit(session, who, "tariffs.assigned", "facility", facility_id, detail)


async def find_tariff(session: AsyncSession, code: str) -> UUID | None:
    """A tariff by its code; None where there is none."""
    return await session.scalar(select(TariffRow.id).where(TariffRow.code == code))


async def has_tariff(session: AsyncSession, facility_id: UUID) -> bool:
    """Whether a facility has, had or will have one."""
    here = TariffAssignment.facility_id == facility_id
    return await session.scalar(select(TariffAssignment.id).where(here).limit(1)) is not None


def _later(until: InstrumentedAttribute[datetime | None], moment: datetime) -> ColumnElement[bool]:
    return or_(until.is_(None), until > moment)


def keeps(who: Identity, operator_id: UUID | None, pricing: Pricing) -> bool:
    """An operator's staff keep its own market prices; everything else is the city's."""
    if who.role is Role.CITY_ADMINISTRATOR:
        return True
    own = who.role is Role.OPERATOR_STAFF and who.operator_id is not None and who.operator_id == operator_id
    return own and pricing is Pricing.MARKET


def may_keep(who: Identity, operator_id: UUID | None, pricing: Pricing) -> None:
    """Raises NotAllowed."""
    if not keeps(who, operator_id, pricing):
        raise NotAllowed()


async def _audit(
    session: AsyncSession, who: Identity, action: str, kind: str, subject: UUID, detail: dict[str, Any]
) -> None:
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_type=kind,
        subject_id=str(subject),
        detail=detail,
    )
