"""The demo's tariffs: shapes that were found published, each under a name that says it is a demo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.ids import stable_id
from parking_cloud.registry.schemas import FacilityIn
from parking_cloud.registry.service import facilities_by_code
from parking_cloud.tariffs import keeping
from parking_cloud.tariffs.schemas import Pricing, TariffIn

SINCE = datetime(2025, 1, 1, tzinfo=UTC)
_BY_KIND = {
    "on_street": ("taizhou-1", "hangzhou-1", "huzhou-b", "hangzhou-2"),
    "public_offstreet": ("huzhou-a", "huzhou-b", "new-energy-longer", "panan"),
    "ancillary": ("residents-night", "huzhou-b"),
    "institution": ("shared-free", "residents-night"),
    "state_enterprise": ("residents-night",),
    "park_and_ride": ("taizhou-2", "new-energy-two-hours"),
}


class Example(msgspec.Struct, frozen=True):
    """A tariff of the demo."""

    code: str
    name: str
    name_en: str
    pricing: Pricing
    filing_number: str
    source: str
    data: dict[str, Any]


@cache
def examples() -> dict[str, Example]:
    """All of them, by code."""
    folder = files(__package__).joinpath("data/tariffs")
    read = [msgspec.json.decode(path.read_bytes(), type=Example) for path in folder.iterdir()]
    return {example.code: example for example in sorted(read, key=lambda example: example.code)}


def example_of(facility: FacilityIn) -> str:
    """The tariff of a demo facility: the same on every machine."""
    choice = _BY_KIND[facility.kind]
    return choice[sha256(facility.code.encode()).digest()[0] % len(choice)]


async def ensure_tariffs(session: AsyncSession, facilities: Sequence[FacilityIn]) -> None:
    """Every facility has a tariff; where there is one already, it stays."""
    by = Identity(user_id=stable_id("demo", "tariffs"), username="demo", role=Role.CITY_ADMINISTRATOR)
    ids: dict[str, UUID] = {}
    for example in examples().values():
        known = await keeping.find_tariff(session, example.code)
        ids[example.code] = known or await _add(session, by, example)
    known_as = await facilities_by_code(session, [facility.code for facility in facilities])
    first = {
        known_as[facility.code]: ids[example_of(facility)]
        for facility in facilities
        if facility.code in known_as
    }
    await keeping.assign_first(session, by, first, SINCE)


async def _add(session: AsyncSession, by: Identity, example: Example) -> UUID:
    said = TariffIn(
        code=example.code,
        name=example.name,
        name_en=example.name_en,
        pricing=example.pricing,
        filing_number=example.filing_number,
        source=example.source,
    )
    tariff = await keeping.save_tariff(session, by, said)
    await keeping.add_version(session, by, tariff, example.data, SINCE, SINCE)
    return tariff
