"""Finding a space where the line is slow or away: little is loaded, and what is old is said to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from parking_cloud.launcher import Platform
from tests.e2e.browsing import chromium, phone
from tests.e2e.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.browser]

FIRST_VIEW = 200_000
"""Bytes over the line, headers included."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = phone(browser)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Nothing may go wrong in it unseen."""
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    assert faults == []


def kept_addresses(page: Page) -> list[str]:
    """All that the service worker keeps, once it has what it needs."""
    found: list[str] = page.evaluate(
        "async () => { await navigator.serviceWorker.ready; const all = [];"
        " for (const name of await caches.keys())"
        " for (const { url } of await (await caches.open(name)).keys()) all.push(new URL(url).pathname);"
        " return all; }"
    )
    return found


def test_the_first_useful_view_is_under_200_kb(
    platform: Platform, context: BrowserContext, page: Page
) -> None:
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    sizes: dict[str, int] = {}

    def finished(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = int(event["encodedDataLength"])

    line.on("Network.loadingFinished", finished)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(platform.running["api_url"])
    expect(page.locator("#list .card").first).to_be_visible()
    assert 10_000 < sum(sizes.values()) < FIRST_VIEW
    assert not [url for url in asked if "leaflet" in url.split("/")[-1] and "leaflet/" in url]
    page.locator("#switch").tap()
    expect(page.locator("#map .marker").first).to_be_visible()


def served_by_the_worker(page: Page) -> None:
    """From now on the service worker stands between the page and the network."""
    eventually("the kept pages", lambda: "/offline" in kept_addresses(page))
    page.evaluate(
        "navigator.serviceWorker.controller ?? new Promise(done =>"
        " navigator.serviceWorker.addEventListener('controllerchange', done, { once: true }))"
    )


def search(page: Page, words: str) -> None:
    page.get_by_role("combobox", name="去哪里").fill(words)
    page.get_by_role("option", name=words).first.tap()
    expect(page.locator("#summary")).to_contain_text(f"在 {words}")


def test_without_a_network_the_last_answer_is_shown_as_old(
    platform: Platform, context: BrowserContext, page: Page
) -> None:
    page.goto(platform.running["api_url"])
    expect(page.locator("#connection")).to_have_text("实时")
    served_by_the_worker(page)
    page.reload()
    expect(page.locator("#list .card").first).to_be_visible()
    eventually("the kept answer", lambda: "/v1/guidance/places" in kept_addresses(page))
    page.goto(f"{platform.running['api_url']}/me")
    context.set_offline(True)

    page.goto(platform.running["api_url"])
    expect(page.locator("#kept")).to_contain_text(re.compile(r"没有网络。这是 \d\d:\d\d 的结果"))
    expect(page.locator("#list .card.kept").first).to_be_visible()
    expect(page.locator("#list .card:not(.kept)")).to_have_count(0)
    expect(page.locator("#connection")).not_to_have_text("实时")
    expect(page.locator("#list .of").first).to_contain_text("时")
    page.goto(f"{platform.running['api_url']}/me")
    expect(page.get_by_role("heading", name="没有网络")).to_be_visible()

    context.set_offline(False)
    page.goto(platform.running["api_url"])
    expect(page.locator("#list .card:not(.kept)").first).to_be_visible()
    expect(page.locator("#kept")).to_be_hidden()
    personal = [path for path in kept_addresses(page) if path.startswith(("/me", "/v1/me", "/pay", "/book"))]
    assert personal == []


def test_without_a_network_an_answer_stays_the_one_of_its_own_place(
    platform: Platform, context: BrowserContext, page: Page
) -> None:
    page.goto(platform.running["api_url"])
    served_by_the_worker(page)
    search(page, "安吉县")
    search(page, "衣裳街停车库")
    expect(page.locator("#list .card").first).to_contain_text("走 ")
    context.set_offline(True)
    page.get_by_role("combobox", name="去哪里").fill("")
    page.get_by_role("option", name="安吉县").tap()
    expect(page.locator("#kept")).to_contain_text("查不到“安吉县”")
    expect(page.locator("#kept")).to_contain_text("在“衣裳街停车库”附近的结果")
    expect(page.locator("#summary")).to_contain_text("在 衣裳街停车库 附近")
    expect(page.locator("#list .card").first).to_contain_text("衣裳街停车库")
    expect(page.locator("#list .card").filter(has_text="走 ")).to_have_count(0)
    page.get_by_role("combobox", name="去哪里").fill("")
    page.get_by_role("option", name="衣裳街停车库").tap()
    expect(page.locator("#kept")).to_contain_text(re.compile(r"没有网络。这是 \d\d:\d\d 的结果"))
    expect(page.locator("#list .card").first).to_contain_text("走 ")


def test_where_one_stood_is_not_taken_for_where_one_stands(platform: Platform, browser: Browser) -> None:
    context, url = phone(browser), platform.running["api_url"]
    context.grant_permissions(["geolocation"], origin=url)
    context.set_geolocation({"latitude": 30.86, "longitude": 120.13})
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="我的位置").tap()
    expect(page.locator("#summary")).to_contain_text("在 我的位置 附近")
    assert page.evaluate("JSON.stringify(localStorage)").count("120.13") == 0

    context.set_geolocation({"latitude": 30.88, "longitude": 120.09})
    with page.expect_request(lambda request: "lat=30.880000&lon=120.090000" in request.url):
        page.reload()
    expect(page.locator("#summary")).to_contain_text("在 我的位置 附近")

    context.clear_permissions()
    page.reload()
    expect(page.locator("#summary")).to_contain_text("在 湖州市中心 附近")
    expect(page.get_by_role("combobox", name="去哪里")).to_have_value("")
    context.close()


