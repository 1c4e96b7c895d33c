"""A driver sees the number change when a sensor speaks; the pages ask nobody but us."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from parking_cloud.launcher import Platform
from tests.e2e.browsing import chromium
from tests.e2e.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.browser]

GARAGE = "wx-public-042"


def say(intake: httpx.Client, free: int) -> None:
    row = {"device_id": f"{GARAGE}-counter", "free": free, "observed_at": datetime.now(UTC).isoformat()}
    assert intake.post("/v1/observations", json=[row]).status_code == 202


def look(browser: Browser, platform: Platform, api: httpx.Client, intake: httpx.Client) -> None:
    facility = api.get(f"/v1/facilities/{GARAGE}").json()["id"]
    page = browser.new_page(viewport={"width": 390, "height": 844}, locale="zh-CN")
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(platform.running["api_url"])
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    number = page.locator(f'#list [data-facility="{facility}"] [data-free]')
    for free in (37, 5):
        say(intake, free)
        expect(number).to_have_text(str(free))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    elsewhere = [url for url in asked if not url.startswith((platform.running["api_url"], "data:"))]
    assert elsewhere == []

    name = page.locator(f'#list [data-facility="{facility}"]').get_by_role("button", name="衣裳街停车库")
    name.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("衣裳街停车库")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(name).to_be_focused()
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert faults == []

    asked.clear()
    page.goto(f"{platform.running['api_url']}/docs")
    expect(page.locator(".swagger-ui .info")).to_be_visible()
    assert [url for url in asked if not url.startswith((platform.running["api_url"], "data:"))] == []


def disagree(intake: httpx.Client, administrator: httpx.Client) -> str:
    """A sensor says that its space is taken, a person that it is free; the check that this opens."""
    street = administrator.get("/v1/facilities/dq-street-016").json()["id"]
    device = administrator.get("/v1/registry/devices", params={"facility_id": street}).json()["items"][0]
    row = {"device_id": device["external_id"], "occupied": True, "observed_at": datetime.now(UTC).isoformat()}
    assert intake.post("/v1/observations", json=[row]).status_code == 202

    def found() -> str | None:
        said = {"space_id": device["space_id"], "occupied": False}
        answer = administrator.post("/v1/findings", json=said).json()["check_id"]
        return None if answer is None else str(answer)

    return eventually("the sensor's word compared with a person's", found)


def work_on_health(page: Page, check: str) -> None:
    """The health page, in Chinese and English, on a phone; the check is closed by its form."""
    page.get_by_role("link", name="设备与数据健康").click()
    expect(page.get_by_role("heading", name="数据来源")).to_be_visible()
    expect(page.locator('[data-source="observations"]')).to_contain_text("正常")
    row = page.locator(f'[data-check="{check}"]')
    row.get_by_label("核查结果").select_option("person_wrong")
    row.get_by_label("备注").fill("泊位里有车")
    row.get_by_role("button", name="结案").press("Enter")
    expect(row).to_have_count(0)
    page.get_by_role("link", name="失联").click()
    expect(page.get_by_role("link", name="失联")).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Data sources")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1200, "height": 800})
    page.get_by_role("link", name="中文").click()
    page.get_by_role("link", name="总览").click()


def enter(browser: Browser, platform: Platform, check: str) -> None:
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(f"{platform.running['api_url']}/console/health")  # not signed in: led to the door
    page.get_by_label("用户名").fill(login["username"])
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    page.get_by_label("用户名").fill(login["username"])
    page.get_by_label("密码").fill(login["password"])
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="总览")).to_be_visible()
    expect(page.locator("#facilities tbody tr").first).to_be_visible()
    work_on_health(page, check)
    page.get_by_role("button", name="退出").click()
    expect(page.get_by_label("密码")).to_be_visible()


def test_numbers_change_when_a_sensor_speaks_and_staff_sign_in(
    platform: Platform, api: httpx.Client, intake: httpx.Client, administrator: httpx.Client
) -> None:
    with chromium() as browser:
        look(browser, platform, api, intake)
        enter(browser, platform, disagree(intake, administrator))
