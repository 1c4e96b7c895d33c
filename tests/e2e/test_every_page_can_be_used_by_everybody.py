"""No page, in either language, has a serious fault for who sees badly, listens, or uses no mouse.

The pages are those that the application has: a new one is looked at without anybody remembering to.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from litestar.routes import HTTPRoute
from playwright.sync_api import Browser, BrowserContext, Page, expect

from parking_cloud.app import create_app
from parking_cloud.kernel.settings import Settings
from parking_cloud.launcher import Platform
from tests.e2e.accessibility import assert_accessible, serious
from tests.e2e.browsing import chromium
from tests.e2e.signing_in import sign_in

pytestmark = [pytest.mark.stack, pytest.mark.browser]

NO_PAGES = ("/assets", "/docs", "/health", "/icons", "/sw.js", "/app.webmanifest", "/v1/", "/metrics")
LANGUAGES = ("zh-CN", "en")
SETTINGS = Settings(
    database_url="postgresql://nobody@127.0.0.1:1/none",
    redis_url="redis://127.0.0.1:1/0",
    secret_key="a secret only for tests, long enough",
)


def pages() -> list[str]:
    """Every page that has one address."""
    return sorted(
        route.path
        for route in create_app(SETTINGS).routes
        if isinstance(route, HTTPRoute)
        and "GET" in route.methods
        and "{" not in route.path
        and not route.path.startswith(NO_PAGES)
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def phone(browser: Browser) -> BrowserContext:
    """As `browsing.phone`, but it lets the test's own script look at pages."""
    return browser.new_context(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        locale="zh-CN",
        bypass_csp=True,
    )


@pytest.fixture(scope="module")
def driver(platform: Platform, browser: Browser) -> Iterator[BrowserContext]:
    """On a phone, signed in."""
    context = phone(browser)
    sign_in(platform, context.new_page(), "/me")
    yield context
    context.close()


@pytest.fixture(scope="module")
def stranger(browser: Browser) -> Iterator[BrowserContext]:
    """On a phone, not signed in."""
    context = phone(browser)
    context.new_page()
    yield context
    context.close()


@pytest.fixture(scope="module")
def clerk(platform: Platform, browser: Browser) -> Iterator[BrowserContext]:
    """At a desk, signed in to the console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    page = context.new_page()
    page.goto(f"{platform.running['api_url']}/console?lang=zh-CN")
    page.get_by_label("用户名").fill(login["username"])
    page.get_by_label("密码").fill(login["password"])
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="总览")).to_be_visible()
    yield context
    context.close()


@pytest.mark.parametrize("path", pages())
def test_a_page_has_no_serious_fault(
    platform: Platform, stranger: BrowserContext, driver: BrowserContext, clerk: BrowserContext, path: str
) -> None:
    context = stranger if path == "/sign-in" else clerk if path.startswith("/console") else driver
    page = context.pages[0]
    found = {}
    for language in LANGUAGES:
        answer = page.goto(f"{platform.running['api_url']}{path}?lang={language}")
        assert answer is not None
        assert (answer.status, urlsplit(answer.url).path) == (200, path)
        if "html" in answer.headers["content-type"]:
            found[language] = serious(page)
    assert not any(found.values()), found


def test_a_fault_would_be_found(platform: Platform, driver: BrowserContext) -> None:
    page = driver.pages[0]
    page.goto(f"{platform.running['api_url']}/offline")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert [fault.split()[0] for fault in serious(page)] == ["button-name"]


@pytest.fixture
def finding(platform: Platform, driver: BrowserContext) -> Page:
    page = driver.pages[0]
    page.goto(f"{platform.running['api_url']}/?lang=zh-CN")
    expect(page.locator("#list .card").first).to_be_visible()
    return page


def test_the_finding_page_has_none_however_it_is_unfolded(finding: Page) -> None:
    finding.get_by_text("车型和其他条件").tap()
    finding.get_by_role("combobox", name="去哪里").fill("路")
    expect(finding.get_by_role("option").first).to_be_visible()
    assert_accessible(finding)
    finding.keyboard.press("Escape")
    finding.locator("#list .card button").first.tap()
    finding.get_by_role("button", name="去这里").tap()
    assert_accessible(finding)
    finding.keyboard.press("Escape")
    finding.get_by_role("button", name="地图").tap()
    expect(finding.locator("#map .marker").first).to_be_visible()
    assert_accessible(finding)


def test_a_space_is_found_by_the_keyboard_alone(finding: Page) -> None:
    finding.keyboard.press("Tab")
    expect(finding.get_by_role("link", name="跳到正文")).to_be_focused()
    finding.get_by_role("combobox", name="去哪里").focus()
    finding.keyboard.type("衣裳街")
    expect(finding.get_by_role("option").first).to_be_visible()
    finding.keyboard.press("ArrowDown")
    finding.keyboard.press("Enter")
    first = finding.locator("#list .card button").first
    expect(first).to_have_text("衣裳街停车库")
    first.focus()
    finding.keyboard.press("Enter")
    expect(finding.get_by_role("dialog").get_by_role("heading", level=2)).to_be_focused()
    finding.keyboard.press("Tab")
    finding.keyboard.press("Tab")
    expect(finding.get_by_role("button", name="去这里")).to_be_focused()
    finding.keyboard.press("Enter")
    expect(finding.get_by_role("link", name="高德地图")).to_be_focused()
    finding.keyboard.press("Escape")
    expect(first).to_be_focused()
