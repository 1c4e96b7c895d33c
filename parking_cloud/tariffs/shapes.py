"""What a tariff is made of: data, as operators write it and the database keeps it (docs/tariffs.md).

Time of day is the city's, written HH:MM; a span whose end is not after its start runs over midnight. Amounts
are whole fen. Every shape adds up amounts that are never negative, and takes limits of them: that is why a
price cannot fall as a stay grows, whatever the numbers are.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from parking_cloud.kernel.calendar import DayKind, Festival
from parking_cloud.tariffs.schemas import PermitKind, VehicleClass

Amount = Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]
Minutes = Annotated[int, msgspec.Meta(ge=0, le=10_080)]
Length = Annotated[int, msgspec.Meta(ge=1, le=10_080)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Clock = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
MonthDay = Annotated[str, msgspec.Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
RateName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class _Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Words(_Shape, frozen=True, kw_only=True):
    """A name in both languages."""

    zh: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    en: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class Step(_Shape, frozen=True, kw_only=True):
    """Each begun `unit` of minutes costs `amount`, up to so many minutes of the window; None: on and on."""

    unit: Length
    amount: Amount
    until: Length | None = None


class Steps(_Shape, tag="steps", tag_field="kind", frozen=True, kw_only=True):
    """按时计费: steps one after another. `cap`: the most that one window costs."""

    name: Words
    steps: Annotated[list[Step], msgspec.Meta(min_length=1, max_length=50)]
    cap: Amount | None = None


class Row(_Shape, frozen=True, kw_only=True):
    """A window of at most `until` minutes costs `total`."""

    until: Length
    total: Amount


class Table(_Shape, tag="table", tag_field="kind", frozen=True, kw_only=True):
    """按时段累计: the total by how long the window lasted. `then`: what each unit beyond the rows adds."""

    name: Words
    rows: Annotated[list[Row], msgspec.Meta(min_length=1, max_length=50)]
    then: Step | None = None
    cap: Amount | None = None


class PerTime(_Shape, tag="per_time", tag_field="kind", frozen=True, kw_only=True):
    """按次: one amount for a window, however long."""

    name: Words
    amount: Amount


class NoCharge(_Shape, tag="free", tag_field="kind", frozen=True, kw_only=True):
    """Hours that cost nothing."""

    name: Words


Rate = Steps | Table | PerTime | NoCharge


class Hours(_Shape, frozen=True, kw_only=True):
    """From when to when a rate holds; the minutes on end of one rate are one window, over midnight too."""

    start: Clock = "00:00"
    end: Clock = "24:00"
    rate: RateName


class Season(_Shape, frozen=True, kw_only=True):
    """Days of every year, both included; it may run over the new year."""

    first: MonthDay
    last: MonthDay


class Dates(_Shape, frozen=True, kw_only=True):
    """Days by date, both included."""

    first: date
    last: date


class Schedule(_Shape, frozen=True, kw_only=True):
    """Which rate holds when, on the days that all its conditions name; one left out names every day."""

    hours: Annotated[list[Hours], msgspec.Meta(min_length=1, max_length=48)]
    days: list[DayKind] = []
    festivals: list[Festival] = []
    seasons: list[Season] = []
    dates: list[Dates] = []


class Free(_Shape, frozen=True, kw_only=True):
    """免费时长: a stay of at most so many minutes is free.

    `counted`: once exceeded, it is billed from its begin. `again`: in each period of `restart` anew.
    """

    minutes: Annotated[int, msgspec.Meta(ge=0, le=1440)]
    counted: bool = True
    again: bool = False


class Per(StrEnum):
    DAY_FROM_ENTRY = "24h"
    """Each 24 hours from entry."""
    CALENDAR_DAY = "calendar_day"
    STAY = "stay"


class Cap(_Shape, frozen=True, kw_only=True):
    per: Per
    amount: Amount


class Restart(StrEnum):
    """When the steps begin anew; they do so with each window in any case."""

    NEVER = "never"
    DAY_FROM_ENTRY = "24h"
    CALENDAR_DAY = "calendar_day"


class Adjustment(_Shape, frozen=True, kw_only=True):
    """What is other for a class of vehicles or for permits: a percentage of every amount, and of the caps
    (`caps_percent`, as `percent` where it is left out); other free minutes; other rates by name."""

    percent: Percent = 100
    caps_percent: Percent | None = None
    free: Free | None = None
    rates: dict[RateName, RateName] = {}


class Overstay(_Shape, frozen=True, kw_only=True):
    """From so many minutes after charging has ended, every amount is raised to `percent`."""

    after_minutes: Minutes
    percent: Annotated[int, msgspec.Meta(ge=100, le=300)]


class Charging(_Shape, frozen=True, kw_only=True):
    """An electric car that is charging: its first minutes are not billed."""

    free_minutes: Minutes = 0
    overstay: Overstay | None = None


class Event(_Shape, frozen=True, kw_only=True):
    """A flat amount between two moments of the city's time, in place of the day's rates.

    `who`: those who enter meanwhile, or everybody who is there.
    """

    name: Words
    start: datetime
    end: datetime
    amount: Amount
    who: Literal["entering", "present"] = "entering"


class Rounding(_Shape, frozen=True, kw_only=True):
    """The total is brought to a multiple of `unit` fen."""

    unit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    way: Literal["down", "half_up", "up"] = "down"


class Tariff(_Shape, frozen=True, kw_only=True):
    """收费标准. Schedules are tried in order: the first whose conditions a day meets, holds for that day."""

    rates: dict[RateName, Rate]
    schedules: Annotated[list[Schedule], msgspec.Meta(min_length=1, max_length=50)]
    free: Free = Free(minutes=0)
    tail_minutes: Minutes = 0
    """A begun unit of at most so many minutes is not billed (尾数)."""
    restart: Restart = Restart.NEVER
    run_on: bool = True
    """A unit that was begun in one window runs on into the next: its minutes are not billed again."""
    caps: list[Cap] = []
    classes: dict[VehicleClass, Adjustment] = {}
    permits: dict[PermitKind, Adjustment] = {}
    charging: Charging | None = None
    events: list[Event] = []
    rounding: Rounding = Rounding()
    exit_grace_minutes: Annotated[int, msgspec.Meta(ge=0, le=120)] = 15
    """How long after paying the vehicle may leave without paying more."""


def decode(data: object) -> Tariff:
    """A tariff from JSON's own types. Raises msgspec.ValidationError that names the place."""
    return msgspec.convert(data, Tariff)
