"""Pricing a stay: it is walked through once, from one change to the next.

Why a price cannot fall as the stay grows: what a past piece added is settled by its end, which no longer
moves; the piece at hand adds what a curve that never falls says, at most what its caps have left; and nothing
is ever taken back. Free minutes make it zero up to some length and leave it as it is beyond.
"""

from __future__ import annotations

from typing import NamedTuple

from parking_cloud.kernel.money import Fen
from parking_cloud.tariffs import words
from parking_cloud.tariffs.curves import Curve
from parking_cloud.tariffs.plan import NO_CAP, Variant
from parking_cloud.tariffs.schemas import Line
from parking_cloud.tariffs.shapes import Restart
from parking_cloud.tariffs.words import DAY, Pair

_FAR = 1 << 60


class Quote(NamedTuple):
    """A price: the sum of its lines."""

    amount: int
    lines: list[Line]


def line(code: str, amount: int, said: Pair) -> Line:
    return Line(code=code, amount=Fen(amount), reason={"zh-CN": said[0], "en": said[1]})


def quote(variant: Variant, entered: int, length: int, charging: int = 0) -> Quote:
    """The price of `length` minutes from the minute `entered`, the first `charging` of them at a charger.

    Raises UnknownHolidayYear where the stay touches a year whose holidays the tariff needs and nobody knows.
    """
    if variant.nothing:
        return Quote(0, [line("no_charge", 0, _nothing_words(variant))])
    _touch(variant, entered, entered + length)
    charged_free = min(charging, variant.charging_free)
    free = variant.free
    threshold = charged_free if free.again else max(free.minutes, charged_free)
    if length <= threshold:
        return Quote(0, [line("free", 0, _free_words(entered, length, threshold, charged_free == threshold))])
    skipped = charged_free if free.counted or free.again else threshold
    walk = _Walk(variant, entered, entered + length, entered + skipped, charging)
    if skipped:
        walk.lines.append(line("free", 0, _skipped_words(entered, skipped, charged_free == skipped)))
    walk.run()
    return walk.done()


