"""A driver rates by keyboard on a phone; a screen reader can read the pages of quality."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import anyio
import httpx
import pytest
import uvicorn
from playwright.sync_api import Page, expect
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.middleware import COOKIE
from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.app import create_app
from parking_cloud.devstack import free_port
from parking_cloud.kernel.settings import Settings
from parking_cloud.ratings.ranking import make_standing
from parking_cloud.ratings.scoring import make_scores
from tests.e2e.accessibility import assert_accessible
from tests.e2e.browsing import chromium, phone
from tests.payments.parts import minute, priced_garage
from tests.ratings.parts import holder, stayed, voted

pytestmark = [pytest.mark.stack, pytest.mark.anyio, pytest.mark.browser]
SHOTS = os.environ.get("PARKING_SCREENSHOTS", "")
"""A folder, where pictures for the documentation are wanted."""


@pytest.fixture
async def pages(settings: Settings) -> AsyncIterator[str]:
    """The application as a server of its own."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url, until = f"http://127.0.0.1:{port}", monotonic() + 30
    async with httpx.AsyncClient(trust_env=False) as client:
        while monotonic() < until:
            try:
                await client.get(f"{url}/health/live")
                break
            except httpx.TransportError:
                await anyio.sleep(0.05)
    yield url
    server.should_exit = True
    await anyio.to_thread.run_sync(thread.join)


async def test_by_keyboard_from_the_first_star_to_thanks(
    settings: Settings, session: AsyncSession, redis: object, pages: str
) -> None:
    garage = await priced_garage(session)
    now = datetime.now(UTC)
    who = await holder(session, since=minute(0))
    stay = await stayed(session, garage, at=(now - timedelta(hours=3) - minute(0)).total_seconds() / 60)
    await voted(session, garage, [5] * 40 + [3] * 20 + [4] * 60, now)
    await make_scores(session, now)
    await make_standing(session, now)
    await session.commit()
    await anyio.to_thread.run_sync(_in_the_browser, pages, str(stay), _cookie(settings, who, pages, now))
    marks = (await session.execute(text("select finding, price, text from rating where text <> ''"))).one()
    assert tuple(marks) == (4, 5, "很好找")


def _cookie(settings: Settings, who: Identity, url: str, now: datetime) -> dict[str, str]:
    return {"name": COOKIE, "value": issue(who, settings.secret_key, now), "url": url}


def _in_the_browser(url: str, stay: str, cookie: dict[str, str]) -> None:
    with chromium() as browser:
        context = phone(browser)
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.goto(f"{url}/rate/{stay}")
        assert_accessible(page)
        first = page.get_by_role("group", name="好找吗？")
        first.get_by_role("radio", name="不评").focus()
        for _ in range(2):
            page.keyboard.press("ArrowUp")
        expect(first.get_by_role("radio", name="4 星，较好")).to_be_checked()
        page.get_by_role("group", name="价格清楚吗？").get_by_role("radio", name="5 星，很好").check()
        page.get_by_label("还想说的").fill("很好找")
        _shot(page, "rate")
        page.get_by_role("button", name="提交评价").press("Enter")
        expect(page.get_by_role("status")).to_contain_text("谢谢")
        page.goto(f"{url}/quality")
        assert_accessible(page)
        page.get_by_text("怎么来的").first.press("Enter")
        _shot(page, "quality")
        page.get_by_role("link", name="爱山广场停车库").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("爱山广场停车库")
        assert_accessible(page)
        _shot(page, "quality-facility")


def _shot(page: Page, name: str) -> None:
    if SHOTS:
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=Path(SHOTS) / f"{name}.png")
