"""What pages load, served by the application itself: nothing comes from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.router import Router
from litestar.template.config import TemplateConfig
from litestar.types import ControllerRouterHandler

from parking_cloud.accounts.guards import public
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.shell_texts import SHELL_TEXTS
from parking_cloud.web.static import Assets, assets_route, version_of

_WEB = Path(__file__).resolve().parent
_ROOT = _WEB.parent
_PACKAGES = {
    "leaflet": _WEB / "node_modules/leaflet/dist",
    "pbf": _WEB / "node_modules/pbf",
    "swagger-ui": _WEB / "node_modules/swagger-ui-dist",
}
_OWN = {"driver": _ROOT / "driver/static", "console": _ROOT / "console/static"}
_TEMPLATES = [_ROOT / "driver/templates", _ROOT / "console/templates"]
_STRIPE_API = "https://api.stripe.com"
_STRIPE_CONFIRMING = "https://hooks.stripe.com"
"""Where a payer's bank asks whether it is them (3-D Secure)."""


class AssetsMissing(RuntimeError):
    """The front-end packages are not installed."""


def asset_routers() -> list[ControllerRouterHandler]:
    """/assets/vendor/<package> and /assets/<page>. Raises AssetsMissing."""
    missing = [str(folder) for folder in _PACKAGES.values() if not folder.is_dir()]
    if missing:
        raise AssetsMissing(f"front-end packages are missing ({', '.join(missing)}): run `make setup`")
    folders = {f"vendor/{name}": folder for name, folder in _PACKAGES.items()} | _OWN
    return [assets_route(Assets(folders), assets_version())]


@cache
def assets_version() -> str:
    """Names the content of what pages load and of the pages themselves."""
    return version_of([*_OWN.values(), _PACKAGES["leaflet"], _PACKAGES["pbf"], *_TEMPLATES])


def asset(address: str) -> str:
    """Where a file of this version is."""
    return f"/assets/v/{assets_version()}/{address}"


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """Jinja2 over the pages' templates; everything is escaped, and a forgotten value is an error."""
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.globals |= {"asset": asset, "shell": SHELL_TEXTS}
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))


def openapi_config() -> OpenAPIConfig:
    """The API's documentation at /docs, with its viewer served from here."""
    base = "/assets/vendor/swagger-ui"
    viewer = SwaggerRenderPlugin(
        js_url=f"{base}/swagger-ui-bundle.js",
        css_url=f"{base}/swagger-ui.css",
        standalone_preset_js_url=f"{base}/swagger-ui-standalone-preset.js",
        favicon='<link rel="icon" type="image/png" href="/assets/vendor/swagger-ui/favicon-32x32.png">',
        style="<style>body { margin: 0; padding: 0 }</style>",
    )
    return OpenAPIConfig(
        title="湖州智慧停车云平台 Huzhou parking cloud",
        version="1",
        path="/docs",
        render_plugins=[viewer],
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        openapi_router=Router("/docs", route_handlers=[], guards=[public]),
    )


def page_headers(settings: Settings) -> dict[str, str]:
    """Headers of every page: only our own scripts run, and only our own origin is asked."""
    return _headers(settings, "")


def pay_page_headers(settings: Settings) -> dict[str, str]:
    """Headers of the one page where the provider's card field, its script and frames, may run."""
    if not settings.stripe_secret_key:
        return page_headers(settings)
    script = _origin(settings.stripe_script_url)
    api = _origin(settings.stripe_api_url) if settings.stripe_api_url else _STRIPE_API
    confirming = "" if settings.stripe_api_url else f" {_STRIPE_CONFIRMING}"
    return _headers(
        settings,
        f" script-src 'self' {script}; frame-src {script}{confirming}; connect-src 'self' {api};",
    )


def _headers(settings: Settings, more: str) -> dict[str, str]:
    tiles = f" {_origin(settings.tile_url)}" if settings.tile_url else ""
    policy = (
        f"default-src 'self';{more} img-src 'self' data:{tiles}; style-src 'self' 'unsafe-inline';"
        " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.split('/')[0]}"
