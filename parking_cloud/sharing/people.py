"""The people of a shared facility: its operator's staff and its institution's managers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.staff import staff_of
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.problems import NotAllowed
from parking_cloud.notices.schemas import Reader, Texts
from parking_cloud.notices.service import tell
from parking_cloud.registry.service import FacilityLabel
from parking_cloud.registry.sharing import SharingFacility, sharing_facilities


async def tell_staff(
    session: AsyncSession, place: FacilityLabel, kind: str, key: str, texts: Texts, now: datetime
) -> None:
    """Tell the people of a facility, each once."""
    shared = await sharing_facilities(session, facility_ids=[place.id])
    institutions = [each.institution_id for each in shared if each.institution_id is not None]
    for user in await staff_of(session, operators=[place.operator_id], institutions=institutions):
        await tell(
            session,
            reader=Reader(user_id=user),
            kind=kind,
            dedupe_key=f"{key} {user}",
            texts=texts,
            now=now,
        )


async def facilities_for(session: AsyncSession, who: Identity) -> list[SharingFacility]:
    """The shared facilities that somebody answers for; the city and its auditors see all."""
    found = await sharing_facilities(session)
    match who.role:
        case Role.INSTITUTION_MANAGER:
            return [each for each in found if each.institution_id == who.institution_id is not None]
        case Role.OPERATOR_STAFF:
            return [each for each in found if each.operator_id == who.operator_id]
        case Role.CITY_ADMINISTRATOR | Role.AUDITOR:
            return found
        case _:
            raise NotAllowed()
