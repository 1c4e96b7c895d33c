"""Tariffs of any valid shape, and stays in years whose holidays are known."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st

from parking_cloud.kernel.calendar import DayKind, Festival
from parking_cloud.tariffs.schemas import VehicleClass
from parking_cloud.tariffs.shapes import (
    Adjustment,
    Cap,
    Charging,
    Event,
    Free,
    Hours,
    NoCharge,
    Overstay,
    Per,
    PerTime,
    Rate,
    Restart,
    Rounding,
    Row,
    Schedule,
    Season,
    Step,
    Steps,
    Table,
    Tariff,
    Words,
)

NAME = Words(zh="费率", en="rate")
RATES = ("one", "two", "three")
amounts = st.integers(0, 3000)
_FIRST = datetime.fromisoformat("2025-10-01")
moments = st.integers(0, 420 * 1440).map(lambda m: _FIRST + timedelta(minutes=m))
"""Until the end of November 2026, so that the longest stay ends in a known year."""
lengths = st.one_of(st.integers(0, 300), st.integers(0, 4 * 1440))


@st.composite
def steps(draw: st.DrawFn, tail: int) -> Steps:
    made, until = [], 0
    for _ in range(draw(st.integers(0, 3))):
        unit = draw(st.integers(tail + 1, 120))
        until += unit * draw(st.integers(1, 4))
        made.append(Step(unit=unit, amount=draw(amounts), until=until))
    if not made or draw(st.booleans()):
        made.append(Step(unit=draw(st.integers(tail + 1, 120)), amount=draw(amounts)))
    return Steps(name=NAME, steps=made, cap=draw(st.none() | st.integers(0, 8000)))


@st.composite
def tables(draw: st.DrawFn, tail: int) -> Table:
    rows, until, total = [], 0, 0
    for _ in range(draw(st.integers(1, 4))):
        until += draw(st.integers(tail + 1, 600))
        total += draw(amounts)
        rows.append(Row(until=until, total=total))
    then = Step(unit=draw(st.integers(tail + 1, 120)), amount=draw(amounts)) if draw(st.booleans()) else None
    return Table(name=NAME, rows=rows, then=then, cap=draw(st.none() | st.integers(0, 8000)))


@st.composite
def schedules(draw: st.DrawFn, *, default: bool) -> Schedule:
    marks = sorted(draw(st.sets(st.integers(0, 1439), min_size=1, max_size=4)))
    around = [*marks[1:], marks[0]]
    hours = [
        Hours(start=_clock(start), end=_clock(end), rate=draw(st.sampled_from(RATES)))
        for start, end in zip(marks, around, strict=True)
        if draw(st.integers(0, 5)) or len(marks) == 1
    ] or [Hours(rate="one")]
    if default:
        return Schedule(hours=hours)
    kinds = draw(st.lists(st.sampled_from(list(DayKind)), unique=True, max_size=3))
    seasons = [Season(first="03-15", last="10-07"), Season(first="12-20", last="02-20")]
    return Schedule(
        hours=hours,
        days=kinds,
        festivals=draw(st.lists(st.sampled_from(list(Festival)), unique=True, max_size=2)),
        seasons=draw(st.lists(st.sampled_from(seasons), max_size=1)),
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


@st.composite
def plain_tariffs(draw: st.DrawFn) -> Tariff:
    """Without what is other for some vehicles, and without events."""
    tail = draw(st.sampled_from([0, 0, 5, 15]))
    rate = st.one_of(
        steps(tail),
        tables(tail),
        st.builds(PerTime, name=st.just(NAME), amount=amounts),
        st.just(NoCharge(name=NAME)),
    )
    rates: dict[str, Rate] = {name: draw(rate) for name in RATES}
    restart = draw(st.sampled_from(list(Restart)))
    unit, way = draw(st.sampled_from([(1, "down"), (50, "down"), (100, "half_up"), (100, "up")]))
    fen = 1 if way == "down" else unit
    caps = st.builds(
        Cap, per=st.sampled_from(list(Per)), amount=st.integers(0, 10_000).map(lambda a: a // fen * fen)
    )
    for name, made in rates.items():
        if isinstance(made, Steps | Table) and made.cap is not None:
            rates[name] = type(made)(**{**_fields(made), "cap": made.cap // fen * fen})  # type: ignore[arg-type]
    return Tariff(
        rates=rates,
        schedules=[*draw(st.lists(schedules(default=False), max_size=2)), draw(schedules(default=True))],
        free=Free(
            minutes=draw(st.sampled_from([0, 15, 30, 120])),
            counted=draw(st.booleans()),
            again=restart is not Restart.NEVER and draw(st.booleans()),
        ),
        tail_minutes=tail,
        restart=restart,
        run_on=draw(st.booleans()),
        caps=draw(st.lists(caps, max_size=2)),
        rounding=Rounding(unit=unit, way=way),
    )


def _fields(rate: Steps | Table) -> dict[str, object]:
    return {name: getattr(rate, name) for name in rate.__struct_fields__}


adjustments = st.builds(
    Adjustment,
    percent=st.sampled_from([0, 33, 50, 100, 200]),
    caps_percent=st.sampled_from([None, 50, 100]),
    free=st.none() | st.builds(Free, minutes=st.sampled_from([0, 60, 180]), counted=st.booleans()),
    rates=st.dictionaries(st.sampled_from(RATES), st.sampled_from(RATES), max_size=2),
)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """Of every shape there is."""
    plain = draw(plain_tariffs())
    start = draw(moments)
    event = Event(
        name=NAME,
        start=start,
        end=start + timedelta(minutes=draw(st.integers(1, 2000))),
        amount=draw(amounts),
        who=draw(st.sampled_from(["entering", "present"])),
    )
    changed = {
        "classes": draw(st.dictionaries(st.sampled_from(list(VehicleClass)), adjustments, max_size=3)),
        "events": [event] if draw(st.booleans()) else [],
        "charging": draw(
            st.none()
            | st.builds(
                Charging,
                free_minutes=st.sampled_from([0, 60]),
                overstay=st.none() | st.builds(Overstay, after_minutes=st.just(30), percent=st.just(150)),
            )
        ),
    }
    return Tariff(**{name: changed.get(name, getattr(plain, name)) for name in plain.__struct_fields__})
