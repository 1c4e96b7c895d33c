"""How full each kind of facility is through the day and week: believable, smooth and pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

_Bump = tuple[float, float, float]
"""(height as a share of capacity, hour of its middle, width in hours)"""

_WORKDAY: dict[str, tuple[float, Sequence[_Bump]]] = {
    "public_offstreet": (0.15, ((0.45, 11.0, 2.5), (0.40, 15.5, 2.5), (0.35, 19.5, 2.0))),
    "ancillary": (0.10, ((0.30, 12.5, 2.0), (0.65, 19.0, 2.2))),
    "on_street": (0.35, ((0.45, 10.0, 2.0), (0.40, 15.5, 2.5), (0.30, 20.0, 2.5))),
    "institution": (0.12, ((0.60, 10.5, 2.6), (0.60, 15.0, 2.4), (0.15, 21.0, 2.5))),
    "state_enterprise": (0.10, ((0.65, 10.5, 2.8), (0.60, 15.5, 2.4), (0.10, 21.0, 2.5))),
    "park_and_ride": (0.08, ((0.80, 12.0, 4.0),)),
}
_DAY_OFF: dict[str, tuple[float, Sequence[_Bump]]] = {
    "public_offstreet": (0.18, ((0.55, 11.5, 2.5), (0.60, 16.0, 3.0), (0.35, 20.0, 2.0))),
    "ancillary": (0.12, ((0.55, 13.0, 2.8), (0.70, 18.0, 2.8))),
    "on_street": (0.40, ((0.35, 11.0, 2.5), (0.45, 16.5, 3.0), (0.30, 20.5, 2.2))),
    "institution": (0.10, ((0.20, 11.0, 3.0), (0.25, 16.0, 3.0))),
    "state_enterprise": (0.06, ((0.15, 11.0, 3.0), (0.15, 16.0, 3.0))),
    "park_and_ride": (0.10, ((0.30, 13.0, 4.0),)),
}


def expected_rate(kind: str, local: datetime, *, day_off: bool, variation: float = 0.0) -> float:
    """The share of spaces taken, 0.02..0.98.

    `local` is city time. `variation`, -1..1, makes one facility differ from another of its kind.
    """
    base, bumps = (_DAY_OFF if day_off else _WORKDAY)[kind]
    hour = local.hour + local.minute / 60 + local.second / 3600
    rate = base + sum(height * _bump(hour, middle, width) for height, middle, width in bumps)
    return min(max(rate * (1 + 0.25 * variation), 0.02), 0.98)


def variation_of(code: str) -> float:
    """How one facility differs from others of its kind, -1..1."""
    return sha256(code.encode()).digest()[0] / 127.5 - 1


def _bump(hour: float, middle: float, width: float) -> float:
    """A bell over the hours of the day, joined at midnight."""
    apart = min(abs(hour - middle), 24 - abs(hour - middle))
    return math.exp(-0.5 * (apart / width) ** 2)


CHURN_PER_HOUR = {
    "on_street": 1.2,
    "institution": 0.35,
    "state_enterprise": 0.35,
    "public_offstreet": 0.6,
    "ancillary": 0.7,
    "park_and_ride": 0.2,
}
"""How often an hour a space is looked at again: taken or left, so that occupancy follows the curve."""
