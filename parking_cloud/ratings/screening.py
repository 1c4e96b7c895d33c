"""What is looked for in what people write before others read it: pure, and generous in what it finds.

What is found is held for a person, and what tells of somebody (plates, numbers to call, identity cards) is
masked whatever the person decides. Positions hold between the text and what it is matched as: only single
characters are replaced by others.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sensor_gateway.plates import PROVINCES

_INSULTS = Path(__file__).parent / "data" / "insults.txt"
MASK = "＊＊＊"
_GAP = r"[\s\-_·•・.,，、/]?"
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_DIGITS = dict(zip(map(ord, "零〇一二三四五六七八九两幺①②③④⑤⑥⑦⑧⑨"), "0012345678921123456789", strict=True))


class Found(StrEnum):
    """Why a text is held."""

    PLATE = "plate"
    PHONE = "phone"
    ID_NUMBER = "id_number"
    """Of a person or of a bank card."""
    ADDRESS = "address"
    """Of mail, or of an account to write to."""
    LINK = "link"
    INSULT = "insult"


PERSONAL = frozenset({Found.PLATE, Found.PHONE, Found.ID_NUMBER, Found.ADDRESS})


class Screened(NamedTuple):
    """What was found, and the text with what tells of people masked."""

    found: list[Found]
    published: str


def _with_gaps(*parts: str) -> str:
    return _GAP.join(parts)


_ID_NUMBER = _with_gaps(*[r"\d"] * 14) + rf"(?:{_GAP}\d){{1,5}}{_GAP}[Xx]?"
_MOBILE = _with_gaps("1", "[3-9]", *[r"\d"] * 9)
_LANDLINE = rf"0\d{{2,3}}{_GAP}" + _with_gaps(*[r"\d"] * 7) + rf"(?:{_GAP}\d)?"
_PLATE = (
    rf"[{PROVINCES}]{_GAP}[A-Za-z]{_GAP}"
    + _with_gaps(*["[A-Za-z0-9]"] * 4)
    + (rf"(?:{_GAP}[A-Za-z0-9警学挂领港澳]){{1,2}}")
)
_MAIL = r"[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+)+"
_ACCOUNT = r"(?i:微信号?|weixin|wechat|vx|v信|qq号?)\s*[:：是为]?\s*[A-Za-z0-9][\w-]{4,}"
_LINK = (
    r"(?i:https?://\S+|www\.\S+"
    r"|\b[\w-]+\.(?:com|cn|net|org|cc|top|xyz|vip|site|shop|info|io|me|link)\b(?:/\S*)?)"
)
_SHAPES = [
    (Found.ADDRESS, re.compile(_MAIL)),
    (Found.ADDRESS, re.compile(_ACCOUNT)),
    (Found.ID_NUMBER, re.compile(rf"(?<!\d){_ID_NUMBER}(?!\d)")),
    (Found.PHONE, re.compile(rf"(?<!\d)(?:\+?86{_GAP})?{_MOBILE}(?!\d)")),
    (Found.PHONE, re.compile(rf"(?<!\d){_LANDLINE}(?!\d)")),
    (Found.PLATE, re.compile(_PLATE)),
    (Found.LINK, re.compile(_LINK)),
]
_SIGNS = re.compile(r"[\W_]+")


def screened(text: str) -> Screened:
    """A text, looked through. Links are masked as well: nobody is led away by what a stranger wrote."""
    found: list[Found] = []
    published = text
    for kind, shape in _SHAPES:
        published, count = _masked(published, shape)
        if count:
            found.append(kind)
    if _insults(text):
        found.append(Found.INSULT)
    return Screened(list(dict.fromkeys(found)), published)


def _masked(text: str, shape: re.Pattern[str]) -> tuple[str, int]:
    spans = [match.span() for match in shape.finditer(_matched_as(text))]
    for start, end in reversed(spans):
        text = text[:start] + MASK + text[end:]
    return text, len(spans)


def _matched_as(text: str) -> str:
    """Digits and letters as people write them to slip through: full width, circled, in Chinese."""
    return text.translate(_FULL_WIDTH).translate(_DIGITS)


@cache
def _words() -> tuple[list[str], re.Pattern[str]]:
    lines = [line.strip() for line in _INSULTS.read_text(encoding="utf-8").splitlines()]
    words = [line for line in lines if line and not line.startswith("#")]
    latin = [word for word in words if word.isascii()]
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, latin))})\b", re.IGNORECASE)
    return [word for word in words if not word.isascii()], pattern


def _insults(text: str) -> bool:
    chinese, latin = _words()
    folded = text.translate(_FULL_WIDTH)
    together = _SIGNS.sub("", folded).lower()
    return latin.search(folded) is not None or any(word in together for word in chinese)
