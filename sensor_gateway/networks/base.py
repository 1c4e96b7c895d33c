"""What a network server passes on: one radio frame of one device."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import msgspec


class MalformedMessage(ValueError):
    """Not a message of this network server; says what is wrong."""


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON that is expected; the last for absurd nesting."""

Counter = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Uplink(msgspec.Struct, frozen=True):
    """A frame as it left the device. `time` is the network server's, aware."""

    dev_eui: str
    """Or another name that the device is registered by, such as its IMEI."""
    f_port: int
    f_cnt: int
    data: bytes
    time: datetime
    dev_addr: str = ""
    """The session's address, eight hex digits; changes when the device joins anew."""


Parser = Callable[[bytes], Uplink]


def aware(moment: datetime | None) -> datetime:
    """The moment, where it is there and says its zone. Raises MalformedMessage."""
    if moment is None or moment.tzinfo is None:
        raise MalformedMessage("the time is missing or has no zone")
    return moment
