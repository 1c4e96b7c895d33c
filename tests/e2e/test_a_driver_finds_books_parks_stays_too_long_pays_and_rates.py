"""The whole way of a driver on a phone: find a place, book it, park, stay beyond the end, pay for that alone,
and rate it. All of it goes through the whole platform; only the hours pass by moving the booking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Page, expect

from parking_cloud.launcher import Platform
from tests.e2e.accessibility import assert_accessible
from tests.e2e.browsing import chromium, phone
from tests.e2e.paying import GOOD, ask, forget_tries, new_plate, type_card
from tests.e2e.pictures import picture
from tests.e2e.sharing_scene import HALL, HALL_AT, HALL_NAME, move_back, open_hall, pass_gate, with_vehicle
from tests.e2e.signing_in import sign_in
from tests.e2e.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.browser]

HOURS_LATER = 3


@pytest.fixture
def page(platform: Platform) -> Iterator[Page]:
    """Signed in with a verified vehicle; nothing may go wrong in it unseen."""
    forget_tries(platform)
    with chromium() as browser:
        page = phone(browser).new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        sign_in(platform, page, "/me")
        yield page
        assert faults == []


def known_to_guidance(platform: Platform, intake: httpx.Client) -> None:
    """The hall's counter speaks, and what guidance answers from has heard of it and of its sharing."""
    row = {"device_id": f"{HALL}-counter", "free": 5, "observed_at": datetime.now(UTC).isoformat()}
    # The gateway hears of a new device by the directory, a moment after it was registered.
    eventually("the counter", lambda: intake.post("/v1/observations", json=[row]).status_code == 202)
    question = {"lat": HALL_AT[0], "lon": HALL_AT[1], "max_walk_m": 300}

    def bookable() -> bool:
        with httpx.Client(base_url=platform.running["api_url"], trust_env=False) as api:
            items = api.get("/v1/guidance/places", params=question).json()["items"]
        return any(place["facility"]["code"] == HALL and place["booking"] for place in items)

    eventually("the hall among the places", bookable, 90)


def find(platform: Platform, page: Page) -> None:
    lat, lon = HALL_AT
    page.goto(f"{platform.running['api_url']}/?lat={lat}&lon={lon}&name=市民中心")
    card = page.locator("#list .card", has_text=HALL_NAME)
    expect(card).to_contain_text("可预约")
    expect(card.locator(".chance strong")).to_be_visible()
    picture(page, "find-list")
    card.get_by_role("button", name=HALL_NAME).tap()
    sheet = page.get_by_role("dialog")
    sheet.get_by_role("button", name="去这里").tap()
    with page.expect_request("**/v1/guidance/choices") as told, page.expect_popup():
        sheet.get_by_role("link", name="高德地图").tap()
    assert "cookie" not in told.value.headers
    picture(page, "find-sheet")
    sheet.get_by_text("价格明细").tap()
    expect(sheet.locator(".lines tr").first).to_be_visible()
    sheet.get_by_role("link", name="预约", exact=True).tap()


def book(page: Page) -> str:
    """Half an hour, paid by card; the booking's id."""
    page.get_by_label("停多久").select_option("30")
    page.get_by_role("button", name="预约并支付 ¥2.00").wait_for()
    picture(page, "book")
    page.get_by_role("button", name="预约并支付 ¥2.00").tap()
    page.get_by_role("button", name="银行卡").tap()
    type_card(page, GOOD)
    page.get_by_role("button", name="支付 ¥2.00").tap()
    page.get_by_role("link", name="查看预约").tap()
    expect(page.locator("#state")).to_have_text("已预约")
    picture(page, "booking")
    return page.url.rpartition("/")[2]


def see_overstay(platform: Platform, page: Page, booking: str) -> None:
    overstay = "select count(*) from overstay where booking_id = %s"
    eventually("the overstay", lambda: ask(platform, overstay, booking)[0] == (1,), 90)
    page.reload()
    section = page.locator("#overstay")
    expect(section).to_contain_text("车还在场内")
    assert_accessible(page)
    section.scroll_into_view_if_needed()
    picture(page, "overstay")


