"""What pages load travels compressed; what has a version in its address is never asked for again."""

from __future__ import annotations

import gzip
import re

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from parking_cloud.app import create_app
from parking_cloud.kernel.settings import Settings
from parking_cloud.web.assets import asset

SETTINGS = Settings(
    database_url="postgresql://nobody@127.0.0.1:1/none",
    redis_url="redis://127.0.0.1:1/0",
    secret_key="a secret only for tests, long enough",
)
LEAFLET = "vendor/leaflet/leaflet.js"


@pytest.fixture(scope="module")
def client() -> TestClient[Litestar]:
    """Without its lifespan: files need neither database nor Redis."""
    return TestClient(create_app(SETTINGS))


def test_a_file_travels_compressed_to_who_can_read_it(client: TestClient[Litestar]) -> None:
    plain = client.get(f"/assets/{LEAFLET}", headers={"Accept-Encoding": "identity"})
    packed = client.get(f"/assets/{LEAFLET}", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.content == plain.content
    assert packed.headers["vary"] == "Accept-Encoding"


def test_it_is_asked_for_anew_only_where_its_address_does_not_name_it(client: TestClient[Litestar]) -> None:
    plain = client.get(f"/assets/{LEAFLET}")
    assert plain.headers["cache-control"] == "no-cache"
    again = client.get(f"/assets/{LEAFLET}", headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" in client.get(asset(LEAFLET)).headers["cache-control"]
    another = client.get(f"/assets/v/0123456789ab/{LEAFLET}")
    assert (another.status_code, another.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path", ["driver/none.js", "driver/", "driver/../driver.py", "driver/%2e%2e/driver.py", "elsewhere/a.js"]
)
def test_nothing_else_is_served(client: TestClient[Litestar], path: str) -> None:
    assert client.get(f"/assets/{path}").status_code == 404


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_a_phone_finds_all_it_needs_to_install_the_app(client: TestClient[Litestar], language: str) -> None:
    said = client.get(f"/app.webmanifest?lang={language}")
    assert said.headers["content-type"].startswith("application/manifest+json")
    manifest = msgspec.json.decode(said.content)
    assert (manifest["lang"], manifest["display"]) == (language, "standalone")
    for picture in manifest["icons"]:
        drawn = client.get(picture["src"]).content
        assert drawn.startswith(b"\x89PNG")
        assert f"{int.from_bytes(drawn[16:20])}x{int.from_bytes(drawn[20:24])}" == picture["sizes"]
    assert client.get("/icons/9999.png").status_code == 404


def test_the_worker_keeps_only_what_there_is_and_nothing_personal(client: TestClient[Litestar]) -> None:
    said = client.get("/sw.js")
    assert said.headers["cache-control"] == "no-cache"
    assert said.headers["content-type"].startswith("text/javascript")
    listed = re.search(r"const FILES = (\[.*?\]);", said.text)
    assert listed is not None
    files = msgspec.json.decode(listed[1])
    assert {"/", "/offline"} == {path for path in files if not path.startswith("/assets/")}
    for path in files:
        assert client.get(path).status_code == 200, path
    packed = sum(len(gzip.compress(client.get(path).content)) for path in files)
    assert packed < 120_000
