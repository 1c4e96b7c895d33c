"""A driver reports with a photo: it becomes one clue, its reporter has a receipt, and reviewers see neither
the reporter nor, without a reason, the plate and the photo."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from litestar.testing import AsyncTestClient
from PIL import Image
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.enforcement import service
from parking_cloud.enforcement.schemas import Photo
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.sealed import FileVault
from parking_cloud.kernel.settings import Settings
from tests.enforcement.test_evidence_is_never_changed_after_intake import picture
from tests.factories import NOON, load_small_city
from tests.notices.parts import driver
from tests.serving import client_of

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
REVIEWER = Identity(user_id=uuid4(), username="reviewer", role=Role.ENFORCEMENT_REVIEWER)
PLATE = "浙E12345"


class Street:
    def __init__(self, client: AsyncTestClient[Any], settings: Settings, li: Identity) -> None:
        self.client, self.settings, self.li = client, settings, li

    def signed(self, who: Identity) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue(who, self.settings.secret_key, NOON)}"}

    async def reports(self, photos: int = 1, **changes: str) -> Any:
        said = {
            "key": str(uuid4()),
            "kind": "fire_lane",
            "at": NOON.isoformat(),
            "lat": "30.87",
            "lon": "120.1",
            "plate": PLATE,
            "text": "停在消防通道上",
        } | changes
        files = [("photos", (f"{n}.png", picture(), "image/png")) for n in range(photos)]
        signed = self.signed(self.li)
        return await self.client.post("/v1/me/reports", data=said, files=files, headers=signed)

    async def reviewed(self) -> Any:
        return (await self.client.get("/v1/enforcement/clues", headers=self.signed(REVIEWER))).json()

    async def looks(self, path: str, reason: str, who: Identity = REVIEWER) -> Any:
        return await self.client.post(
            f"/v1/enforcement/clues/{path}", json={"reason": reason}, headers=self.signed(who)
        )


@pytest.fixture
async def street(settings: Settings, redis: Redis, session: AsyncSession) -> AsyncIterator[Street]:
    li = await driver(session, "li")
    await load_small_city(session)
    async with client_of(settings, FixedClock(NOON)) as client:
        yield Street(client, settings, li)


async def test_its_reporter_has_a_number_and_a_state(street: Street) -> None:
    told = await street.reports(photos=3)
    assert told.status_code == 201, told.text
    receipt = told.json()
    assert receipt["number"].startswith("XS261120-")
    mine = await street.client.get("/v1/me/reports", headers=street.signed(street.li))
    assert [(r["number"], r["state"], r["photos"]) for r in mine.json()] == [
        (receipt["number"], "received", 3)
    ]


async def test_sent_again_with_its_key_it_is_the_same_report(street: Street) -> None:
    first, again = await street.reports(key="the same key"), await street.reports(key="the same key")
    assert first.json()["number"] == again.json()["number"]
    assert len((await street.reviewed())["items"]) == 1


async def test_reviewers_see_neither_the_reporter_nor_the_plate(street: Street) -> None:
    await street.reports()
    (clue,) = (await street.reviewed())["items"]
    said = str(clue)
    assert PLATE not in said
    assert str(street.li.user_id) not in said
    assert clue["confirmed"] is True
    assert clue["plate"].endswith("45")


async def test_plates_and_photos_are_seen_for_a_reason_which_is_kept(
    street: Street, session: AsyncSession
) -> None:
    clue = (await street.reports()).json()["id"]
    assert (await street.looks(f"{clue}/plate/look", "")).status_code == 422
    assert (await street.looks(f"{clue}/plate/look", "初步核查", street.li)).status_code == 403
    assert (await street.looks(f"{clue}/plate/look", "初步核查")).json() == {"plate": PLATE}
    seen = await street.looks(f"{clue}/photos/1/look", "初步核查")
    assert Image.open(io.BytesIO(seen.content)).format == "JPEG"
    assert (await street.looks(f"{clue}/photos/2/look", "初步核查")).status_code == 404
    kept = await session.execute(text("select action, reason from audit_entry order by at"))
    assert [tuple(row) for row in kept] == [
        ("enforcement.plate_shown", "初步核查"),
        ("enforcement.photo_looked_at", "初步核查"),
    ]


@pytest.mark.parametrize(
    ("changes", "photos"),
    [
        ({}, 0),
        ({}, 4),
        ({"kind": "shared_overstay"}, 1),
        ({"kind": "jaywalking"}, 1),
        ({"at": (NOON - timedelta(days=3)).isoformat()}, 1),
        ({"at": (NOON + timedelta(hours=1)).isoformat()}, 1),
        ({"at": "yesterday"}, 1),
        ({"lat": "", "lon": ""}, 1),
        ({"lat": "91"}, 1),
        ({"plate": "???"}, 1),
        ({"facility": "nowhere"}, 1),
        ({"text": "长" * 501}, 1),
    ],
)
async def test_what_is_not_complete_is_refused(
    street: Street, session: AsyncSession, changes: dict[str, str], photos: int
) -> None:
    assert (await street.reports(photos, **changes)).status_code in (400, 422)
    assert await session.scalar(text("select count(*) from clue")) == 0


@pytest.mark.parametrize(
    ("changes", "photos"), [({}, 4), ({"plate": "???"}, 1), ({"lat": "", "lon": ""}, 1), ({"key": "k"}, 1)]
)
async def test_what_is_refused_anyway_unfolds_no_photo(
    street: Street, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], photos: int
) -> None:
    async def unfolded(body: bytes, vault: FileVault) -> Photo:
        raise AssertionError("a photo was unfolded")

    monkeypatch.setattr(service, "seal_photo", unfolded)
    assert (await street.reports(photos, **changes)).status_code == 422


async def test_at_a_facility_no_position_is_needed(street: Street) -> None:
    assert (await street.reports(facility="garage", lat="", lon="", plate="")).status_code == 201
    (clue,) = (await street.reviewed())["items"]
    assert (clue["facility"], clue["lat"], clue["plate"]) == ("爱山广场停车库", None, None)


async def test_one_driver_reports_so_often(street: Street) -> None:
    for _ in range(6):
        assert (await street.reports()).status_code == 201
    assert (await street.reports()).status_code == 429
