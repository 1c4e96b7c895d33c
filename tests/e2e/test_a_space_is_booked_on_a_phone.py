"""A driver books a shared space on a phone: held while it is paid, honest about the gate, cancelled with what
comes back said before, and made good when the gate stays shut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from parking_cloud.kernel.clock import city_time
from parking_cloud.launcher import Platform
from tests.e2e.accessibility import assert_accessible
from tests.e2e.browsing import chromium, phone
from tests.e2e.paying import GOOD, ask, forget_tries, new_plate, type_card
from tests.e2e.sharing_scene import HALL_NAME, open_hall, with_vehicle
from tests.e2e.signing_in import sign_in

pytestmark = [pytest.mark.stack, pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def hall(platform: Platform) -> str:
    return open_hall(platform)


@pytest.fixture
def page(platform: Platform, browser: Browser, hall: str) -> Iterator[Page]:
    """A signed-in driver with a verified vehicle; nothing may go wrong unseen."""
    forget_tries(platform)
    context = phone(browser)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    sign_in(platform, page, "/bookings")
    expect(page.get_by_text("还没有预约")).to_be_visible()
    with_vehicle(platform, page, new_plate())
    yield page
    context.close()
    assert faults == []


def book(platform: Platform, page: Page, hall: str) -> None:
    """By the hour for two hours from now, as far as the amount to pay."""
    page.goto(f"{platform.running['api_url']}/book?facility={hall}&minutes=120")
    expect(page.get_by_role("heading", name=HALL_NAME)).to_be_visible()
    expect(page.locator("#week .bar button")).not_to_have_count(0)
    expect(page.locator("#found")).to_contain_text("剩 6 个泊位")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert_accessible(page)
    page.get_by_role("button", name="预约并支付 ¥8.00").tap()
    expect(page.locator("#amount")).to_have_text("¥8.00")
    expect(page.locator("#hold")).to_contain_text(re.compile(r"还剩 9:\d\d"))


def pay(page: Page) -> None:
    page.get_by_role("button", name="银行卡").tap()
    type_card(page, GOOD)
    page.get_by_role("button", name="支付 ¥8.00").tap()
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()
    page.get_by_role("link", name="查看预约").tap()
    expect(page.locator("#state")).to_have_text("已预约")


def test_booked_paid_and_given_back(platform: Platform, page: Page, hall: str) -> None:
    book(platform, page, hall)
    page.goto(f"{platform.running['api_url']}/bookings")
    page.get_by_role("link", name=HALL_NAME).tap()
    expect(page.locator("#hold")).to_contain_text("泊位为您保留")
    page.get_by_role("button", name="去支付 ¥8.00").tap()
    pay(page)
    expect(page.locator("#space")).to_have_text(re.compile(r"A0\d 号泊位"))
    expect(page.locator("#gate")).to_be_visible()
    expect(page.get_by_role("link", name="高德地图")).to_have_attribute("href", re.compile("uri.amap.com"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    assert_accessible(page)

    expect(page.locator("#comes-back")).to_contain_text("退回 ¥")
    page.get_by_role("button", name="取消预约").tap()
    page.get_by_role("button", name="不取消").tap()
    expect(page.get_by_role("button", name="取消预约")).to_be_focused()
    page.get_by_role("button", name="取消预约").tap()
    page.get_by_role("button", name="确定取消").tap()
    expect(page.locator("#state")).to_have_text("已取消")
    expect(page.locator("#message")).to_contain_text("将原路退回")


def test_a_place_that_is_shut_now_begins_at_its_next_opening(
    platform: Platform, browser: Browser, hall: str
) -> None:
    opens = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=4)
    slot = {"starts_at": opens.isoformat(), "ends_at": (opens + timedelta(hours=8)).isoformat()}

    def shut_until_then(route: Route) -> None:
        (offer,) = (answer := route.fetch()).json()
        start = datetime.fromisoformat(parse_qs(urlsplit(route.request.url).query)["start"][0])
        shut = {"asked": None} if start < opens else {}
        route.fulfill(response=answer, json=[offer | {"open": [slot]} | shut])

    page = browser.new_page(locale="zh-CN")
    page.route("**/v1/sharing/offers*", shut_until_then)
    page.goto(f"{platform.running['api_url']}/book?facility={hall}&minutes=120")
    expect(page.locator("#moved")).to_contain_text("下一个开放的时间")
    expect(page.locator("#found")).to_contain_text(f"{city_time(opens):%H:%M}")
    expect(page.locator("#found")).to_have_attribute("data-how", "good")
    page.close()


def test_turned_away_one_press_makes_it_good(platform: Platform, page: Page, hall: str) -> None:
    book(platform, page, hall)
    pay(page)
    page.get_by_role("button", name="我被拒之门外").tap()
    expect(page.locator("#state")).to_have_text("被拒之门外")
    expect(page.locator("#message")).to_contain_text("¥8.00 将原路全额退回")
    expect(page.locator("#alternatives li").first).to_be_visible()
    assert ask(platform, "select count(*) from turn_away")[0] == (1,)


def test_what_is_longer_costs_the_difference(platform: Platform, page: Page, hall: str) -> None:
    book(platform, page, hall)
    pay(page)
    page.get_by_label("延长多久").select_option("60")
    page.get_by_role("button", name=re.compile(r"延长到 \d\d:\d\d")).tap()
    expect(page.locator("#amount")).to_have_text("¥4.00")


def test_nobody_else_sees_a_booking(platform: Platform, browser: Browser, hall: str) -> None:
    context = phone(browser)
    page = context.new_page()
    page.goto(f"{platform.running['api_url']}/bookings/00000000-0000-0000-0000-000000000000")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.goto(f"{platform.running['api_url']}/book?facility={hall}")
    expect(page.get_by_role("link", name="登录后预约")).to_have_attribute(
        "href", re.compile(r"^/sign-in\?next=%2Fbook%3Ffacility%3D")
    )
    context.close()