def test_a_network_lost_while_looking_makes_the_numbers_old(
    platform: Platform, context: BrowserContext, page: Page
) -> None:
    page.goto(platform.running["api_url"])
    expect(page.locator("#connection")).to_have_text("实时")
    context.set_offline(True)
    expect(page.locator("#kept")).to_be_visible()
    expect(page.locator("#list .card:not(.kept)")).to_have_count(0)
    context.set_offline(False)
    expect(page.locator("#kept")).to_be_hidden()
    expect(page.locator("#list .card.kept")).to_have_count(0)


@pytest.fixture
def bare(browser: Browser) -> Iterator[Page]:
    """Without a service worker, so that answers can be put in its place; it may ask for no position."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="zh-CN", service_workers="block"
    )
    yield context.new_page()
    context.close()


def test_a_failing_service_says_so_and_is_tried_again(platform: Platform, bare: Page) -> None:
    fails = [True]

    def answer(route: Route) -> None:
        if fails:
            route.fulfill(status=503, content_type="application/json", body="{}")
        else:
            route.continue_()

    bare.route("**/v1/guidance/places*", answer)
    bare.goto(platform.running["api_url"])
    expect(bare.get_by_role("alert").filter(has_text="查找服务暂时不可用")).to_be_visible()
    fails.clear()
    bare.get_by_role("button", name="重试").click()
    expect(bare.locator("#list .card").first).to_be_visible()
    expect(bare.locator("#message")).to_be_hidden()


def test_far_from_everything_it_says_so_and_shows_the_way_back(platform: Platform, bare: Page) -> None:
    bare.goto(platform.running["api_url"])
    expect(bare.locator("#list .card").first).to_be_visible()
    bare.evaluate(
        "localStorage.setItem('parking-where', JSON.stringify({ kind: 'point', lat: 39.9, lon: 116.4 }))"
    )
    bare.reload()
    expect(bare.get_by_role("alert").filter(has_text="这一带没有接入的停车场")).to_be_visible()
    bare.get_by_role("button", name="看湖州市中心").click()
    expect(bare.locator("#list .card").first).to_be_visible()


def test_no_position_is_no_dead_end(platform: Platform, bare: Page) -> None:
    bare.goto(platform.running["api_url"])
    bare.get_by_role("button", name="我的位置").click()
    expect(bare.get_by_role("alert").filter(has_text="没有得到您的位置")).to_be_visible()
    bare.get_by_role("combobox", name="去哪里").fill("衣裳街")
    bare.get_by_role("option", name="衣裳街停车库").click()
    expect(bare.locator("#summary")).to_contain_text("在 衣裳街停车库 附近")
    expect(bare.locator("#list .card").first).to_contain_text("衣裳街停车库")
