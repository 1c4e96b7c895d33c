"""Pages have every word in both languages, and name no address outside the platform."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import parking_cloud
from parking_cloud.console.arrears_texts import ARREARS_TEXTS
from parking_cloud.console.board_texts import BOARD_TEXTS
from parking_cloud.console.health_texts import HEALTH_TEXTS
from parking_cloud.console.payment_texts import PAYMENT_TEXTS
from parking_cloud.console.place_texts import PLACE_TEXTS
from parking_cloud.console.rating_texts import RATING_DESK_TEXTS
from parking_cloud.console.settlement_texts import SETTLEMENT_TEXTS
from parking_cloud.console.sharing_record_texts import SHARING_RECORD_TEXTS
from parking_cloud.console.stay_texts import STAY_TEXTS
from parking_cloud.console.tariff_texts import TARIFF_TEXTS
from parking_cloud.console.vehicle_texts import DESK_TEXTS
from parking_cloud.driver.book_texts import BOOK_TEXTS
from parking_cloud.driver.data_texts import DATA_TEXTS
from parking_cloud.driver.find_texts import FIND_TEXTS
from parking_cloud.driver.me_texts import ME_TEXTS
from parking_cloud.driver.overstays_texts import OVERSTAYS_TEXTS
from parking_cloud.driver.pay_texts import PAY_TEXTS
from parking_cloud.driver.quality_texts import QUALITY_TEXTS
from parking_cloud.driver.rate_texts import RATE_TEXTS
from parking_cloud.driver.receipt_texts import RECEIPT_TEXTS
from parking_cloud.driver.report_texts import REPORT_TEXTS
from parking_cloud.driver.sharing_month_texts import SHARING_MONTH_TEXTS
from parking_cloud.driver.sign_in_texts import SIGN_IN_TEXTS
from parking_cloud.driver.signs_texts import SIGNS_TEXTS
from parking_cloud.web.kinds import KIND_NAMES
from parking_cloud.web.shell_texts import SHELL_TEXTS

ROOT = Path(parking_cloud.__file__).parent
SOURCES = sorted(
    path
    for page in ("driver", "console")
    for folder in ("templates", "static")
    for path in (ROOT / page / folder).iterdir()
)
LINKS_FOR_PEOPLE: tuple[str, ...] = ()
"""Followed by a person's click, never loaded by a page."""
NAMES = ("http://www.w3.org/2000/svg",)


@pytest.mark.parametrize(
    "texts",
    [
        STAY_TEXTS,
        FIND_TEXTS,
        BOOK_TEXTS,
        PAY_TEXTS,
        ME_TEXTS,
        SIGN_IN_TEXTS,
        REPORT_TEXTS,
        DATA_TEXTS,
        RECEIPT_TEXTS,
        SIGNS_TEXTS,
        SHARING_MONTH_TEXTS,
        OVERSTAYS_TEXTS,
        SHARING_RECORD_TEXTS,
        RATE_TEXTS,
        RATING_DESK_TEXTS,
        QUALITY_TEXTS,
        BOARD_TEXTS,
        PLACE_TEXTS,
        PAYMENT_TEXTS,
        DESK_TEXTS,
        KIND_NAMES,
        SHELL_TEXTS,
        HEALTH_TEXTS,
        TARIFF_TEXTS,
        ARREARS_TEXTS,
        SETTLEMENT_TEXTS,
    ],
)
def test_both_languages_have_the_same_words(texts: dict[str, dict[str, str]]) -> None:
    chinese, english = texts["zh-CN"], texts["en"]
    assert chinese.keys() == english.keys()
    for key, text in chinese.items():
        assert text.strip()
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", english[key])), key


DRIVER_PAGES = {
    "find": (("driver.", "find", "map", "words"), FIND_TEXTS),
    "book": (("book",), BOOK_TEXTS),
    "overstays": (("overstays",), OVERSTAYS_TEXTS),
    "pay": (("pay", "card_form", "plate_field"), PAY_TEXTS),
    "quality": (("quality", "_quality"), QUALITY_TEXTS),
    "rate": (("rate",), RATE_TEXTS),
    "receipt": (("receipt", "pay_api"), RECEIPT_TEXTS),
    "report": (("report", "photo."), REPORT_TEXTS),
    "data": (("data.",), DATA_TEXTS),
    "sign in": (("sign_in",), SIGN_IN_TEXTS),
    "sharing": (("sharing_month",), SHARING_MONTH_TEXTS),
    "signs": (("signs",), SIGNS_TEXTS),
    "me": (("me", "page.js", "pay_api"), ME_TEXTS),
}


def words_used(prefixes: tuple[str, ...]) -> set[str]:
    """The texts that the driver's files with such names ask for."""
    chosen = [p for p in SOURCES if p.parent.parent.name == "driver" and p.name.startswith(prefixes)]
    return {word for path in chosen for word in re.findall(r"\b(?:texts|t)\.([a-z_]+)\b", path.read_text())}


@pytest.mark.parametrize("page", DRIVER_PAGES)
def test_every_word_that_a_page_uses_is_there(page: str) -> None:
    prefixes, texts = DRIVER_PAGES[page]
    used = words_used(prefixes)
    assert used
    assert used - texts["en"].keys() == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_page_names_an_address_elsewhere(path: Path) -> None:
    urls = re.findall(r"https?://[^\s\"'`)]+", path.read_text())
    assert [url for url in urls if not url.startswith(LINKS_FOR_PEOPLE + NAMES)] == []
