"""What is kept of a driver's proofs, for the document of all that is kept about them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.driver_models import BarrierPayment, LicencePhoto
from parking_cloud.accounts.models import VehicleBinding
from parking_cloud.kernel.sealed import FileVault


async def licence_photos(session: AsyncSession, user_id: UUID, vault: FileVault) -> list[dict[str, Any]]:
    """The photos of licences that are kept still (JPEG, base64)."""
    rows = await session.execute(
        select(LicencePhoto.binding_id, LicencePhoto.uploaded_at, LicencePhoto.sealed)
        .join(VehicleBinding, VehicleBinding.id == LicencePhoto.binding_id)
        .where(VehicleBinding.user_id == user_id)
    )
    return [
        {"vehicle": binding, "uploaded_at": at, "base64": b64encode(vault.open(sealed)).decode()}
        for binding, at, sealed in rows
    ]


async def barrier_payments(session: AsyncSession, user_id: UUID) -> list[dict[str, Any]]:
    """The payments at barriers that count as proof."""
    rows = await session.execute(
        select(BarrierPayment.payment_id, BarrierPayment.binding_id, BarrierPayment.paid_at)
        .join(VehicleBinding, VehicleBinding.id == BarrierPayment.binding_id)
        .where(VehicleBinding.user_id == user_id)
    )
    return [{"payment": payment, "vehicle": binding, "paid_at": at} for payment, binding, at in rows]
