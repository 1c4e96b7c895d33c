"""The language that a person chose, kept for a year on all pages."""

from __future__ import annotations

from litestar.datastructures import Cookie

LANGUAGE_COOKIE = "parking_language"
_A_YEAR_S = 365 * 24 * 3600


def language_cookie(language: str) -> Cookie:
    """Remembers the choice."""
    return Cookie(key=LANGUAGE_COOKIE, value=language, max_age=_A_YEAR_S, samesite="lax", httponly=True)
