"""The events of stays."""

from __future__ import annotations

STAY_CHANGED = "stays.changed"
"""Outbox topic, key: the stay's id. Told with every change of a stay: opened, closed, put to review, void."""