def _touch(variant: Variant, start: int, end: int) -> None:
    """Every day of the stay has to be known, also those that turn out to be free."""
    plan = variant.plan
    if plan.needs_holidays:
        for day in range(start // DAY, end // DAY + 1):
            plan.layout(day)


class _Walk:
    """A stay on its way through a tariff."""

    __slots__ = (
        "_begun",
        "_counted",
        "_curve",
        "_cuts",
        "_day",
        "_day_left",
        "_entered_in",
        "_from_entry",
        "_left_24h",
        "_overstay_at",
        "_paid_until",
        "_period_end",
        "_stay_left",
        "_window",
        "at",
        "end",
        "lines",
        "start",
        "total",
        "variant",
    )

    def __init__(self, variant: Variant, start: int, end: int, at: int, charging: int) -> None:
        self.variant = variant
        self.start = start
        self.end = end
        self.at = at
        self.total = 0
        self.lines: list[Line] = []
        self._cuts: dict[tuple[str, int], int] = {}
        self._curve: Curve | None = None
        self._window = self._begun = self._counted = 0
        self._paid_until = 0
        plan = variant.plan
        self._entered_in = plan.event_at(start) if plan.events else -1
        over = variant.overstay
        self._overstay_at = start + charging + over.after_minutes if over and charging else _FAR
        self._period_end = start
        self._stay_left = variant.cap_stay
        self._day = -1
        self._day_left = self._left_24h = 0
        self._from_entry = -1

    def run(self) -> None:
        """Piece by piece: each lies in one period, one day, one 24 hours from entry and under one rate."""
        restart = self.variant.plan.tariff.restart
        if restart is Restart.NEVER:
            self._period_end = self.end
            self._go_to(self.end)
            return
        period = self.start
        while period < self.end:
            next_ = period + DAY if restart is Restart.DAY_FROM_ENTRY else (period // DAY + 1) * DAY
            self._period(period, min(next_, self.end))
            self._close()
            period = next_

    def _period(self, period: int, until: int) -> None:
        free = self.variant.free
        if free.again and free.minutes:
            if until - period <= free.minutes:
                self.lines.append(line("free", 0, _free_words(period, until - period, free.minutes, False)))
                self.at = max(self.at, until)
                return
            if not free.counted:
                self.lines.append(line("free", 0, _skipped_words(period, free.minutes, False)))
                self.at = max(self.at, period + free.minutes)
        self._go_to(until)

    def _go_to(self, until: int) -> None:
        variant = self.variant
        plan = variant.plan
        while self.at < until:
            at = self.at
            day = at // DAY
            if day != self._day:
                self._day, self._day_left = day, variant.cap_day
            since_entry = (at - self.start) // DAY
            if since_entry != self._from_entry:
                self._from_entry, self._left_24h = since_entry, variant.cap_24h
            ends, number = next(part for part in plan.layout(day, self._entered_in) if part[0] > at)
            ends = min(ends, until)
            if variant.cap_24h != NO_CAP:
                ends = min(ends, self.start + (since_entry + 1) * DAY)
            if at >= self._overstay_at:
                curve = variant.raised[number]
            else:
                curve, ends = variant.curves[number], min(ends, self._overstay_at)
            self._piece(curve, ends)

    def _piece(self, curve: Curve, ends: int) -> None:
        """Add what the minutes up to `ends` cost, as far as the caps let it."""
        if curve is not self._curve:
            self._close()
            self._curve, self._begun, self._counted = curve, self.at, 0
            self._window = max(self.at, self._paid_until)
        self.at = ends
        minutes = ends - self._window
        if minutes <= 0:
            return
        cost = curve.at(minutes)
        added = cost - self._counted
        self._counted = cost
        allowed = min(added, self._day_left, self._left_24h, self._stay_left)
        if allowed < added:
            self._cut(added - allowed, allowed)
        self._day_left -= allowed
        self._left_24h -= allowed
        self._stay_left -= allowed
        self.total += allowed

    def _cut(self, amount: int, allowed: int) -> None:
        """Remember which cap took how much."""
        if allowed == self._left_24h:
            key = ("cap_24h", self.start + self._from_entry * DAY)
        elif allowed == self._day_left:
            key = ("cap_day", self._day * DAY)
        else:
            key = ("cap_stay", self.start)
        self._cuts[key] = self._cuts.get(key, 0) + amount

    def _close(self) -> None:
        """The window is over: its line, and how far its last unit runs on."""
        curve = self._curve
        if curve is None:
            return
        self._curve = None
        minutes = self.at - self._window
        if minutes <= 0:
            return
        if curve.covers is not None:
            self._paid_until = self._window + curve.paid_for(minutes)
        from_to, name = words.stretch(self._begun, self.at), curve.words
        said = (f"{from_to[0]}，{name[0]}", f"{from_to[1]}, {name[1]}")
        self.lines.append(line(curve.code, self._counted, said))

    def done(self) -> Quote:
        """The lines that hold for the whole stay, and the total."""
        self._close()
        for (code, since), amount in self._cuts.items():
            self.lines.append(line(code, -amount, _cap_words(self.variant, code, since)))
        variant = self.variant
        if variant.scale.percent != 100:
            self.lines.append(line("adjusted", 0, _adjusted_words(variant)))
        rounding = variant.plan.tariff.rounding
        rounded = _rounded(self.total, rounding.unit, rounding.way)
        if rounded != self.total:
            said = (f"按 {words.money(rounding.unit)} 取整", f"rounded to {words.money(rounding.unit)}")
            self.lines.append(line("rounding", rounded - self.total, said))
        return Quote(rounded, self.lines)


def _rounded(amount: int, unit: int, way: str) -> int:
    over = {"down": 0, "half_up": unit // 2, "up": unit - 1}[way]
    return (amount + over) // unit * unit


def _free_words(start: int, minutes: int, threshold: int, charging: bool) -> Pair:
    from_to, stayed, limit = (
        words.stretch(start, start + minutes),
        words.length(minutes),
        words.length(threshold),
    )
    what = ("充电免费", "free while charging") if charging and threshold else ("免费", "free")
    return (
        f"{from_to[0]}，停放 {stayed[0]}，不超过 {limit[0]}{what[0]}",
        f"{from_to[1]}, {stayed[1]}: up to {limit[1]} {what[1]}",
    )


def _skipped_words(start: int, minutes: int, charging: bool) -> Pair:
    from_to, skipped = words.stretch(start, start + minutes), words.length(minutes)
    what = ("充电期间", "while charging ") if charging else ("", "")
    return (
        f"{from_to[0]}，{what[0]}首 {skipped[0]}免费，不计入收费时间",
        f"{from_to[1]}, {what[1]}the first {skipped[1]} are free and not billed",
    )


def _cap_words(variant: Variant, code: str, since: int) -> Pair:
    if code == "cap_24h":
        cap, at = words.money(variant.cap_24h), words.moment(since)
        return f"{at} 起 24 小时内最高 {cap}", f"at most {cap} within 24 h from {at}"
    if code == "cap_day":
        cap, day = words.money(variant.cap_day), words.day_words(since // DAY)
        return f"{day} 当日最高 {cap}", f"at most {cap} on {day}"
    cap = words.money(variant.cap_stay)
    return f"单次停车最高 {cap}", f"at most {cap} for one stay"


CLASS_WORDS: dict[str, Pair] = {
    "small": ("小型车", "small vehicle"),
    "large": ("大型车", "large vehicle"),
    "new_energy": ("新能源车", "new-energy vehicle"),
    "new_energy_large": ("大型新能源车", "large new-energy vehicle"),
    "motorcycle": ("摩托车", "motorcycle"),
    "exempt": ("免费车辆", "exempt vehicle"),
}
PERMIT_WORDS: dict[str, Pair] = {
    "resident": ("居民停车证", "resident's permit"),
    "monthly": ("包月", "monthly permit"),
    "staff": ("单位职工", "staff permit"),
    "free_list": ("免费名单", "free list"),
    "booking": ("预约", "booking"),
}


def _who(variant: Variant) -> Pair:
    zh, en = CLASS_WORDS[variant.vehicle]
    if variant.permit is None:
        return zh, en
    of_permit = PERMIT_WORDS[variant.permit]
    return f"{zh}、{of_permit[0]}", f"{en}, {of_permit[1]}"


def _nothing_words(variant: Variant) -> Pair:
    zh, en = _who(variant)
    return f"{zh}：免收停车费", f"{en}: no parking fee"


def _adjusted_words(variant: Variant) -> Pair:
    (zh, en), share = _who(variant), words.percent(variant.scale.percent)
    return f"{zh}：各项金额{share[0]}（上列已计入）", f"{en}: every amount {share[1]} (included above)"
