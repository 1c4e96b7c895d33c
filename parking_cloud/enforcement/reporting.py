"""A driver reports what they saw: one kind, where and when, with photos. It is a clue, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.enforcement import service
from parking_cloud.enforcement.models import ClueKind
from parking_cloud.enforcement.schemas import ClueSource, Photo
from parking_cloud.kernel.coordinates import Position
from parking_cloud.kernel.limits import Limit, network_of
from parking_cloud.kernel.problems import InvalidInput
from parking_cloud.registry.service import facility_label
from sensor_gateway.plates import NoPlate, parse_plate
from sensor_gateway.sealing import PlateVault

MOST_PHOTOS = 3
OLDEST = timedelta(days=2)
"""What was seen longer ago cannot be looked at any more."""
LONGEST_TEXT = 500
_BY_DRIVER = (("h", 6, timedelta(hours=1)), ("d", 20, timedelta(days=1)))
_BY_ADDRESS = ("h", 60, timedelta(hours=1))


class Report(NamedTuple):
    """What a driver says."""

    key: str
    """Of the reporter's own making: sent again, it is the same report."""
    kind: str
    text: str
    at: datetime
    position: Position | None
    facility: str
    """Id or code; empty where it is not of a facility."""
    plate: str
    """Empty where there is none, or it could not be read."""


class ReportIncomplete(InvalidInput):
    slug = "report-incomplete"
    title = {"zh-CN": "举报内容不完整", "en": "The report is not complete"}


def limits(who: Identity, address: str) -> list[Limit]:
    """How often one may report."""
    name, most, window = _BY_ADDRESS
    return [
        *(Limit(f"report:{n}:{who.user_id}", m, w) for n, m, w in _BY_DRIVER),
        Limit(f"report-from:{name}:{network_of(address)}", most, window),
    ]


def check(report: Report, photos: int, now: datetime) -> None:
    """Refuse what can be refused before any photo is unfolded, which is dear. Raises ReportIncomplete."""
    faults = _faults(report, photos, now)
    if faults:
        raise ReportIncomplete(errors=faults)


async def take_report(
    session: AsyncSession,
    who: Identity,
    report: Report,
    photos: Sequence[Photo],
    vault: PlateVault,
    now: datetime,
) -> UUID:
    """The clue that a report becomes. Raises ReportIncomplete, UnknownKind."""
    check(report, len(photos), now)
    kind = await session.get(ClueKind, report.kind)
    if kind is None or not kind.reportable:
        raise service.UnknownKind(errors=[{"field": "kind", "message": "unknown"}])
    facility = await facility_label(session, report.facility) if report.facility else None
    if report.facility and facility is None:
        raise ReportIncomplete(errors=[{"field": "facility", "message": "unknown"}])
    plate = parse_plate(report.plate) if report.plate.strip() else None
    return await service.add_clue(
        session,
        cause=f"report {who.user_id} {report.key}",
        kind=report.kind,
        source=ClueSource.REPORT,
        at=report.at,
        text=report.text.strip(),
        facility_id=facility.id if facility else None,
        position=report.position,
        plate_hash=vault.lookup_hash(plate) if plate else None,
        plate_sealed=vault.seal(plate) if plate else None,
        photos=photos,
        reporter=who.user_id,
        now=now,
    )


def _faults(report: Report, photos: int, now: datetime) -> list[dict[str, str]]:
    found = []
    if not 1 <= photos <= MOST_PHOTOS:
        found.append({"field": "photos", "message": f"1 to {MOST_PHOTOS} are needed"})
    if report.at.tzinfo is None or not now - OLDEST <= report.at <= now + timedelta(minutes=2):
        found.append({"field": "at", "message": "not ahead, and not over two days ago"})
    if report.position is None and not report.facility:
        found.append({"field": "lat, lon", "message": "needed, or a facility"})
    if len(report.text) > LONGEST_TEXT:
        found.append({"field": "text", "message": f"at most {LONGEST_TEXT} characters"})
    try:
        if report.plate.strip():
            parse_plate(report.plate)
    except NoPlate as error:
        found.append({"field": "plate", "message": str(error)})
    return found
