"""A signed-in driver: nothing of a vehicle before the desk has verified it; then stays, payment, automatic
payment within a ceiling, and an objection. On a phone, through the whole platform."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from parking_cloud.launcher import Platform
from tests.e2e.browsing import chromium, phone
from tests.e2e.paying import GOOD, NAME, PRICE, ask, forget_tries, give_price, new_plate, passes, type_card
from tests.e2e.signing_in import sign_in
from tests.e2e.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.browser]


@pytest.fixture
def page(platform: Platform) -> Iterator[Page]:
    """A phone, signed in as the demo's driver; nothing may go wrong in it unseen."""
    with chromium() as browser:
        page = phone(browser).new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        sign_in(platform, page, "/me")
        expect(page.get_by_role("heading", name="我的停车")).to_be_visible()
        yield page
        assert faults == []


def verify(platform: Platform, page: Page, plate: str) -> None:
    """At the desk, on another screen: a slip of the pen first, then as the licence has it."""
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    browser = page.context.browser
    assert browser is not None
    desk = browser.new_page(viewport={"width": 1200, "height": 800})
    desk.goto(f"{platform.running['api_url']}/console")
    desk.get_by_label("用户名").fill(login["username"])
    desk.get_by_label("密码").fill(login["password"])
    desk.get_by_role("button").click()
    desk.get_by_role("link", name="车辆核对").click()
    for typed, said in (("浙E00000", "不一致"), (plate, "已通过")):
        claim = desk.locator("[data-claim]", has_text=plate[-3:])
        claim.get_by_label("行驶证上的车牌").fill(typed)
        claim.get_by_label("登记日期").fill("2020-01-01")
        claim.get_by_label("依据").fill("行驶证相符")
        claim.get_by_role("button", name="通过", exact=True).click()
        expect(desk.get_by_role("alert").or_(desk.get_by_role("status"))).to_contain_text(said)
    desk.close()


def left_unpaid(platform: Platform) -> str:
    """A vehicle that stayed for an hour and a half, and left without paying."""
    give_price(platform)
    forget_tries(platform)
    plate = new_plate()
    passes(platform, plate, "entry", 95)
    passes(platform, plate, "exit", 5)
    due = (
        "select c.id from charge c join stay s on s.id = c.stay_id"
        " join gate_event e on e.id = s.entry_event_id where e.record_id = %s and c.state = 'due'"
    )
    eventually("the charge", lambda: ask(platform, due, f"pay-entry-{plate[2:]}"))
    return plate


def test_only_after_the_desk_has_seen_the_licence(platform: Platform, page: Page) -> None:
    plate = left_unpaid(platform)
    stays = page.locator("#stays")
    page.get_by_label("车牌号").fill(plate)
    page.get_by_role("button", name="添加车辆").tap()
    vehicle = page.locator("#vehicles li", has_text=plate[-3:])
    expect(vehicle).to_contain_text("待核对行驶证")
    page.reload()
    expect(stays).to_contain_text("没有记录")
    verify(platform, page, plate)
    page.reload()
    expect(vehicle).to_contain_text("已核对")
    expect(stays.locator("li", has_text=NAME)).to_contain_text(PRICE)
    assert plate not in page.content()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.get_by_role("button", name=f"支付 {PRICE}").first.tap()
    expect(page.locator("#amount")).to_have_text(PRICE)
    page.get_by_role("button", name="银行卡").tap()
    type_card(page, GOOD)
    page.get_by_role("button", name=f"支付 {PRICE}").tap()
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()
    page.goto(f"{platform.running['api_url']}/me")
    expect(page.locator("#owed")).to_contain_text("没有待支付的费用")
    paid = stays.locator("li", has_text=NAME)
    expect(paid).to_contain_text("已结清")
    expect(paid.get_by_role("link", name="收据")).to_be_visible()

    paid.get_by_role("button", name="提出异议").tap()
    paid.get_by_role("textbox").fill("车位有遮挡，无法正常停放")
    paid.locator("form").get_by_role("button").tap()
    expect(page.get_by_role("status")).to_contain_text("异议已提交")

    vehicle.get_by_role("button", name="解绑").tap()
    expect(stays).to_contain_text("没有记录")


def test_automatic_payment_has_a_ceiling_and_can_be_paused_and_ended(page: Page) -> None:
    state = page.locator("#mandate-state")
    expect(page.get_by_role("button", name="开通自动支付")).to_be_visible()
    stay, day = page.get_by_label("每次停车上限"), page.get_by_label("每天合计上限")
    stay.fill("80")
    expect(page.locator("#day-shown")).to_have_text("80 元")  # a day's ceiling is not below a stay's
    day.fill("100")
    page.get_by_role("button", name="开通自动支付").tap()
    expect(state).to_have_text("等待您填写银行卡")
    type_card(page, GOOD)
    page.get_by_role("button", name="保存这张卡").tap()
    expect(state).to_have_text("已开通")
    stay.fill("20")
    page.get_by_role("button", name="保存上限").tap()
    expect(page.locator("#message")).to_have_text("已保存。")
    page.reload()
    expect(page.locator("#stay-shown")).to_have_text("20 元")
    expect(page.locator("#day-shown")).to_have_text("100 元")
    page.get_by_role("button", name="暂停").tap()
    expect(state).to_have_text("已暂停，不会扣款")
    page.get_by_role("button", name="恢复").tap()
    expect(state).to_have_text("已开通")
    page.get_by_role("link", name="English").tap()
    expect(page.get_by_role("heading", name="Automatic payment")).to_contain_text("on")
    page.get_by_role("button", name="End automatic payment").tap()
    expect(page.get_by_role("button", name="Set up automatic payment")).to_be_visible()
