"""A tariff made ready: which rate holds at which minute, and each rate as numbers for each kind of vehicle.

Days and minutes are whole numbers, counted from 1970-01-01 00:00 in the city's time, which has been eight
hours ahead of UTC without a change since 1991.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from parking_cloud.kernel.calendar import DayKind, Festival, day_kind, festival
from parking_cloud.kernel.clock import CITY_ZONE
from parking_cloud.tariffs.curves import Curve, Scale, curve_of
from parking_cloud.tariffs.schemas import PermitKind, VehicleClass
from parking_cloud.tariffs.shapes import (
    Adjustment,
    Event,
    Free,
    Hours,
    NoCharge,
    Per,
    PerTime,
    Rate,
    Schedule,
    Season,
    Tariff,
    Words,
)
from parking_cloud.tariffs.words import DAY, EPOCH

CITY_OFFSET_S = 8 * 3600
NO_CAP = 1 << 60
_GAP = "unpriced"
_DAYS_KEPT = 4096

Layout = tuple[tuple[int, int], ...]
"""(minute at which it ends, number of the rate), one after another through a day."""

_FALLS_BACK = {VehicleClass.NEW_ENERGY_LARGE: VehicleClass.LARGE}
PREPAID = Adjustment(percent=0)
_PERMITS = dict.fromkeys(
    (PermitKind.MONTHLY, PermitKind.STAFF, PermitKind.FREE_LIST, PermitKind.BOOKING), PREPAID
)
"""What a permit gives where the tariff says nothing of it; a resident's gives nothing then."""


def minute_of(moment: datetime) -> int:
    """A moment as a minute of the city's time. Raises ValueError for one without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone cannot be placed")
    return (int(moment.timestamp() // 1) + CITY_OFFSET_S) // 60


def clock_minute(text: str) -> int:
    """HH:MM as minutes of the day."""
    return int(text[:2]) * 60 + int(text[3:])


@lru_cache(maxsize=_DAYS_KEPT)
def _kind(day: int) -> DayKind:
    return day_kind(EPOCH + timedelta(days=day))


@lru_cache(maxsize=_DAYS_KEPT)
def _festival(day: int) -> Festival | None:
    return festival(EPOCH + timedelta(days=day))


def spans(hours: Hours) -> list[tuple[int, int]]:
    """The minutes of a day, as spans that do not wrap."""
    start, end = clock_minute(hours.start) % DAY, clock_minute(hours.end)
    if end > start:
        return [(start, end)]
    return [(0, end), (start, DAY)] if end else [(start, DAY)]


def holds(schedule: Schedule, day: int) -> bool:
    """Whether a schedule is for this day. Raises UnknownHolidayYear where that hangs on the day's kind."""
    on = EPOCH + timedelta(days=day)
    if schedule.dates and not any(span.first <= on <= span.last for span in schedule.dates):
        return False
    if schedule.seasons and not any(_in_season(season, on) for season in schedule.seasons):
        return False
    if schedule.days and _kind(day) not in schedule.days:
        return False
    return not schedule.festivals or _festival(day) in schedule.festivals


def _in_season(season: Season, on: date) -> bool:
    today = on.strftime("%m-%d")
    if season.first <= season.last:
        return season.first <= today <= season.last
    return today >= season.first or today <= season.last


def event_minutes(event: Event) -> tuple[int, int]:
    """When an event begins and ends; a time without a zone is the city's."""
    moments = [m if m.tzinfo else m.replace(tzinfo=CITY_ZONE) for m in (event.start, event.end)]
    return minute_of(moments[0]), minute_of(moments[1])


