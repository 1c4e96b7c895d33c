"""Number plates: read generously, kept as secrets.

The serial rules follow GA 36 as used in practice (no I or O in a serial; new-energy plates have one
character more). What fits no known shape is `special`: no vehicle is ever refused for its plate.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_SERIAL = "A-HJ-NP-Z0-9"
_HEAD = f"[{PROVINCES}][A-HJ-NP-Z]"
_IGNORED = re.compile(r"[\s·•・.\-_]+")
_LONGEST = 16
_NO_PLATE = re.compile("无|无牌|无牌车|无牌照|无车牌|未识别|未识别车牌|未知|NOPLATE|NONE|UNKNOWN|NULL|0+")
"""What cameras and barrier systems write where they have read none, once it is normalised. Taken for a plate,
all the vehicles without one would be one vehicle."""


class PlateKind(StrEnum):
    ORDINARY = "ordinary"
    NEW_ENERGY_SMALL = "new_energy_small"
    NEW_ENERGY_LARGE = "new_energy_large"
    POLICE = "police"
    TRAINER = "trainer"
    TRAILER = "trailer"
    HONG_KONG = "hong_kong"
    MACAO = "macao"
    EMBASSY = "embassy"
    CONSULATE = "consulate"
    MILITARY = "military"
    ARMED_POLICE = "armed_police"
    SPECIAL = "special"
    """Anything else: temporary, emergency, foreign, old styles."""


_SHAPES: list[tuple[PlateKind, re.Pattern[str]]] = [
    (kind, re.compile(shape))
    for kind, shape in [
        (PlateKind.NEW_ENERGY_SMALL, rf"{_HEAD}[A-HJK][A-HJ-NP-Z0-9]\d{{4}}"),
        (PlateKind.NEW_ENERGY_LARGE, rf"{_HEAD}\d{{5}}[A-HJK]"),
        (PlateKind.POLICE, rf"{_HEAD}[{_SERIAL}]{{4}}警"),
        (PlateKind.TRAINER, rf"{_HEAD}[{_SERIAL}]{{4}}学"),
        (PlateKind.TRAILER, rf"{_HEAD}[{_SERIAL}]{{4}}挂"),
        (PlateKind.HONG_KONG, rf"粤Z[{_SERIAL}]{{4}}港"),
        (PlateKind.MACAO, rf"粤Z[{_SERIAL}]{{4}}澳"),
        (PlateKind.EMBASSY, r"使\d{6}|\d{6}使"),
        (PlateKind.CONSULATE, rf"{_HEAD}\d{{4}}领|[{PROVINCES}][A-HJ-NP-Z0-9]\d{{4}}领"),
        (PlateKind.ARMED_POLICE, rf"WJ[{PROVINCES}]?\d{{4}}[{_SERIAL}]"),
        (PlateKind.MILITARY, r"[A-HJ-NP-VZ][A-HJ-NP-Z]\d{5}"),
        (PlateKind.ORDINARY, rf"{_HEAD}[{_SERIAL}]{{5}}"),
    ]
]


class NoPlate(ValueError):
    """Nothing was given that could be a plate, or the words of some system for that there was none."""


class Plate:
    """A plate. It prints masked, so that it does not leak into logs; `reveal()` gives the text."""

    __slots__ = ("_text", "kind")

    def __init__(self, text: str, kind: PlateKind) -> None:
        self._text = text
        self.kind = kind

    def reveal(self) -> str:
        """The normalised text: upper case, without separators."""
        return self._text

    def masked(self) -> str:
        """Enough to recognise one's own car, too little to find another's: 浙E·**345."""
        head, rest = self._text[:2], self._text[2:]
        return f"{head}·{'*' * max(len(rest) - 3, 2)}{rest[-3:] if len(rest) > 4 else ''}"

    def __repr__(self) -> str:
        return f"Plate({self.masked()}, {self.kind})"

    __str__ = masked

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plate) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def _normalise(text: str) -> str:
    """Upper case, half width, without separators; doing it again changes nothing."""
    for _ in range(3):
        plain = unicodedata.normalize("NFKC", text).upper()
        plain = "".join(c for c in _IGNORED.sub("", plain) if c.isprintable())[:_LONGEST]
        if plain == text:
            break
        text = plain
    return text


def parse_plate(text: str) -> Plate:
    """A plate as written by people or cameras. Raises NoPlate only where nothing is left to read, or what is
    left says that there is none."""
    normal = _normalise(text)
    if not any(c.isalnum() for c in normal):
        raise NoPlate("no plate was given")
    if _NO_PLATE.fullmatch(normal):
        raise NoPlate("it says that no plate was read")
    return plate_of(normal)


def plate_of(normal: str) -> Plate:
    """The plate of a text that is normalised already: one that `reveal` gave."""
    for kind, shape in _SHAPES:
        if shape.fullmatch(normal):
            return Plate(normal, kind)
    return Plate(normal, PlateKind.SPECIAL)
