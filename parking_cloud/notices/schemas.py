"""What crosses the slice's edge."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from parking_cloud.kernel.contacts import Channel
from parking_cloud.notices.models import NoticeState


class Words(msgspec.Struct, frozen=True):
    """A notice in one language. `short` is what an SMS says: never a plate together with a place."""

    title: str
    body: str
    short: str


Texts = dict[str, Words]
"""By language: zh-CN and en."""


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a notice is for: a user, whoever has a vehicle, or one address that was given for this."""

    user_id: UUID | None = None
    plate_hash: bytes | None = None
    about_at: datetime | None = None
    """With a vehicle: of when it is. Who has that vehicle only since later is not told of it."""
    mail: str = ""


class NoticeOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    kind: str
    title: str
    body: str
    created_at: datetime
    read_at: datetime | None


class NoticePage(msgspec.Struct, frozen=True):
    items: list[NoticeOut]
    unread: int
    next_cursor: UUID | None


class ContactIn(msgspec.Struct, frozen=True, kw_only=True):
    channel: Literal["sms", "mail"]
    address: Annotated[str, msgspec.Meta(max_length=254)]
    language: Literal["zh-CN", "en"] = "zh-CN"


class ContactOut(msgspec.Struct, frozen=True, kw_only=True):
    """The address is shown masked: enough to recognise one's own."""

    channel: Channel
    address: str
    language: str


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a notice reached its reader by any channel, and when first."""

    state: NoticeState
    at: datetime | None
