"""A tariff in sentences, in both languages: for signs, the driver's page and the editor."""

from __future__ import annotations

from collections.abc import Iterator

from parking_cloud.tariffs import words
from parking_cloud.tariffs.plan import Plan, Variant
from parking_cloud.tariffs.pricing import CLASS_WORDS, PERMIT_WORDS
from parking_cloud.tariffs.schemas import Said, VehicleClass
from parking_cloud.tariffs.shapes import Adjustment, Free, Per, Restart, Schedule, Tariff
from parking_cloud.tariffs.words import Pair

_KINDS: dict[str, Pair] = {
    "workday": ("工作日", "workdays"),
    "adjusted_workday": ("调休上班日", "weekend days worked instead"),
    "weekend": ("周末", "weekends"),
    "statutory_holiday": ("法定节假日", "statutory holidays"),
}
_FESTIVALS: dict[str, Pair] = {
    "new_year": ("元旦", "New Year"),
    "spring_festival": ("春节", "Spring Festival"),
    "tomb_sweeping": ("清明节", "Tomb-sweeping Day"),
    "labour_day": ("劳动节", "Labour Day"),
    "dragon_boat": ("端午节", "Dragon Boat Festival"),
    "mid_autumn": ("中秋节", "Mid-autumn Festival"),
    "national_day": ("国庆节", "National Day"),
    "victory_day": ("抗战胜利日", "Victory Day"),
}
_PER: dict[Per, Pair] = {
    Per.DAY_FROM_ENTRY: ("入场起每 24 小时", "each 24 h from entry"),
    Per.CALENDAR_DAY: ("每个自然日", "each calendar day"),
    Per.STAY: ("每次停车", "each stay"),
}


def said(pair: Pair) -> Said:
    return {"zh-CN": pair[0], "en": pair[1]}


def describe(plan: Plan) -> list[Said]:
    """The whole tariff, a sentence each."""
    tariff = plan.tariff
    variant = plan.variant(VehicleClass.SMALL, None)
    return [said(pair) for pair in _sentences(tariff, variant)]


def _sentences(tariff: Tariff, variant: Variant) -> Iterator[Pair]:
    if tariff.free.minutes:
        yield _free(tariff.free)
    for schedule in tariff.schedules:
        yield _schedule(schedule, variant)
    for cap in tariff.caps:
        zh, en = _PER[cap.per]
        amount = words.money(cap.amount)
        yield f"{zh}最高 {amount}", f"At most {amount} {en}"
    if tariff.restart is Restart.DAY_FROM_ENTRY:
        yield "入场满 24 小时重新计费", "Billing begins anew 24 h after entry"
    elif tariff.restart is Restart.CALENDAR_DAY:
        yield "每日零点重新计费", "Billing begins anew at midnight"
    yield from _charging(tariff)
    yield from _adjusted([(CLASS_WORDS[kind], a) for kind, a in tariff.classes.items()])
    yield from _adjusted([(PERMIT_WORDS[kind], a) for kind, a in tariff.permits.items()])
    for event in tariff.events:
        start, end = event.start.strftime("%Y-%m-%d %H:%M"), event.end.strftime("%Y-%m-%d %H:%M")
        amount = words.money(event.amount)
        yield (
            f"{event.name.zh}：{start} 至 {end} 每次 {amount}",
            f"{event.name.en}: {start} to {end}, {amount} each time",
        )
    if tariff.rounding.unit > 1:
        unit = words.money(tariff.rounding.unit)
        zh, en = {
            "down": ("舍去尾数", "rounded down"),
            "up": ("进位", "rounded up"),
            "half_up": ("四舍五入", "rounded"),
        }[tariff.rounding.way]
        yield f"合计{zh}至 {unit} 的整数倍", f"The total is {en} to a multiple of {unit}"
    grace = words.length(tariff.exit_grace_minutes)
    yield f"付费后 {grace[0]}内离场不再加收", f"Nothing is added when you leave within {grace[1]} of paying"


def _free(free: Free) -> Pair:
    limit = words.length(free.minutes)
    again = ("每个计费周期", "in each period ") if free.again else ("", "")
    if free.counted:
        return (
            f"{again[0]}停放不超过 {limit[0]}免费，超过后免费时长计入收费时间",
            f"Up to {limit[1]} {again[1]}free; beyond that, they are billed too",
        )
    return (
        f"{again[0]}首 {limit[0]}免费，不计入收费时间",
        f"The first {limit[1]} {again[1]}are free and never billed",
    )


def _schedule(schedule: Schedule, variant: Variant) -> Pair:
    parts = [
        (f"{hours.start}–{hours.end} ", *variant.curve(hours.rate).words)
        if (hours.start, hours.end) != ("00:00", "24:00")
        else ("", *variant.curve(hours.rate).words)
        for hours in schedule.hours
    ]
    days = _days(schedule)
    zh = "。".join(clock + chinese for clock, chinese, _ in parts)
    en = ". ".join(clock + english for clock, _, english in parts)
    return (f"{days[0]}：{zh}", f"{days[1]}: {en}") if days[0] else (zh, en)


def _days(schedule: Schedule) -> Pair:
    groups: list[list[Pair]] = [
        [_KINDS[kind] for kind in schedule.days],
        [_FESTIVALS[name] for name in schedule.festivals],
        [(f"每年 {s.first} 至 {s.last}", f"{s.first} to {s.last}") for s in schedule.seasons],
        [(f"{d.first} 至 {d.last}", f"{d.first} to {d.last}") for d in schedule.dates],
    ]
    named = [
        ("、".join(zh for zh, _ in group), ", ".join(en for _, en in group)) for group in groups if group
    ]
    zh, en = "，".join(zh for zh, _ in named), "; ".join(en for _, en in named)
    return zh, en[:1].upper() + en[1:]


def _charging(tariff: Tariff) -> Iterator[Pair]:
    charging = tariff.charging
    if charging is None:
        return
    if charging.free_minutes:
        limit = words.length(charging.free_minutes)
        yield f"充电期间首 {limit[0]}免费", f"The first {limit[1]} while charging are free"
    if charging.overstay is not None:
        after, share = words.length(charging.overstay.after_minutes), words.percent(charging.overstay.percent)
        yield f"充电结束 {after[0]}后{share[0]}", f"From {after[1]} after charging, {share[1]}"


def _adjusted(adjustments: list[tuple[Pair, Adjustment]]) -> Iterator[Pair]:
    for (zh, en), adjustment in adjustments:
        parts: list[Pair] = []
        if adjustment.percent == 0:
            parts.append(("免费", "free"))
        elif adjustment.percent != 100:
            parts.append(words.percent(adjustment.percent))
        if adjustment.caps_percent is not None and adjustment.caps_percent != adjustment.percent:
            parts.append((f"封顶按 {adjustment.caps_percent}%", f"caps at {adjustment.caps_percent} %"))
        if adjustment.free is not None:
            limit = words.length(adjustment.free.minutes)
            parts.append((f"免费 {limit[0]}", f"{limit[1]} free"))
        if adjustment.rates:
            parts.append(("适用专用费率", "with rates of their own"))
        yield (
            f"{zh}：{'，'.join(p[0] for p in parts)}",
            f"{en.capitalize()}: {', '.join(p[1] for p in parts)}",
        )
