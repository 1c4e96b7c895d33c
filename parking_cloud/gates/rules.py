"""What follows from a record and its corrections: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

Plate = tuple[bytes, bytes | None]
"""Its hash, and the sealed plate where more than the hash was sent."""


class Standing(msgspec.Struct, frozen=True):
    """A gate event or sighting as it stands. A sighting has no direction."""

    direction: str | None
    at: datetime
    plate: Plate | None
    plate_color: str | None
    voided: bool = False
    corrections: int = 0


class Change(msgspec.Struct, frozen=True):
    """A correction. None leaves a part as it was. Later statements go over earlier ones.

    `stated_at` is the sender's own time: only its clock tells the order of what it stated.
    """

    stated_at: datetime
    record_id: str
    void: bool = False
    direction: str | None = None
    occurred_at: datetime | None = None
    plate: Plate | None = None
    plate_color: str | None = None


def corrected(standing: Standing, changes: Sequence[Change]) -> Standing:
    """The record with all changes, by (stated_at, record_id): the same for every order of arrival.

    A void stands until something is stated after it: who corrects a voided record says that it did happen.
    """
    for change in sorted(changes, key=lambda c: (c.stated_at, c.record_id)):
        standing = Standing(
            direction=change.direction or standing.direction,
            at=change.occurred_at or standing.at,
            plate=change.plate or standing.plate,
            plate_color=change.plate_color or standing.plate_color,
            voided=change.void,
            corrections=standing.corrections + 1,
        )
    return standing
