"""The demo's driver (演示) signs in by phone, as drivers do: with a vehicle, one that waits for the desk,
and two reports."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from PIL import Image, ImageDraw
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts import licences, vehicles
from parking_cloud.accounts.models import User
from parking_cloud.accounts.phone_codes import PhoneBook, give_phone, holder_of
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import identity_of
from parking_cloud.accounts.tokens import Identity
from parking_cloud.accounts.vehicles import ClaimDecision, VehicleIn
from parking_cloud.driver.signing_in import DEMO_PHONE
from parking_cloud.enforcement import service as enforcement
from parking_cloud.enforcement.schemas import ClueSource
from parking_cloud.kernel.coordinates import Position
from parking_cloud.kernel.ids import stable_id
from parking_cloud.kernel.sealed import FileVault
from parking_cloud.kernel.settings import Settings
from sensor_gateway.sealing import PlateVault

OWN, CLAIMED = "浙E88D66", "浙E99D77"
_DESK = Identity(user_id=stable_id("demo", "desk"), username="demo desk", role=Role.CITY_ADMINISTRATOR)
_REPORTS = (
    ("fire_lane", "演示：两辆车停在小区消防通道上", Position(30.8712, 120.1003), 3),
    ("non_motor", "演示：共享单车堆在人行道上，轮椅过不去", Position(30.8688, 120.0958), 26),
)
"""Kind, words, place, and hours ago."""


async def ensure_people(session: AsyncSession, drivers: Sequence[User], settings: Settings) -> None:
    """The first of the demo's drivers; loaded again, nothing changes."""
    book, now = PhoneBook(settings.plate_key), datetime.now(UTC)
    if not drivers or await holder_of(session, book, DEMO_PHONE) is not None:
        return
    who = identity_of(drivers[0])
    await give_phone(session, book, who.user_id, DEMO_PHONE, now)
    await _vehicles(session, who, settings, now)
    await _reports(session, who, settings, now)


async def _vehicles(session: AsyncSession, who: Identity, settings: Settings, now: datetime) -> None:
    vault = PlateVault(settings.plate_key)
    own = await vehicles.claim(session, who, VehicleIn(OWN), vault, now)
    seen = ClaimDecision(verified=True, reason="演示：行驶证相符", plate=OWN)
    await vehicles.decide(session, _DESK, own.id, seen, vault, now)
    claimed = await vehicles.claim(session, who, VehicleIn(CLAIMED), vault, now)
    photo_vault = FileVault(settings.plate_key, licences.PURPOSE)
    await licences.keep_photo(session, who, claimed.id, _picture("DEMO  E99D77"), photo_vault, now)


async def _reports(session: AsyncSession, who: Identity, settings: Settings, now: datetime) -> None:
    vault = FileVault(settings.plate_key, enforcement.PURPOSE)
    for kind, words, position, hours in _REPORTS:
        at = now - timedelta(hours=hours)
        await enforcement.add_clue(
            session,
            cause=f"demo report {kind}",
            kind=kind,
            source=ClueSource.REPORT,
            at=at,
            text=words,
            position=position,
            photos=[await enforcement.seal_photo(_picture(f"DEMO  {kind}"), vault)],
            reporter=who.user_id,
            now=at,
        )


def _picture(words: str) -> bytes:
    """Plain, with a word on it: nobody takes it for a real one."""
    drawn = io.BytesIO()
    image = Image.new("RGB", (900, 600), "#dfe8e6")
    ImageDraw.Draw(image).text((60, 260), words, fill="#0b5d55", font_size=64)
    image.save(drawn, "JPEG")
    return drawn.getvalue()
