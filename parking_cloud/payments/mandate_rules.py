"""What an automatic payment may take: pure decisions.

A driver was once debited 307 yuan for half an hour. Here nothing is taken by itself unless all of it
holds: the charge is final and stands as it was first made, its stay was in no way out of the ordinary, the
vehicle is the driver's and was then, the mandate was active when it left and the charge became final, and
neither the stay nor the day comes above what the driver set.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time
from enum import StrEnum
from typing import NamedTuple

from parking_cloud.kernel.clock import CITY_ZONE, city_time
from parking_cloud.payments.schemas import ChargeState
from parking_cloud.stays.schemas import Situation

MOST_A_STAY = 20_000
"""Fen. No driver can set a ceiling above this: what costs more is looked at by a person before it is paid."""
MOST_A_DAY = 50_000


class MandateState(StrEnum):
    ASKED = "asked"
    """The driver has still to give the method, by the provider's own form."""
    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"
    """The provider did not keep the method."""


class Verdict(StrEnum):
    """What becomes of a charge, and why nothing was taken."""

    TAKE = "take"
    NOT_DUE = "not_due"
    NOT_ACTIVE = "not_active"
    EARLIER = "earlier"
    """The vehicle had left before the mandate, or it is of a time when it was not yet the driver's."""
    UNUSUAL = "unusual"
    """Something about the stay was out of the ordinary, even where a person has confirmed it since; or its
    charge was corrected, or the driver's bank has taken money of it back."""
    ABOVE_STAY = "above_stay"
    ABOVE_DAY = "above_day"


TOLD = (Verdict.UNUSUAL, Verdict.ABOVE_STAY, Verdict.ABOVE_DAY)
"""The driver expected it to be paid, and it was not: they are told, and nothing is taken."""


class Allowance(NamedTuple):
    """A driver's mandate, as it bears on a charge. Amounts in fen."""

    state: MandateState
    active_from: datetime
    holds_since: datetime
    """From when on the vehicle is verified as the driver's."""
    ceiling_stay: int
    ceiling_day: int


class Asked(NamedTuple):
    """A charge that might be taken."""

    state: ChargeState
    amount: int
    """Of the whole charge: what was paid of it already is no reason to take more than the ceiling for a
    stay."""
    owed: int
    final_at: datetime
    entered_at: datetime
    left_at: datetime
    situations: Collection[Situation]
    in_doubt: bool
    """See facts.in_doubt."""


def verdict(allowance: Allowance, charge: Asked, taken_today: int) -> Verdict:
    """Whether what is owed of a charge may be taken now. `taken_today`: by this mandate, on this day here."""
    if charge.state is not ChargeState.DUE or charge.owed <= 0:
        return Verdict.NOT_DUE
    if allowance.state is not MandateState.ACTIVE:
        return Verdict.NOT_ACTIVE
    if min(charge.final_at, charge.left_at) < allowance.active_from:
        return Verdict.EARLIER
    if charge.entered_at < allowance.holds_since:
        return Verdict.EARLIER
    if charge.situations or charge.in_doubt:
        return Verdict.UNUSUAL
    if charge.amount > allowance.ceiling_stay:
        return Verdict.ABOVE_STAY
    if taken_today + charge.owed > allowance.ceiling_day:
        return Verdict.ABOVE_DAY
    return Verdict.TAKE


def day_began(now: datetime) -> datetime:
    """The midnight in the city from which a day's ceiling counts."""
    return datetime.combine(city_time(now).date(), time(), CITY_ZONE)
