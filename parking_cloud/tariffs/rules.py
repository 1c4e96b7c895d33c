"""What a stay costs: a pure decision.

A stay is counted in whole minutes from its entry; a minute that has only begun costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from parking_cloud.tariffs.plan import Plan, minute_of
from parking_cloud.tariffs.pricing import Quote, line, quote
from parking_cloud.tariffs.schemas import Line, PermitKind, VehicleClass
from parking_cloud.tariffs.words import moment
from sensor_gateway.plates import PlateKind
from sensor_gateway.records import PlateColor

_EXEMPT = {PlateKind.MILITARY, PlateKind.ARMED_POLICE, PlateKind.POLICE}
_BY_KIND = {
    PlateKind.NEW_ENERGY_SMALL: VehicleClass.NEW_ENERGY,
    PlateKind.NEW_ENERGY_LARGE: VehicleClass.NEW_ENERGY_LARGE,
}
_BY_COLOR = {
    PlateColor.YELLOW: VehicleClass.LARGE,
    PlateColor.GREEN: VehicleClass.NEW_ENERGY,
    PlateColor.YELLOW_GREEN: VehicleClass.NEW_ENERGY_LARGE,
    PlateColor.WHITE: VehicleClass.EXEMPT,
}
_SMALL_THOUGH_YELLOW = {PlateKind.TRAINER}


class Permit(NamedTuple):
    """A permit of the vehicle that holds during some of the stay."""

    kind: PermitKind
    valid_from: datetime
    valid_until: datetime | None


def vehicle_class_of(plate_kind: str | None, color: str | None) -> VehicleClass:
    """The class that a plate tells of: by its shape, else by its colour; small where neither says more.

    No plate tells a motorcycle from a lorry, both yellow: an attendant says so, or it is charged as large.
    """
    if plate_kind in _EXEMPT:
        return VehicleClass.EXEMPT
    if plate_kind in _BY_KIND:
        return _BY_KIND[PlateKind(plate_kind)]
    if color is None or plate_kind in _SMALL_THOUGH_YELLOW:
        return VehicleClass.SMALL
    return _BY_COLOR.get(PlateColor(color), VehicleClass.SMALL)


def price(
    plan: Plan,
    *,
    vehicle: VehicleClass,
    entered_at: datetime,
    left_at: datetime,
    charging_minutes: int = 0,
    permits: Sequence[Permit] = (),
) -> Quote:
    """The price of a stay with its lines.

    With permits, of which no two hold at one time, it is never dearer than without them. Raises
    UnknownHolidayYear; ValueError where it ends before it begins, or a time has no zone.
    """
    start = minute_of(entered_at)
    seconds = int(left_at.timestamp() // 1) - int(entered_at.timestamp() // 1)
    if seconds < 0 or charging_minutes < 0 or left_at.tzinfo is None:
        raise ValueError("a stay cannot end before it has begun, nor charge for less than no time")
    minutes = seconds // 60
    charging = min(charging_minutes, minutes)
    usual = quote(plan.variant(vehicle, None), start, minutes, charging)
    if not permits or usual.amount == 0:
        return usual
    parted = _in_parts(plan, vehicle, start, start + minutes, charging, permits)
    return parted if parted.amount < usual.amount else usual


def _in_parts(
    plan: Plan, vehicle: VehicleClass, start: int, end: int, charging: int, permits: Sequence[Permit]
) -> Quote:
    """What lies within a permit's time is priced by it, the rest as if it had come or gone then."""
    amount = 0
    lines: list[Line] = []
    for low, high, kind in _parts(start, end, permits):
        part = quote(plan.variant(vehicle, kind), low, high - low, _charging_in(start, low, high, charging))
        if kind is not None and (low, high) != (start, end):
            lines.append(_permit_line(low, high))
        amount += part.amount
        lines += part.lines
    return Quote(amount, lines)


def _parts(start: int, end: int, permits: Sequence[Permit]) -> list[tuple[int, int, PermitKind | None]]:
    """A stay's minutes, one part after another, each with the permit that holds in it."""
    parts: list[tuple[int, int, PermitKind | None]] = []
    at = start
    for permit in sorted(permits, key=lambda each: each.valid_from):
        begins = min(max(minute_of(permit.valid_from), at), end)
        ends = end if permit.valid_until is None else min(max(minute_of(permit.valid_until), begins), end)
        parts += [(at, begins, None), (begins, ends, permit.kind)]
        at = ends
    return [part for part in (*parts, (at, end, None)) if part[0] < part[1]]


def _charging_in(start: int, low: int, high: int, charging: int) -> int:
    """Charging begins with the stay."""
    return max(0, min(start + charging, high) - low)


def _permit_line(low: int, high: int) -> Line:
    start, end = moment(low), moment(high)
    return line("permit", 0, (f"停车证有效：{start} 至 {end}", f"permit valid: {start} to {end}"))