def pay_the_rest(platform: Platform, page: Page, plate: str) -> None:
    """Two hours and a half beyond the booking are three at ¥6; the booked half hour is not paid twice."""
    page.goto(f"{platform.running['api_url']}/pay")
    page.get_by_label("车牌号", exact=True).fill(plate)
    page.get_by_role("button", name="查询金额").tap()
    expect(page.locator("#amount")).to_have_text("¥18.00")
    page.get_by_role("button", name="银行卡").tap()
    type_card(page, GOOD)
    page.get_by_role("button", name="支付 ¥18.00").tap()
    expect(page.get_by_role("heading", name="已支付")).to_be_visible()


def rate(platform: Platform, page: Page, stay: str) -> None:
    page.goto(f"{platform.running['api_url']}/rate/{stay}")
    expect(page.get_by_text(HALL_NAME)).to_be_visible()
    for question in page.locator("form.rate fieldset").all():
        question.locator("label.star").nth(3).click()
    picture(page, "rate")
    assert_accessible(page)
    page.get_by_role("button", name=re.compile("提交")).tap()
    expect(page.get_by_role("status").first).to_be_visible()
    assert ask(platform, "select count(*) from rating where stay_id = %s", stay)[0] == (1,)


@pytest.mark.timeout(300)
def test_found_booked_parked_overstayed_paid_and_rated(
    platform: Platform, page: Page, intake: httpx.Client
) -> None:
    open_hall(platform)
    plate = new_plate()
    with_vehicle(platform, page, plate)
    known_to_guidance(platform, intake)
    find(platform, page)
    booking = book(page)

    move_back(platform, booking, timedelta(hours=HOURS_LATER))
    pass_gate(platform, plate, "entry", minutes_ago=HOURS_LATER * 60 - 1)
    see_overstay(platform, page, booking)
    pass_gate(platform, plate, "exit", minutes_ago=0)
    charge = "select c.amount from charge c join stay s on s.id = c.stay_id where s.exited_at is not null"
    eventually("what the rest costs", lambda: (1800,) in ask(platform, charge))
    pay_the_rest(platform, page, plate)
    stays = ask(
        platform,
        "select s.id from stay s join booking b on b.plate_hash = s.plate_hash where b.id = %s",
        booking,
    )
    rate(platform, page, str(stays[0][0]))


COUNTED = {"wx-public-041": 37, "wx-public-042": 4}


@pytest.mark.timeout(300)
def test_on_a_desktop_in_english_the_map_stands_beside_the_list(
    platform: Platform, intake: httpx.Client
) -> None:
    now = datetime.now(UTC).isoformat()
    rows = [
        {"device_id": f"{code}-counter", "free": free, "observed_at": now} for code, free in COUNTED.items()
    ]
    assert intake.post("/v1/observations", json=rows).status_code == 202
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
        page.goto(f"{platform.running['api_url']}/?lang=en")
        garage = page.locator("#list .card", has_text="爱山广场停车库")
        expect(garage.locator("[data-free]")).to_have_text("37")
        assert page.locator("#list .card").first.locator(".number").get_attribute("data-load") != "full"
        expect(page.locator("#map .marker").first).to_be_visible()
        garage.get_by_role("button", name="爱山广场停车库").click()
        sheet = page.get_by_role("dialog")
        expect(sheet).to_contain_text("Why it is ranked here")
        expect(page.locator("#map .marker.chosen")).to_have_count(1)
        picture(page, "find-desktop")
        page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        page.get_by_role("radio", name="Price").check(force=True)
        expect(page.locator("#summary")).to_contain_text("car parks")
        page.reload()
        expect(page.get_by_role("radio", name="Price")).to_be_checked()
