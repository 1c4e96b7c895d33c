"""A bank that only asks moves no money; once it takes it, and whenever that changes, we are told."""

from __future__ import annotations

from typing import Any

import pytest

from parking_cloud.payments.stripe_reading import WEBHOOK_EVENTS, read_event


def event(kind: str, status: str) -> dict[str, Any]:
    dispute = {"object": "dispute", "id": "dp", "payment_intent": "pi", "amount": 600, "status": status}
    return {"id": "evt", "type": kind, "created": 1_795_000_000, "data": {"object": dispute}}


def test_an_inquiry_is_no_news() -> None:
    assert read_event(event("charge.dispute.created", "warning_needs_response")) is None


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("charge.dispute.updated", "needs_response", "open"),
        ("charge.dispute.funds_withdrawn", "needs_response", "open"),
        ("charge.dispute.funds_reinstated", "won", "won"),
        ("charge.dispute.closed", "lost", "lost"),
    ],
)
def test_what_becomes_of_it_is_asked_for_and_read(kind: str, status: str, state: str) -> None:
    assert kind in WEBHOOK_EVENTS
    news = read_event(event(kind, status))
    assert news is not None
    assert news.dispute is not None
    assert (news.dispute.id, news.dispute.state) == ("dp", state)
