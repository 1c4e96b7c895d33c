"""A driver on a phone: the licence's photo proves the vehicle, one press starts the clock, a photo makes a
report; then they take their data and close the account. Each page reads well to a screen reader."""

from __future__ import annotations

import io
import json
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from parking_cloud.launcher import Platform
from tests.e2e.accessibility import assert_accessible
from tests.e2e.browsing import chromium
from tests.e2e.paying import ask, new_plate
from tests.e2e.signing_in import sign_in

pytestmark = [pytest.mark.stack, pytest.mark.browser]


def a_photo() -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (2600, 1800), "#8aa").save(drawn, "JPEG")
    return drawn.getvalue()


def choose_photo(page: Page, label: str) -> None:
    photo = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": a_photo()}
    page.get_by_label(label).set_input_files(photo)  # type: ignore[arg-type]


def lose_reports(page: Page, lost: int) -> list[bytes]:
    """The first reports do not arrive; the keys of all, as they are sent."""
    keys: list[bytes] = []

    def pass_on(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        found = re.search(rb'name="key"\r\n\r\n([^\r]+)', route.request.post_data_buffer or b"")
        assert found
        keys.append(found[1])
        return route.abort() if len(keys) <= lost else route.continue_()

    page.route("**/v1/me/reports", pass_on)
    return keys


def desk_verifies(platform: Platform, page: Page, plate: str) -> None:
    """On another screen: the photo is looked at, then the plate is typed from it."""
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    browser = page.context.browser
    assert browser is not None
    desk = browser.new_page(viewport={"width": 1200, "height": 800})
    desk.goto(f"{platform.running['api_url']}/console")
    desk.get_by_label("用户名").fill(login["username"])
    desk.get_by_label("密码").fill(login["password"])
    desk.get_by_role("button").click()
    desk.goto(f"{platform.running['api_url']}/console/vehicles")
    claim = desk.locator("[data-claim]", has_text=plate[-3:])
    with desk.context.expect_page() as opened:
        claim.get_by_role("button", name="查看行驶证照片").click()
    picture = opened.value.get_by_role("img", name="行驶证照片")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == 2000
    claim.get_by_label("行驶证上的车牌").fill(plate)
    claim.get_by_label("依据").fill("行驶证照片相符")
    claim.get_by_role("button", name="通过", exact=True).click()
    expect(desk.get_by_role("status")).to_contain_text("已通过")
    desk.close()


def test_from_the_first_code_to_the_closed_account(platform: Platform) -> None:
    where = "select number, st_y(cast(position as geometry)), st_x(cast(position as geometry)) from space"
    ((number, lat, lon),) = ask(platform, f"{where} where position is not null order by id limit 1")
    url, plate = platform.running["api_url"], new_plate()
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": 390, "height": 844},
            has_touch=True,
            is_mobile=True,
            locale="zh-CN",
            permissions=["geolocation"],
            geolocation={"latitude": lat, "longitude": lon},
        )
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        sign_in(platform, page, "/me")

        page.get_by_label("车牌号").fill(plate)
        page.get_by_role("button", name="添加车辆").tap()
        choose_photo(page, "上传行驶证照片")
        expect(page.get_by_role("status")).to_contain_text("已上传")
        desk_verifies(platform, page, plate)
        page.reload()
        expect(page.locator("#vehicles li", has_text=plate[-3:])).to_contain_text("行驶证")

        page.get_by_role("button", name="我停好了").tap()
        expect(page.locator("#parked-consent")).to_contain_text("不保存")
        assert_accessible(page)
        page.get_by_role("button", name="同意", exact=True).tap()
        page.locator("#parked-spaces").get_by_role("button", name=number).first.tap()
        expect(page.get_by_role("status").first).to_contain_text("已开始计时")
        expect(page.locator("#parked")).to_contain_text(number)
        page.screenshot(path=platform.home / "me.png")
        page.get_by_role("button", name="我离开了").tap()
        expect(page.locator("#parked")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

        page.get_by_role("link", name="举报违停").tap()
        expect(page.get_by_role("radio", checked=True)).to_have_count(0)
        page.get_by_label("占用消防通道").check()
        choose_photo(page, "拍照或选择照片")
        expect(page.get_by_role("img", name="第 1 张照片")).to_be_visible()
        page.get_by_role("button", name="使用我现在的位置").tap()
        expect(page.locator("#where")).to_contain_text(f"{lat:.3f}")
        assert_accessible(page)
        page.screenshot(path=platform.home / "report.png")
        keys = lose_reports(page, 2)
        for _ in range(2):
            page.get_by_role("button", name="提交举报").tap()
            expect(page.get_by_role("alert")).to_contain_text("填写的内容仍在")
        page.get_by_label("补充说明").fill("堵住了整条通道")
        page.get_by_role("button", name="提交举报").tap()
        expect(page.get_by_role("heading", name="已受理")).to_be_focused()
        assert keys[0] == keys[1] != keys[2]
        receipt = page.locator("#number").inner_text()
        page.get_by_role("link", name="回到我的").tap()
        expect(page.locator("#reports")).to_contain_text(receipt)

        page.get_by_role("link", name="我的数据与同意").tap()
        position = page.locator("#consents li", has_text="位置")
        position.get_by_role("button", name="撤回").tap()
        expect(position.get_by_role("button", name="同意")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="下载").tap()
        document = json.loads(download.value.path().read_bytes())
        assert document["reports"][0]["number"] == receipt
        page.get_by_role("button", name="查看注销的后果").tap()
        expect(page.locator("#kept")).to_contain_text("审计")
        assert_accessible(page)
        page.screenshot(path=platform.home / "data.png")
        page.get_by_role("button", name="注销我的账号").tap()
        page.wait_for_url(f"{url}/")
        page.goto(f"{url}/me")
        expect(page.get_by_label("手机号")).to_be_visible()
        assert faults == []
