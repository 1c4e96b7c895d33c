"""The form of a guidance board: what was typed, read into what the service takes."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from parking_cloud.guidance.signs.rules import Arrow, Shows
from parking_cloud.guidance.signs.schemas import MOST_ROWS, NewSign, SignIn, SignOut
from parking_cloud.kernel.problems import InvalidInput

S = TypeVar("S", bound=SignIn)
Typed = dict[str, str]
NUMBERS = ("full_below", "open_again_at", "blank_after_s", "digits", "columns", "brightness")
_PLAIN = ("name", "level", "lat", "lon", "way", *NUMBERS)


def typed_of(sign: SignOut) -> Typed:
    """A board as its form is filled in."""
    typed = {name: str(getattr(sign, name)) for name in ("code", *_PLAIN)}
    typed |= {"level": str(sign.level.value), "facing": "" if sign.facing is None else str(sign.facing)}
    for number, row in enumerate(sign.rows):
        typed |= {
            f"label_{number}": row.label,
            f"arrow_{number}": row.arrow.value,
            f"shows_{number}": row.shows.value,
            f"facilities_{number}": " ".join(row.facilities),
            f"district_{number}": row.district or "",
        }
    return typed


def fresh() -> Typed:
    """The form of a new board."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(SignIn)}
    return {name: str(defaults[name]) for name in NUMBERS} | {"way": "poll", "level": "2"}


def read(typed: Typed, kind: type[S]) -> S:
    """What was typed. Raises InvalidInput, which says what is wrong."""
    given: dict[str, Any] = {name: typed.get(name, "").strip() for name in _PLAIN}
    if kind is NewSign:
        given["code"] = typed.get("code", "").strip()
    if facing := typed.get("facing", "").strip():
        given["facing"] = facing
    given["rows"] = [
        _row(typed, number) for number in range(MOST_ROWS) if typed.get(f"label_{number}", "").strip()
    ]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(errors=[{"field": "", "message": str(error)}]) from error


def _row(typed: Typed, number: int) -> dict[str, Any]:
    codes = typed.get(f"facilities_{number}", "").replace(",", " ").replace("，", " ").split()
    return {
        "label": typed[f"label_{number}"].strip(),
        "arrow": typed.get(f"arrow_{number}") or Arrow.NONE.value,
        "shows": typed.get(f"shows_{number}") or Shows.NUMBER.value,
        "facilities": codes,
        "district": typed.get(f"district_{number}") or None,
    }
