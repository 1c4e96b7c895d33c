"""Stripe's wire: nested forms in, errors of one shape out."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

Said = dict[str, Any]
"""What a request says: nested, every leaf a string."""

_STEP = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(
        self,
        status: int,
        kind: str,
        code: str,
        message: str,
        *,
        param: str = "",
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        """Set: the request was not understood, and nothing was begun."""
        self._error = {"type": kind, "code": code, "message": message} | (more or {})
        if param:
            self._error["param"] = param

    def body(self) -> dict[str, Any]:
        return {"error": self._error}


def invalid(code: str, message: str, *, param: str = "", status: int = 400) -> Refusal:
    """The caller's mistake."""
    return Refusal(status, "invalid_request_error", code, message, param=param)


def read_form(text: str) -> Said:
    """`a[b][0]=c` → {"a": {"b": ["c"]}}."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        steps = _STEP.findall(name)
        place = tree
        for step in steps[:-1]:
            below = place.setdefault(step, {})
            if not isinstance(below, dict):
                raise invalid("parameter_invalid", f"{name} is both a value and a group", param=name)
            place = below
        last = steps[-1] if steps else name
        place[last or str(len(place))] = value
    return {name: _lists(value) for name, value in tree.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    made = {name: _lists(below) for name, below in value.items()}
    if made and all(name.isdecimal() for name in made):
        return [made[name] for name in sorted(made, key=int)]
    return made


def whole(said: Said, name: str) -> int:
    """A required whole number above zero."""
    text = str(said.get(name, ""))
    if not text.isascii() or not text.isdecimal() or len(text) > 12 or int(text) == 0:
        code = "parameter_missing" if not text else "parameter_invalid_integer"
        raise invalid(code, f"{name} has to be a whole number above zero", param=name)
    return int(text)


def needed(said: Said, name: str) -> str:
    """A required text."""
    text = said.get(name)
    if not isinstance(text, str) or not text:
        raise invalid("parameter_missing", f"Missing required param: {name}.", param=name)
    return text


def group(said: Said, name: str) -> Said:
    """A nested group; empty where it is not there."""
    value = said.get(name) or {}
    if not isinstance(value, dict):
        raise invalid("parameter_invalid", f"{name} has to be a group of values", param=name)
    return value
