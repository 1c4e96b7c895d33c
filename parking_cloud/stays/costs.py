"""What a stay would cost, where that can be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.calendar import UnknownHolidayYear
from parking_cloud.kernel.money import Fen
from parking_cloud.tariffs.problems import NoTariff
from parking_cloud.tariffs.schemas import VehicleClass
from parking_cloud.tariffs.service import price_stay


async def cost_of(session: AsyncSession, stay: Mapping[str, Any]) -> Fen | None:
    """The price of a stay's row with both its times; None where no tariff tells it."""
    try:
        price = await price_stay(
            session,
            facility_id=stay["facility_id"],
            vehicle=VehicleClass(stay["vehicle_class"]),
            entered_at=stay["entered_at"],
            left_at=stay["exited_at"],
            plate_hash=stay["plate_hash"],
            charging_minutes=stay.get("charging_minutes", 0),
        )
    except (NoTariff, UnknownHolidayYear):
        return None
    return price.amount
