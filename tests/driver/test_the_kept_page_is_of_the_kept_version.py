"""After a deployment the finding page names files that the phone has not kept: without a network the page of
the kept version opens, and not a page that finds none of its files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

import parking_cloud.driver
from tests.e2e.browsing import chromium, phone

pytestmark = [pytest.mark.browser]
WORKER = Path(parking_cloud.driver.__file__).with_name("service_worker.js").read_text(encoding="utf-8")


class _Server(ThreadingHTTPServer):
    """A server whose pages are of one version, and after a deployment of the next."""

    page_version = "one"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        kind, body = "text/html", f'<p id="v">{self.server.page_version}</p>'
        if self.path == "/sw.js":
            kind, body = "text/javascript", f'const VERSION = "one";\nconst FILES = ["/"];\n{WORKER}'
        elif self.path == "/":
            body += f'<i data-file="/assets/v/{self.server.page_version}/x.js"></i>'
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing: a test speaks when it fails."""


@pytest.fixture
def server() -> Iterator[_Server]:
    running = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def test_the_next_versions_page_does_not_take_the_place_of_this_ones(server: _Server) -> None:
    url = f"http://127.0.0.1:{server.server_port}/"
    with chromium() as browser:
        context = phone(browser)
        page = context.new_page()
        page.goto(url)
        page.evaluate(
            "async () => { const claimed = new Promise(done => navigator.serviceWorker"
            ".addEventListener('controllerchange', done, { once: true }));"
            " await navigator.serviceWorker.register('/sw.js'); await claimed; }"
        )
        server.page_version = "two"
        page.reload()
        expect(page.locator("#v")).to_have_text("two")
        page.goto(f"{url}other")
        server.shutdown()
        server.socket.close()
        context.set_offline(True)
        page.goto(url)
        expect(page.locator("#v")).to_have_text("one")
