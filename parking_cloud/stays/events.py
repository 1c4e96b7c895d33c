"""The topics of stays."""

from __future__ import annotations

STAY_CHANGED = "stays.changed"
"""Outbox topic, key: the stay's id. Told with every change of a stay: opened, closed, put to review, void."""
PLATES_TOUCHED = "stays.plates_touched"
"""Outbox topic. Payload {"plates": [[hash as hex, since]]}: to be worked out again for another's sake."""
