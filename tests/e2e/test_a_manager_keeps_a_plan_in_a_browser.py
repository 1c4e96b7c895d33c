"""An institution's manager sees what is open and booked, changes the plan with its preview, and closes it in
an emergency."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from parking_cloud.kernel.clock import CITY_ZONE
from parking_cloud.launcher import Platform
from tests.e2e.browsing import chromium

pytestmark = [pytest.mark.stack, pytest.mark.browser]


def sign_in(page: Page, platform: Platform) -> None:
    login = next(x for x in platform.running["logins"] if x["role"] == "institution_manager")
    page.goto(f"{platform.running['api_url']}/console/sharing")  # not signed in: led to the door
    page.get_by_label("用户名").fill(login["username"])
    page.get_by_label("密码").fill(login["password"])
    page.get_by_role("button").click()
    page.get_by_role("link", name="共享泊位").click()
    page.get_by_role("link", name="湖州市民服务中心共享停车场").click()


def change_the_plan(page: Page) -> None:
    preview = page.locator("#preview")
    expect(preview).to_contain_text("个泊位")
    expect(preview).to_contain_text("达到模板的要求")
    page.get_by_role("button", name="删除").first.click()
    expect(preview).to_contain_text("模板要求的")
    page.get_by_role("button", name="按城市模板填写时段").click()
    expect(preview).to_contain_text("达到模板的要求")
    expect(page.locator("#windows .window")).to_have_count(3)
    page.get_by_label("泊位（空为全部").first.fill("999")
    page.get_by_role("button", name="保存并发布").click()
    expect(page.get_by_role("status").first).to_contain_text("999")
    page.get_by_label("泊位（空为全部").first.fill("")
    page.get_by_label("给驾驶人的提示").fill("演示：请走东门")
    with page.expect_navigation():
        page.get_by_role("button", name="保存并发布").click()
    expect(page.get_by_label("给驾驶人的提示")).to_have_value("演示：请走东门")


def close_it(page: Page) -> None:
    start = datetime.now(CITY_ZONE) + timedelta(days=2)
    page.locator("#closing-form [name=start]").fill(f"{start:%Y-%m-%dT00:00}")
    page.locator("#closing-form [name=end]").fill(f"{start:%Y-%m-%dT23:00}")
    expect(page.locator("#concerned")).to_contain_text("涉及")
    page.locator("#closing-form [name=reason]").fill("演示：抢修")
    page.get_by_role("button", name="关闭并通知预约人").click()
    expect(page.get_by_text("演示：抢修")).to_be_visible()
    page.get_by_role("button", name="提前恢复开放").click()
    expect(page.get_by_text("已恢复")).to_be_visible()


def on_a_phone(page: Page) -> None:
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="When it is open in the next 14 days")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_plan_is_kept(platform: Platform) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        sign_in(page, platform)
        change_the_plan(page)
        close_it(page)
        on_a_phone(page)
        assert faults == []
