"""Photos of vehicle licences (行驶证): for the desk, for one decision, and then gone.

A licence names its holder and address. Its photo is kept sealed, is looked at by the desk alone with a trace
of each look, and is deleted a month after the decision; who gives the claim up takes it away at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.driver_models import LicencePhoto
from parking_cloud.accounts.models import VehicleBinding
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicle_problems import ClaimDecided, ClaimNotFound
from parking_cloud.kernel import audit
from parking_cloud.kernel.problems import NotFound
from parking_cloud.kernel.sealed import FileVault

PURPOSE = "vehicle licence"
KEPT_AFTER_DECISION = timedelta(days=30)
"""So long a refused driver may ask again why."""
KEPT_UNDECIDED = timedelta(days=90)


class NoLicencePhoto(NotFound):
    slug = "licence-photo-not-found"
    title = {"zh-CN": "没有行驶证照片", "en": "There is no photo of a licence"}
    detail = {
        "zh-CN": "司机尚未上传，或已按期删除。",
        "en": "The driver has not sent one, or its time was over.",
    }


async def keep_photo(
    session: AsyncSession, who: Identity, binding_id: UUID, photo: bytes, vault: FileVault, now: datetime
) -> None:
    """A driver shows the licence of a vehicle they claim; a later photo replaces it.

    Raises ClaimNotFound, ClaimDecided.
    """
    query = select(VehicleBinding).where(VehicleBinding.id == binding_id).with_for_update()
    binding = await session.scalar(query)
    if binding is None or binding.user_id != who.user_id:
        raise ClaimNotFound()
    if binding.state != "pending":
        raise ClaimDecided()
    values = {"sealed": vault.seal(photo), "uploaded_at": now}
    await session.execute(
        insert(LicencePhoto)
        .values(binding_id=binding_id, **values)
        .on_conflict_do_update(index_elements=["binding_id"], set_=values)
    )


async def look_at_photo(session: AsyncSession, who: Identity, binding_id: UUID, vault: FileVault) -> bytes:
    """The photo (JPEG), for the desk; the look leaves a trace. Raises NoLicencePhoto."""
    photo = await session.get(LicencePhoto, binding_id)
    if photo is None:
        raise NoLicencePhoto()
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="accounts.licence_looked_at",
        subject_type="vehicle_binding",
        subject_id=str(binding_id),
        reason="vehicle claim",
    )
    return vault.open(photo.sealed)


async def forget_old(session: AsyncSession, now: datetime) -> None:
    """Delete what has served its purpose; a regular job."""
    await session.execute(
        text(
            "delete from licence_photo p using vehicle_binding b where b.id = p.binding_id"
            " and (b.decided_at < :decided or p.uploaded_at < :undecided)"
        ),
        {"decided": now - KEPT_AFTER_DECISION, "undecided": now - KEPT_UNDECIDED},
    )
