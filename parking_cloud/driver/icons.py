"""The app's icon as PNG, drawn by code after `static/icon.svg`, for the phones that want pixels."""

from __future__ import annotations

from functools import cache
from io import BytesIO

from PIL import Image, ImageDraw

SIZES = (180, 192, 512)
_GROUND = "#0b5d55"
_FINER = 4
"""Drawn so much larger and brought down, which smooths the edges."""
_UNITS = 32


@cache
def icon(size: int, *, maskable: bool) -> bytes:
    """A white P on green. Maskable: to the edges, the letter within the circle that every phone keeps."""
    side = size * _FINER
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    unit = side / _UNITS
    draw.rounded_rectangle((0, 0, side - 1, side - 1), 0 if maskable else 8 * unit, fill=_GROUND)
    scale = 0.8 if maskable else 1.0

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        middle = _UNITS / 2
        x0, y0, x1, y1 = ((middle + (value - middle) * scale) * unit for value in (left, top, right, bottom))
        return x0, y0, x1, y1

    # The stem, the bowl, and the hole in the bowl: the curves of the drawing as rounded boxes.
    draw.rounded_rectangle(box(11, 7, 23.25, 18.5), 5.75 * unit * scale, fill="white")
    draw.rectangle(box(11, 7, 15, 25), fill="white")
    draw.rounded_rectangle(box(15, 10.6, 19.4, 15), 2.2 * unit * scale, fill=_GROUND)
    draw.rectangle(box(15, 10.6, 17.2, 15), fill=_GROUND)
    out = BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
    return out.getvalue()
