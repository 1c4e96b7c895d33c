"""Texts are looked through: what is found waits for a person, and what tells of somebody is never shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_cloud.ratings.screening import MASK, PERSONAL, screened
from sensor_gateway.plates import PROVINCES


@pytest.mark.parametrize(
    ("text", "found", "secret"),
    [
        ("浙E12345 一直占着我的车位", "plate", "12345"),
        ("前面那辆 浙E·D1234 5 很久了", "plate", "D1234"),
        ("浙 Ｅ １２３４５", "plate", "１２３４５"),
        ("打我电话13812345678", "phone", "13812345678"),
        ("call 138-1234-5678 please", "phone", "1234"),
        ("加我一三八一二三四五六七八", "phone", "二三四五"),
        ("电话 0572-2021234 没人接", "phone", "2021234"),
        ("我的身份证330501199001011234", "id_number", "19900101"),
        ("卡号 6222 0212 3456 7890 123", "id_number", "6222"),
        ("写信 li.ming@example.cn", "address", "li.ming"),
        ("加微信：liming_88", "address", "liming_88"),
        ("便宜停车 https://tc.example/a?b=1", "link", "tc.example"),
        ("上 parking-deals.top 看看", "link", "parking-deals"),
    ],
)
def test_it_is_found_and_masked(text: str, found: str, secret: str) -> None:
    looked = screened(text)
    assert found in looked.found
    assert secret not in looked.published
    assert MASK in looked.published


@pytest.mark.parametrize("text", ["收费员是骗 子！", "this is BULLSHIT, fuck", "你 妈 的，又涨价"])
def test_insults_wait_for_a_person(text: str) -> None:
    assert screened(text).found == ["insult"]
    assert screened(text).published == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "停了2小时，付了12元，出口在3号门左边，很好找。",
        "B2层第103号车位，灯坏了；2026年11月20日下午4:30",
        "Easy to find, 5 of 5. Paid 12.50 yuan by card.",
        "价格第一小时5元，以后每30分钟3元，封顶40元",
        "浙江的车也能停",
    ],
)
def test_what_is_harmless_is_shown_as_it_is(text: str) -> None:
    assert screened(text) == ([], text)


_GAPS = st.sampled_from(["", " ", "-", "·"])
_PLATES = st.builds(
    lambda province, letter, gap, serial: province + letter + gap + serial,
    st.sampled_from(PROVINCES),
    st.sampled_from("ABCDEFGHJK"),
    _GAPS,
    st.text("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", min_size=5, max_size=6),
)
_PHONES = st.builds(
    lambda first, gap, rest: f"1{first}{rest[:1]}{gap}{rest[1:5]}{gap}{rest[5:]}",
    st.sampled_from("3456789"),
    _GAPS,
    st.text("0123456789", min_size=9, max_size=9),
)


_AROUND = st.text("停车位很好找的吗？ ,。!abc", max_size=20)


@given(_AROUND, st.one_of(_PLATES, _PHONES), _AROUND)
def test_no_plate_and_no_number_comes_through(before: str, secret: str, after: str) -> None:
    looked = screened(f"{before} {secret} {after}")
    assert PERSONAL & set(looked.found)
    assert secret not in looked.published
    assert not re.search(r"\d{4}", looked.published)
    assert not PERSONAL & set(screened(looked.published).found)


@given(st.text(max_size=500))
def test_any_text_is_looked_through_and_what_is_published_is_clean(text: str) -> None:
    looked = screened(text)
    assert not PERSONAL & set(screened(looked.published).found)
    if not looked.found:
        assert looked.published == text
