"""A driver signs in by phone, as the page asks."""

from __future__ import annotations

import itertools

from playwright.sync_api import Page, expect

from parking_cloud.launcher import Platform

_PHONES = (f"1380013{n:04}" for n in itertools.count(8001))


def sign_in(platform: Platform, page: Page, to: str) -> None:
    """A driver whom nobody has seen before goes to a page that asks who they are, and gets there."""
    page.goto(f"{platform.running['api_url']}/sign-in?next={to}")
    page.get_by_label("手机号").fill(next(_PHONES))
    page.get_by_role("button", name="获取验证码").tap()
    code = page.locator("#demo-code").inner_text()
    page.get_by_label("短信验证码").fill(f"{(int(code) + 1) % 1_000_000:06}")
    page.get_by_role("button", name="登录").tap()
    expect(page.get_by_role("alert")).to_contain_text("验证码不正确")
    page.get_by_label("短信验证码").fill(code)
    page.get_by_role("button", name="登录").tap()
    page.wait_for_url(f"**{to}")
