"""On a phone: a board shows a new number by itself, and the map's tiles are drawn and picked from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Page, expect

from parking_cloud.launcher import Platform
from tests.e2e.browsing import chromium, phone

pytestmark = [pytest.mark.stack, pytest.mark.browser]

GARAGE = "wx-public-041"
DRAW = """async ([lat, lon]) => {
  const L = await import("/assets/vendor/leaflet/leaflet-src.esm.js");
  const { facilityTiles } = await import("/assets/driver/tiles.js");
  document.body.innerHTML = '<div id="m" style="width:390px;height:500px;position:relative"></div>';
  const map = L.map("m", { zoomAnimation: false }).setView([lat, lon], 17);
  window.picked = [];
  window.elsewhere = 0;
  map.on("click", () => { window.elsewhere += 1; });
  const layer = facilityTiles(map, { onPick: (facility) => window.picked.push(facility.code) });
  const drawn = new Promise((resolve) => layer.on("load", resolve));
  layer.addTo(map);
  await drawn;
}"""


@pytest.fixture(scope="module")
def page(platform: Platform) -> Iterator[Page]:
    with chromium() as browser, phone(browser) as context:
        yield context.new_page()


def say(intake: httpx.Client, free: int) -> None:
    row = {"device_id": f"{GARAGE}-counter", "free": free, "observed_at": datetime.now(UTC).isoformat()}
    assert intake.post("/v1/observations", json=[row]).status_code == 202


def test_a_board_shows_what_has_changed(platform: Platform, intake: httpx.Client, page: Page) -> None:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{platform.running['api_url']}/signs/HZ-E01")
    line = page.locator(".led li")
    expect(line.locator("canvas")).to_be_visible()
    for free in (61, 60):
        say(intake, free)
        expect(line).to_have_text(f"空位 {free} 个空位")
    say(intake, 2)
    expect(line).to_have_text("空位 满")
    # Lamps are lit: the picture is not dark.
    lit = line.locator("canvas").evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
        ".filter((v, i) => i % 4 == 0 && v > 200).length"
    )
    assert lit > 500
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert faults == []


def test_tiles_are_drawn_and_picked_from(platform: Platform, api: httpx.Client, page: Page) -> None:
    place = api.get(f"/v1/facilities/{GARAGE}").json()["position"]
    page.goto(f"{platform.running['api_url']}/signs/HZ-E01")
    page.evaluate(DRAW, [place["lat"], place["lon"]])
    page.mouse.click(195, 250)
    page.mouse.click(20, 480)
    assert page.evaluate("[picked, elsewhere]") == [[GARAGE], 1]
