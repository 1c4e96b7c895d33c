"""Who may learn what from a receipt: a pure decision."""

from __future__ import annotations

from datetime import datetime

from parking_cloud.payments.schemas import Via


def shows_the_stay(via: Via, started_at: datetime, *, scanned_there: bool, left_at: datetime | None) -> bool:
    """Whether a payment's receipt says where and when a vehicle stood.

    Anybody can type a plate and pay for it: they learn amounts. Who has scanned the code of the place sees
    the stay that was going on there when they paid; of other places, and of what was owed from before,
    nothing. Drivers who are signed in pay for vehicles of which it was checked that they are theirs, and an
    attendant gives the receipt to the person who is there.
    """
    match via:
        case Via.PLATE:
            return False
        case Via.SCAN:
            return scanned_there and (left_at is None or left_at >= started_at)
        case Via.APP | Via.MANDATE | Via.ATTENDANT:
            return True
