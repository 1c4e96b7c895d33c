"""The topics of stays."""

from __future__ import annotations

STAY_CHANGED = "stays.changed"
"""Outbox topic, key: the stay's id. Told with every change of a stay: opened, closed, put to review, void."""
SECOND_READING = "stays.second_reading"
"""Outbox topic, key: the reading that is asked for; payload {"facility"}."""
EVENTS_STREAM = "parking:stays:events"
"""Redis stream of what operators are asked: each plate to read again, as {"reading", "facility"}."""
EVENTS_KEPT = 50_000
PLATES_TOUCHED = "stays.plates_touched"
"""Outbox topic. Payload {"plates": [[hash as hex, since]]}: to be worked out again for another's sake."""
