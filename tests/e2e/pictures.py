"""Pictures of pages for the documentation: taken only when PARKING_PICTURES says so."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

FOLDER = Path(__file__).resolve().parents[2] / "docs/images"
_WIDEST = 900


def picture(page: Page, name: str) -> None:
    """The page as it is seen now, small enough to travel with the source."""
    if not os.environ.get("PARKING_PICTURES"):
        return
    page.wait_for_timeout(400)  # what fades or slides has come to rest
    seen = Image.open(BytesIO(page.screenshot())).convert("RGB")
    seen.thumbnail((_WIDEST, _WIDEST * 2))
    seen.save(FOLDER / f"{name}.webp", "WEBP", quality=72, method=6)
