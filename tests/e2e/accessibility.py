"""What axe finds on a page: the rules of WCAG 2 A and AA that a machine can judge."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

import parking_cloud

AXE = Path(parking_cloud.__file__).parent / "web/node_modules/axe-core/axe.min.js"
_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map(({ id, impact, nodes }) => ({
    id, impact, at: nodes.slice(0, 4).map(({ target, failureSummary }) => `${target} ${failureSummary}`) }));
}"""
_LOADING = "!/正在加载|正在查找|Loading…|Searching…/.test(document.body.innerText)"


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")


def serious(page: Page) -> list[str]:
    """What is serious or critical, once the page shows what it loads."""
    page.wait_for_function(_LOADING)
    page.evaluate(_axe())
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return [
        f"{each['id']} ({each['impact']}): {'; '.join(each['at'])}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def assert_accessible(page: Page) -> None:
    """Nothing serious, whatever state the page is in."""
    assert serious(page) == []