class Plan:
    """A tariff that can be priced by; it keeps what it has worked out."""

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff
        self.needs_holidays = any(s.days or s.festivals for s in tariff.schedules)
        self.events = [(*event_minutes(event), event) for event in tariff.events]
        named = NoCharge(name=Words(zh="未规定收费的时段", en="hours without a rate"))
        self.rates: dict[str, Rate] = {**tariff.rates, _GAP: named}
        self._numbers = {name: number for number, name in enumerate(self.rates)}
        for index, event in enumerate(tariff.events):
            self.rates[f"event-{index}"] = PerTime(name=event.name, amount=event.amount)
        self._layouts: dict[tuple[int, int], Layout] = {}
        self._variants: dict[tuple[VehicleClass, PermitKind | None], Variant] = {}

    def layout(self, day: int, entered_in: int = -1) -> Layout:
        """A day's rates; `entered_in`: the event that the vehicle came to. Raises UnknownHolidayYear."""
        key = (day, entered_in)
        known = self._layouts.get(key)
        if known is None:
            if len(self._layouts) >= _DAYS_KEPT:
                self._layouts.clear()
            known = self._layouts[key] = self._lay_out(day, entered_in)
        return known

    def event_at(self, minute: int) -> int:
        """The event for which a vehicle that enters now has come; -1: none."""
        for index, (start, end, event) in enumerate(self.events):
            if event.who == "entering" and start <= minute < end:
                return index
        return -1

    def variant(self, vehicle: VehicleClass, permit: PermitKind | None) -> Variant:
        """What the tariff is for a class of vehicles, with a permit or without."""
        key = (vehicle, permit)
        known = self._variants.get(key)
        if known is None:
            known = self._variants[key] = Variant(self, vehicle, permit)
        return known

    def adjustments(self, vehicle: VehicleClass, permit: PermitKind | None) -> list[Adjustment]:
        """The class's, then the permit's."""
        classes = self.tariff.classes
        of_class = classes.get(vehicle) or classes.get(_FALLS_BACK.get(vehicle, vehicle))
        of_permit = None
        if permit is not None:
            of_permit = self.tariff.permits.get(permit) or _PERMITS.get(permit)
        if permit is PermitKind.BOOKING:
            of_permit = PREPAID  # its time is paid by the booking, whatever a tariff says of it
        return [adjustment for adjustment in (of_class, of_permit) if adjustment is not None]

    def _lay_out(self, day: int, entered_in: int) -> Layout:
        minutes = [self._numbers[_GAP]] * DAY
        if self.needs_holidays:
            _kind(day)  # the year has to be known, whichever schedule will hold
        schedule = next((s for s in self.tariff.schedules if holds(s, day)), None)
        for hours in schedule.hours if schedule else []:
            for start, end in spans(hours):
                minutes[start:end] = [self._numbers[hours.rate]] * (end - start)
        for index, (start, end, event) in enumerate(self.events):
            if event.who == "present" or index == entered_in:
                low, high = max(0, start - day * DAY), min(DAY, end - day * DAY)
                if low < high:
                    minutes[low:high] = [len(self._numbers) + index] * (high - low)
        ends = [m for m in range(1, DAY) if minutes[m] != minutes[m - 1]]
        return tuple((day * DAY + end, minutes[end - 1]) for end in [*ends, DAY])


class Variant:
    """A plan's numbers for one class of vehicles and one kind of permit."""

    def __init__(self, plan: Plan, vehicle: VehicleClass, permit: PermitKind | None) -> None:
        tariff = plan.tariff
        self.plan = plan
        self.vehicle = vehicle
        self.permit = permit
        adjustments = plan.adjustments(vehicle, permit)
        self.scale = Scale()
        # A total that is rounded up from below a cap stays below it only if the cap is such a multiple too.
        caps = Scale(unit=1 if tariff.rounding.way == "down" else tariff.rounding.unit)
        free, names = tariff.free, {name: name for name in plan.rates}
        for adjustment in adjustments:
            self.scale = self.scale.times(adjustment.percent)
            share = adjustment.caps_percent
            caps = caps.times(adjustment.percent if share is None else share)
            free = free if adjustment.free is None else adjustment.free
            names = {name: adjustment.rates.get(used, used) for name, used in names.items()}
        self.free: Free = free
        self.nothing = self.scale.num == 0
        """Free of charge, whenever and however long."""
        charging = tariff.charging
        self.charging_free = charging.free_minutes if charging else 0
        self.overstay = charging.overstay if charging else None
        self.curves = self._curves(names, self.scale, caps)
        self._by_name = dict(zip(names, self.curves, strict=True))
        raised = self.overstay and self.scale.times(self.overstay.percent)
        self.raised = self._curves(names, raised, caps) if raised else self.curves
        self.cap_24h = self._cap(Per.DAY_FROM_ENTRY, caps)
        self.cap_day = self._cap(Per.CALENDAR_DAY, caps)
        self.cap_stay = self._cap(Per.STAY, caps)

    def curve(self, name: str) -> Curve:
        """What a rate costs this vehicle."""
        return self._by_name[name]

    def _curves(self, names: dict[str, str], scale: Scale, caps: Scale) -> Sequence[Curve]:
        """By number of the rate; one object for rates that are one, since a window is minutes of one."""
        tariff = self.plan.tariff
        made: dict[str, Curve] = {}
        for name in dict.fromkeys(names.values()):
            made[name] = curve_of(
                self.plan.rates[name],
                name,
                scale=scale,
                caps=caps,
                tail=tariff.tail_minutes,
                run_on=tariff.run_on,
            )
        return [made[used] for used in names.values()]

    def _cap(self, per: Per, caps: Scale) -> int:
        amounts = [caps.of(cap.amount) for cap in self.plan.tariff.caps if cap.per is per]
        return min(amounts, default=NO_CAP)
