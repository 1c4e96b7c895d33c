"""What the city asks of institutions that share, as data with its source; and what a plan falls short of.

Falling short is told and never punished: nothing here refuses a plan.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import new_id
from parking_cloud.sharing.models import SharingRule
from parking_cloud.sharing.rules import DAY, OFF, WORKING, Plan, Window, alike, moment, open_times
from parking_cloud.sharing.schemas import RuleStatus, Said
from parking_cloud.sharing.times import Span, minutes_of, within, without


class Exemption(msgspec.Struct, frozen=True, kw_only=True):
    """Who need not share."""

    code: str
    name: Said


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Workdays from so many minutes after work until so many before the next day's; days off all day; at
    least these shares of spaces and chargers."""

    effective_from: date
    after_work: int
    before_work: int
    least_spaces_percent: int
    least_chargers_percent: int
    exemptions: list[Exemption]
    status: RuleStatus
    legal_basis: str
    source: str


BEST_KNOWN = Rule(
    effective_from=date(2026, 3, 31),
    after_work=60,
    before_work=60,
    least_spaces_percent=30,
    least_chargers_percent=30,
    exemptions=[
        Exemption(
            code="security",
            name={"zh-CN": "涉密或有特殊安全保卫要求的单位", "en": "secret, or under special security"},
        ),
        Exemption(code="school", name={"zh-CN": "学校", "en": "school"}),
        Exemption(code="kindergarten", name={"zh-CN": "幼儿园", "en": "kindergarten"}),
        Exemption(code="hospital", name={"zh-CN": "医院", "en": "hospital"}),
        Exemption(code="care_home", name={"zh-CN": "养老机构", "en": "care home"}),
        Exemption(code="open_already", name={"zh-CN": "已对外开放", "en": "open to the public already"}),
    ],
    status=RuleStatus.UNCONFIRMED,
    legal_basis="",
    source="杭州市 2025-12-31 通知（2026-03-31 起施行），见 xjnnet.com 2026-01-02 报道；湖州的规定未查到",
)
"""Another city's, the best that is known; Huzhou's own was not found."""


async def ensure_rule(session: AsyncSession) -> None:
    """The best known one stands where the city has none."""
    values = msgspec.to_builtins(BEST_KNOWN, builtin_types=(date,)) | {"id": new_id()}
    there = await session.scalar(select(SharingRule.id).limit(1))
    if there is None:
        await session.execute(insert(SharingRule).values(values).on_conflict_do_nothing())


async def rule_at(session: AsyncSession, now: datetime) -> Rule | None:
    """What the city asks now; None: nothing is known."""
    row = await session.scalar(
        select(SharingRule)
        .where(SharingRule.effective_from <= city_time(now).date())
        .order_by(SharingRule.effective_from.desc())
        .limit(1)
    )
    if row is None:
        return None
    return Rule(
        effective_from=row.effective_from,
        after_work=row.after_work,
        before_work=row.before_work,
        least_spaces_percent=row.least_spaces_percent,
        least_chargers_percent=row.least_chargers_percent,
        exemptions=msgspec.convert(row.exemptions, list[Exemption]),
        status=RuleStatus(row.status),
        legal_basis=row.legal_basis,
        source=row.source,
    )


def template(rule: Rule, work_start: int, work_end: int) -> tuple[Window, ...]:
    """The windows that the rule asks for, by the institution's own hours of work."""
    opens, closes = work_end + rule.after_work, work_start - rule.before_work
    windows = [Window(days=OFF, start=0, until=DAY)]
    if opens < DAY and closes + DAY > opens:
        windows.append(Window(days=WORKING, start=opens, until=DAY + max(closes, 0)))
    if closes > 0:
        windows.append(Window(days=WORKING, start=0, until=closes))
    return tuple(windows)


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Of a facility: what it has, and what it opens."""

    spaces: int
    chargers: int
    opened: list[UUID]
    opened_chargers: int


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan has less of than the city asks, in percent or in hours of a week."""

    what: str
    """`spaces`, `chargers` or `hours`."""
    asked: float
    given: float


def shortfalls(
    rule: Rule, plan: Plan, counts: Counts, *, work_start: int, work_end: int, monday: date
) -> list[Shortfall]:
    """Where a plan opens less than the rule asks, in the week that begins on `monday`."""
    found: list[Shortfall] = []
    for what, has, opened, least in (
        ("spaces", counts.spaces, len(counts.opened), rule.least_spaces_percent),
        ("chargers", counts.chargers, counts.opened_chargers, rule.least_chargers_percent),
    ):
        if has and opened * 100 < least * has:
            found.append(Shortfall(what=what, asked=least, given=round(opened * 100 / has, 1)))
    week = Span(moment(monday, 0), moment(monday + timedelta(days=7), 0))
    asked = within(open_times(Plan(windows=template(rule, work_start, work_end)), week).times, week)
    most = -(-counts.spaces * rule.least_spaces_percent // 100)
    total, given = minutes_of(asked), _given(plan, counts.opened, most, asked, week)
    if given < total:
        found.append(Shortfall(what="hours", asked=round(total / 60, 1), given=round(given / 60, 1)))
    return found


def _given(plan: Plan, opened: Sequence[UUID], most: int, asked: list[Span], week: Span) -> int:
    """Minutes of the asked times in which the spaces are open that have to be, those that are open longest:
    what the last of them opens. One that is open all night does not stand for the others."""
    by_space: list[int] = []
    for group in alike(plan, opened):
        missing = without(asked, open_times(plan, week, group[0]).times)
        by_space += [minutes_of(asked) - minutes_of(missing)] * len(group)
    counted = sorted(by_space, reverse=True)[: max(most, 1)]
    return min(counted, default=0)


def exempt(rule: Rule | None, code: str) -> Exemption | None:
    """The exemption of this code; None where there is none."""
    exemptions: Collection[Exemption] = () if rule is None else rule.exemptions
    return next((each for each in exemptions if each.code == code), None)
