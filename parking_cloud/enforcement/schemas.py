"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec


class ClueSource(StrEnum):
    """Who noticed."""

    REPORT = "report"
    """A driver, by the report page."""
    BOOKING = "booking"
    """The platform: a shared space that was not left."""


class ClueState(StrEnum):
    RECEIVED = "received"
    WITHDRAWN = "withdrawn"
    """Who gave it has found that it was wrong: nothing follows from it."""


class Photo(NamedTuple):
    """A photo as it came in, sealed, with what proves that it is that one."""

    sealed: bytes
    sha256: bytes
    media_type: str
    size: int


class KindOut(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of clue; `confirmed`: its basis in law is known."""

    code: str
    name: str
    confirmed: bool
    legal_basis: str


class ReceiptOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a reporter is told of their own report."""

    id: UUID
    number: str
    kind: str
    name: str
    """Of the kind, in the caller's language."""
    state: ClueState
    text: str
    at: datetime
    received_at: datetime
    photos: int


class EvidenceOut(msgspec.Struct, frozen=True, kw_only=True):
    """`sha256` (hex) is of the photo as it came in."""

    number: int
    media_type: str
    size: int
    sha256: str


class ClueOut(msgspec.Struct, frozen=True, kw_only=True):
    """A clue as a reviewer sees it: the plate masked, the reporter unknown."""

    id: UUID
    number: str
    kind: str
    confirmed: bool
    """False: no basis in law is known of this kind; nobody is punished by it."""
    source: ClueSource
    state: ClueState
    facility_id: UUID | None
    facility: str | None
    lat: float | None
    lon: float | None
    at: datetime
    received_at: datetime
    text: str
    plate: str | None
    evidence: list[EvidenceOut]


class CluePage(msgspec.Struct, frozen=True):
    items: list[ClueOut]
    next_cursor: UUID | None
