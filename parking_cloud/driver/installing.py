"""What makes the pages an app: its manifest, its icons, its service worker, and what it shows offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.response import Template
from litestar.types import ControllerRouterHandler

from parking_cloud.accounts.guards import public
from parking_cloud.driver.icons import SIZES, icon
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import asset, assets_version, page_headers
from parking_cloud.web.language import LANGUAGE_COOKIE, language_cookie
from parking_cloud.web.shell_texts import SHELL_TEXTS

_WORKER = Path(__file__).with_name("service_worker.js")
_STATIC = Path(__file__).with_name("static")
_FINDING = (
    "shell.",
    "find",
    "live.",
    "words.",
    "page.",
    "pay_api.",
    "pay.css",
    "icon.svg",
    "map.",
    "leaflet.",
)
"""How the files are named that the finding page needs; the map's library is kept when it was first used."""
_A_DAY = {"Cache-Control": "public, max-age=86400"}


@get("/app.webmanifest", guards=[public], include_in_schema=False)
async def manifest(lang: str = "") -> Response[bytes]:
    """How a phone installs the app. Asked for without cookies, so the language stands in the address."""
    language = pick_language(None, lang if lang in SHELL_TEXTS else None)
    texts = SHELL_TEXTS[language]
    body = {
        "id": "/",
        "name": texts["name"],
        "short_name": texts["name"],
        "description": texts["about"],
        "lang": language,
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "theme_color": "#0b5d55",
        "background_color": "#f3f6f5",
        "icons": [
            *(_icon(size, "any") for size in (192, 512)),
            _icon(512, "maskable"),
        ],
        "shortcuts": [
            {"name": texts[name], "url": url} for name, url in (("pay", "/pay"), ("bookings", "/bookings"))
        ],
    }
    return Response(msgspec.json.encode(body), media_type="application/manifest+json", headers=_A_DAY)


def _icon(size: int, purpose: str) -> dict[str, str]:
    name = f"{size}-maskable" if purpose == "maskable" else str(size)
    return {"src": f"/icons/{name}.png", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}


@get("/icons/{name:str}", guards=[public], include_in_schema=False, sync_to_thread=True)
def app_icon(name: str) -> Response[bytes]:
    """180.png, 192.png, 512.png, and each -maskable.png."""
    stem, _, ending = name.partition(".")
    size, _, purpose = stem.partition("-")
    if ending != "png" or size not in map(str, SIZES) or purpose not in ("", "maskable"):
        raise NotFoundException()
    drawn = icon(int(size), maskable=purpose == "maskable")
    return Response(drawn, media_type="image/png", headers=_A_DAY)


@get("/sw.js", guards=[public], include_in_schema=False)
async def service_worker() -> Response[str]:
    """The worker of this version, at the root because it serves all pages. Never kept by caches between."""
    names = sorted(path.name for path in _STATIC.iterdir() if path.name.startswith(_FINDING))
    files = ["/", "/offline", *(asset(f"driver/{name}") for name in names)]
    head = f"const VERSION = {_js(assets_version())};\nconst FILES = {_js(files)};\n"
    return Response(
        head + _WORKER.read_text(encoding="utf-8"),
        media_type="text/javascript",
        headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"},
    )


def _js(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@get("/offline", guards=[public], include_in_schema=False)
async def offline_page(
    request: Request[Any, Any, Any], settings: Settings, lang: Literal["zh-CN", "en", ""] = ""
) -> Template:
    """What a page shows that cannot be had: the service worker keeps it."""
    language = pick_language(None, lang or request.cookies.get(LANGUAGE_COOKIE))
    return Template(
        "offline.html",
        context={"language": language, "other": "en" if language == "zh-CN" else "zh-CN"},
        headers=page_headers(settings) | {"Content-Language": language},
        cookies=[language_cookie(language)] if lang else [],
    )


route_handlers: list[ControllerRouterHandler] = [manifest, app_icon, service_worker, offline_page]
