"""What follows from a gate event and its corrections: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec


class Passage(msgspec.Struct, frozen=True):
    """A passage as it stands. Plates are (hash, sealed) or None."""

    direction: str
    occurred_at: datetime
    plate: tuple[bytes, bytes] | None
    plate_color: str | None
    voided: bool = False
    corrections: int = 0


class Change(msgspec.Struct, frozen=True):
    """A correction. None leaves a part as it was. Later statements go over earlier ones."""

    stated_at: datetime
    record_id: str
    void: bool = False
    direction: str | None = None
    occurred_at: datetime | None = None
    plate: tuple[bytes, bytes] | None = None
    plate_color: str | None = None


def corrected(passage: Passage, changes: Sequence[Change]) -> Passage:
    """The passage with all changes, by (stated_at, record_id): the same for every order of arrival.

    A void stands until something is stated after it: who corrects a voided record says that it did happen.
    """
    for change in sorted(changes, key=lambda c: (c.stated_at, c.record_id)):
        passage = Passage(
            direction=change.direction or passage.direction,
            occurred_at=change.occurred_at or passage.occurred_at,
            plate=change.plate or passage.plate,
            plate_color=change.plate_color or passage.plate_color,
            voided=change.void,
            corrections=passage.corrections + 1,
        )
    return passage
