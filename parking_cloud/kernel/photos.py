"""Photos that people send: judged by what they hold, never by what they are called.

What is shown again is drawn anew from its pixels, so nothing else that lay in the file (a place, a camera's
number, a script) travels on.
"""

from __future__ import annotations

import io
import warnings

import anyio
from PIL import Image, ImageOps, UnidentifiedImageError

from parking_cloud.kernel.problems import InvalidInput

LARGEST_BYTES = 6_000_000
MOST_PIXELS = 25_000_000
"""Twice what phones send unless told otherwise; what would unfold to more is refused before."""
LONGEST_SIDE = 2000
_READ = ("JPEG", "PNG", "WEBP")
_FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""MPO: a JPEG with a second picture behind it, as some phones take them; the first is what is seen."""
_QUALITY = 85
_AT_ONCE = anyio.CapacityLimiter(2)
"""Unfolded, a picture takes a hundred megabytes or more."""


class PhotoRefused(InvalidInput):
    slug = "photo-refused"
    title = {"zh-CN": "照片无法使用", "en": "This photo cannot be used"}
    detail = {
        "zh-CN": "请上传 JPEG、PNG 或 WebP 照片，单张不超过 6 MB、2500 万像素。",
        "en": "Send a JPEG, PNG or WebP photo of at most 6 MB and 25 megapixels.",
    }


async def media_type_of(body: bytes) -> str:
    """What kind of photo it is, once it was read to its end. Raises PhotoRefused."""
    return (await anyio.to_thread.run_sync(_read, body, limiter=_AT_ONCE))[1]


async def redrawn(body: bytes) -> bytes:
    """The picture alone, upright, as a JPEG of bounded size. Raises PhotoRefused."""
    return await anyio.to_thread.run_sync(_redraw, body, limiter=_AT_ONCE)


def _redraw(body: bytes) -> bytes:
    image = ImageOps.exif_transpose(_read(body)[0])
    image = image.convert("RGB")
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    drawn = io.BytesIO()
    Image.frombytes("RGB", image.size, image.tobytes()).save(drawn, "JPEG", quality=_QUALITY)
    return drawn.getvalue()


def _read(body: bytes) -> tuple[Image.Image, str]:
    if not body or len(body) > LARGEST_BYTES:
        raise PhotoRefused()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(body), formats=_READ)
            if image.width * image.height > MOST_PIXELS:
                raise PhotoRefused()
            image.load()
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ) as error:
        raise PhotoRefused() from error
    media_type = _FORMATS.get(image.format or "")
    if media_type is None:
        raise PhotoRefused()
    return image, media_type
