"""Pages have every word in both languages, and name no address outside the platform."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import parking_cloud
from parking_cloud.console.health_texts import HEALTH_TEXTS
from parking_cloud.console.payment_texts import PAYMENT_TEXTS
from parking_cloud.console.place_texts import PLACE_TEXTS
from parking_cloud.driver.pay_texts import PAY_TEXTS
from parking_cloud.driver.texts import TEXTS
from parking_cloud.web.kinds import KIND_NAMES

ROOT = Path(parking_cloud.__file__).parent
SOURCES = sorted(
    path
    for page in ("driver", "console")
    for folder in ("templates", "static")
    for path in (ROOT / page / folder).iterdir()
)
LINKS_FOR_PEOPLE = ("https://uri.amap.com/",)
"""Followed by a person's click, never loaded by a page."""
NAMES = ("http://www.w3.org/2000/svg",)


@pytest.mark.parametrize("texts", [TEXTS, PAY_TEXTS, PLACE_TEXTS, PAYMENT_TEXTS, KIND_NAMES, HEALTH_TEXTS])
def test_both_languages_have_the_same_words(texts: dict[str, dict[str, str]]) -> None:
    chinese, english = texts["zh-CN"], texts["en"]
    assert chinese.keys() == english.keys()
    for key, text in chinese.items():
        assert text.strip()
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", english[key])), key


PAY_PAGE = ("pay", "card_form", "plate_field")


@pytest.mark.parametrize(("of_pay_page", "texts"), [(False, TEXTS), (True, PAY_TEXTS)])
def test_every_word_that_a_page_uses_is_there(of_pay_page: bool, texts: dict[str, dict[str, str]]) -> None:
    used: set[str] = set()
    for path in SOURCES:
        if path.parent.parent.name == "driver" and path.name.startswith(PAY_PAGE) == of_pay_page:
            used |= set(re.findall(r"\b(?:texts|t)\.([a-z_]+)\b", path.read_text()))
    assert used
    assert used - texts["en"].keys() == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_page_names_an_address_elsewhere(path: Path) -> None:
    urls = re.findall(r"https?://[^\s\"'`)]+", path.read_text())
    assert [url for url in urls if not url.startswith(LINKS_FOR_PEOPLE + NAMES)] == []
