"""The city's settings hold from their moment on, are audited, and are nobody else's to set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity, issue
from parking_cloud.kernel.clock import FixedClock
from parking_cloud.kernel.settings import Settings
from parking_cloud.sharing.plans import policy_at
from parking_cloud.sharing.rule import ensure_rule, rule_at
from tests.serving import client_of
from tests.sharing.gate_parts import manager
from tests.sharing.parts import CHIEF, FRIDAY_NOON, hall

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

POLICY: dict[str, Any] = {
    "hold_minutes": 15,
    "cancel_free_minutes": 60,
    "unused_percent": 80,
    "most_open": 3,
    "days_ahead": 14,
    "near_metres": 800,
    "reason": "试运行期结束",
}
RULE: dict[str, Any] = {
    "effective_from": "2026-12-01",
    "after_work": 30,
    "before_work": 60,
    "least_spaces_percent": 40,
    "least_chargers_percent": 30,
    "exemptions": [{"code": "school", "name": {"zh-CN": "学校", "en": "school"}}],
    "status": "unconfirmed",
    "source": "征求意见稿",
    "reason": "按征求意见稿预告",
}


async def test_from_a_moment_on_and_by_the_city_alone(session: AsyncSession, settings: Settings) -> None:
    await hall(session)
    await ensure_rule(session)
    chen = await manager(session)

    def signed(who: Identity) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue(who, settings.secret_key, FRIDAY_NOON)}"}

    chief, others = signed(CHIEF), signed(chen)
    async with client_of(settings, FixedClock(FRIDAY_NOON)) as client:
        for path, said in (("policy", POLICY), ("rule", RULE)):
            url = f"/v1/sharing/{path}"
            assert (await client.put(url, json=said, headers=others)).status_code == 403
            assert (await client.get(url, headers=others)).status_code == 200
        later = (FRIDAY_NOON + timedelta(days=2)).isoformat()
        put = await client.put("/v1/sharing/policy", json=POLICY | {"effective_from": later}, headers=chief)
        assert (put.status_code, put.json()["hold_minutes"]) == (200, 10), "what holds now"
        put = await client.put("/v1/sharing/rule", json=RULE, headers=chief)
        assert (put.status_code, put.json()["least_spaces_percent"]) == (200, 30)
        for path, wrong in (
            ("policy", POLICY | {"effective_from": "2026-11-01T00:00:00Z"}),
            ("policy", POLICY | {"days_ahead": 10_000}),
            ("rule", RULE | {"effective_from": "2026-11-01"}),
            ("rule", RULE | {"status": "confirmed"}),
            ("rule", RULE | {"exemptions": RULE["exemptions"] * 2}),
        ):
            refused = await client.put(f"/v1/sharing/{path}", json=wrong, headers=chief)
            assert 400 <= refused.status_code < 500, (path, wrong)
    now = await policy_at(session, FRIDAY_NOON)
    then = await policy_at(session, FRIDAY_NOON + timedelta(days=2))
    assert (now.days_ahead, then.days_ahead) == (30, 14)
    asked = await rule_at(session, FRIDAY_NOON + timedelta(days=11))
    assert asked is not None
    assert (asked.least_spaces_percent, asked.exemptions[0].code) == (40, "school")
    audited = await session.execute(
        text("select action, reason from audit_entry where action like 'sharing.%_set' order by action")
    )
    assert [tuple(row) for row in audited] == [
        ("sharing.policy_set", "试运行期结束"),
        ("sharing.rule_set", "按征求意见稿预告"),
    ]
