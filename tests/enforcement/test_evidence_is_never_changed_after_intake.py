"""A clue comes in once, and says afterwards what it said: by the database, whoever asks."""

from __future__ import annotations

import io
from hashlib import sha256

import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import upsert_user
from parking_cloud.enforcement import service
from parking_cloud.enforcement.schemas import ClueSource, Photo
from parking_cloud.kernel.coordinates import Position
from parking_cloud.kernel.photos import PhotoRefused, redrawn
from parking_cloud.kernel.sealed import FileVault
from tests.factories import NOON

pytestmark = [pytest.mark.stack, pytest.mark.anyio]
VAULT = FileVault("5c" * 32, service.PURPOSE)


def picture() -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(drawn, "PNG")
    return drawn.getvalue()


async def received(session: AsyncSession, cause: str = "a test", photos: tuple[Photo, ...] = ()) -> str:
    user = await upsert_user(session, username="driver", password="a password", role=Role.DRIVER)
    clue = await service.add_clue(
        session,
        cause=cause,
        kind="fire_lane",
        source=ClueSource.REPORT,
        at=NOON,
        text="停在消防通道上",
        position=Position(30.87, 120.1),
        photos=photos,
        reporter=user.id,
        now=NOON,
    )
    await session.commit()
    return str(clue)


async def test_told_again_it_is_the_same_clue(session: AsyncSession) -> None:
    first = await received(session)
    assert await received(session) == first
    assert await received(session, "another") != first


async def test_a_photo_is_kept_byte_for_byte_and_sealed(session: AsyncSession) -> None:
    photo = await service.seal_photo(picture(), VAULT)
    await received(session, photos=(photo,))
    row = (await session.execute(text("select sealed, sha256, media_type from clue_evidence"))).one()
    assert picture() not in bytes(row.sealed)
    assert VAULT.open(bytes(row.sealed)) == picture()
    assert bytes(row.sha256) == sha256(picture()).digest()
    assert row.media_type == "image/png"


async def test_what_only_calls_itself_a_photo_is_refused() -> None:
    for body in (b"", b"<svg onload=alert(1)>", b"\xff\xd8\xff not really", picture()[:60]):
        with pytest.raises(PhotoRefused):
            await service.seal_photo(body, VAULT)


async def test_a_picture_with_a_second_one_behind_it_is_a_jpeg() -> None:
    """Some phones take such."""
    taken = io.BytesIO()
    first, second = (Image.new("RGB", (64, 48), color) for color in ("red", "blue"))
    first.save(taken, "MPO", save_all=True, append_images=[second])
    assert (await service.seal_photo(taken.getvalue(), VAULT)).media_type == "image/jpeg"
    assert Image.open(io.BytesIO(await redrawn(taken.getvalue()))).size == (64, 48)


async def test_a_small_file_that_unfolds_to_a_huge_picture_is_refused() -> None:
    folded = io.BytesIO()
    Image.new("1", (5001, 5000)).save(folded, "PNG")
    with pytest.raises(PhotoRefused):
        await service.seal_photo(folded.getvalue(), VAULT)


@pytest.mark.parametrize(
    "deed",
    [
        "update clue_evidence set sealed = 'x'",
        "delete from clue_evidence",
        "update clue set text = 'other'",
        "update clue set at = now()",
        "delete from clue",
    ],
)
async def test_the_database_refuses_to_change_it(session: AsyncSession, deed: str) -> None:
    await received(session, photos=(await service.seal_photo(picture(), VAULT),))
    with pytest.raises(DBAPIError):
        await session.execute(text(deed))


async def test_only_its_reporter_can_be_forgotten(session: AsyncSession) -> None:
    await received(session)
    reporter = await session.scalar(text("select reporter_id from clue"))
    assert len(await service.receipts_of(session, reporter, "zh-CN")) == 1
    await service.forget_reporter(session, reporter)
    await session.commit()
    assert await service.receipts_of(session, reporter, "zh-CN") == []
    with pytest.raises(DBAPIError):
        await session.execute(text("update clue set reporter_id = (select id from user_account)"))
