"""What systems write for "no plate" is no plate, and not one that all vehicles without a plate share."""

from __future__ import annotations

import pytest

from sensor_gateway.plates import NoPlate, Plate, PlateKind, parse_plate
from sensor_gateway.sealing import PlateVault

WORDS = ["无牌车", "无牌", "无牌照", "无车牌", "未识别", "无", "未知"]
ENGLISH = ["NOPLATE", "NO PLATE", "no_plate", "No-Plate", "UNKNOWN", "unknown", "NULL", "null", "None"]


@pytest.mark.parametrize("around", ["{}", "_{}_", "-{}-", "  {} ", "__{}", "·{}·"])
@pytest.mark.parametrize("word", [*WORDS, *ENGLISH, "0", "000000", "0-0_0", "ＮＵＬＬ", "００００"])
def test_the_words_for_no_plate_are_none(word: str, around: str) -> None:
    with pytest.raises(NoPlate, match="says that no plate was read"):
        parse_plate(around.format(word))


@pytest.mark.parametrize("text", ["", " ", "----", "_", "***", "？？？", "/"])
def test_where_nothing_is_left_to_read_there_is_none(text: str) -> None:
    with pytest.raises(NoPlate, match="no plate was given"):
        parse_plate(text)


@pytest.mark.parametrize("text", ["无A12345", "NULL1", "00001", "10", "UNKNOWN7", "沪A00000", "NOPLATE2"])
def test_a_plate_that_only_looks_like_it_is_one(text: str) -> None:
    assert parse_plate(text).reveal() == text


def test_what_was_sealed_as_a_plate_can_still_be_opened() -> None:
    """Sealed before these words were known, it must not look like tampering."""
    vault = PlateVault("11" * 32)
    sealed = vault.seal(Plate("无牌车", PlateKind.SPECIAL))
    assert vault.open(sealed).reveal() == "无牌车"
