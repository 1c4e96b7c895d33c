"""The formula's versions: the first is shipped as data, the city adds others, and none is ever changed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import audit
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.ids import new_id, stable_id
from parking_cloud.kernel.problems import InvalidInput, Problem
from parking_cloud.ratings.models import RatingsFormula
from parking_cloud.ratings.rules import Formula
from parking_cloud.ratings.schemas import Question

_FIRST = Path(__file__).parent / "data" / "first_formula.json"
_FIRST_SOURCE = (
    "平台初始方案，待主管部门确认 / the platform's own first proposal, to be confirmed by the city"
)
_SINCE = date(2026, 1, 1)


class FormulaIn(msgspec.Struct, frozen=True, kw_only=True):
    effective_from: date
    formula: Formula
    status: Literal["confirmed", "unconfirmed"]
    source: Annotated[str, msgspec.Meta(min_length=4, max_length=500)]


class FormulaOut(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    effective_from: date
    formula: Formula
    trial: bool
    source: str


class FormulaDayTaken(Problem):
    slug = "formula-day-taken"
    status = 409
    title = {"zh-CN": "该日期已有公式生效", "en": "Another formula begins on that day"}
    detail = {
        "zh-CN": "已公布的公式不可更改，请另选日期。",
        "en": "A formula is never changed: choose another day.",
    }


class InForce(NamedTuple):
    """A formula with its id, whether the city has confirmed it, since when it holds, and its source."""

    id: UUID
    formula: Formula
    trial: bool
    since: date
    source: str


async def ensure_first(session: AsyncSession) -> None:
    """The shipped formula is there; a second time changes nothing."""
    shipped = msgspec.json.decode(_FIRST.read_bytes(), type=Formula)
    await session.execute(
        insert(RatingsFormula)
        .values(
            id=stable_id("ratings formula", "first"),
            effective_from=_SINCE,
            formula=msgspec.to_builtins(shipped),
            status="unconfirmed",
            source=_FIRST_SOURCE,
        )
        .on_conflict_do_nothing()
    )


async def formula_for(session: AsyncSession, day: date) -> InForce:
    """The formula in force on a day; before the first began, the first."""
    await ensure_first(session)
    query = select(RatingsFormula).order_by(RatingsFormula.effective_from.desc())
    row = await session.scalar(query.where(RatingsFormula.effective_from <= day).limit(1))
    if row is None:
        row = (await session.scalars(select(RatingsFormula).order_by(RatingsFormula.effective_from))).first()
    if row is None:
        raise LookupError("the shipped formula is missing")
    return _in_force(row)


async def formula_by_id(session: AsyncSession, formula_id: UUID) -> InForce:
    """A formula that a score was made by."""
    row = await session.get_one(RatingsFormula, formula_id)
    return _in_force(row)


def _in_force(row: RatingsFormula) -> InForce:
    formula = msgspec.convert(row.formula, Formula, strict=False)
    return InForce(row.id, formula, row.status == "unconfirmed", row.effective_from, row.source)


async def list_formulas(session: AsyncSession) -> list[FormulaOut]:
    """Every formula, the newest first."""
    rows = await session.scalars(select(RatingsFormula).order_by(RatingsFormula.effective_from.desc()))
    return [
        FormulaOut(
            id=row.id,
            effective_from=row.effective_from,
            formula=_in_force(row).formula,
            trial=row.status == "unconfirmed",
            source=row.source,
        )
        for row in rows
    ]


async def add_formula(session: AsyncSession, who: Identity, stated: FormulaIn, now: datetime) -> UUID:
    """A formula from a day in the future on: what is published already stays as it was made.

    Raises InvalidInput, FormulaDayTaken.
    """
    errors = _wrong(stated, city_time(now).date())
    if errors:
        raise InvalidInput(errors=errors)
    made: UUID | None = await session.scalar(
        insert(RatingsFormula)
        .values(
            id=new_id(),
            effective_from=stated.effective_from,
            formula=msgspec.to_builtins(stated.formula),
            status=stated.status,
            source=stated.source,
            created_by=who.user_id,
        )
        .on_conflict_do_nothing()
        .returning(RatingsFormula.id)
    )
    if made is None:
        raise FormulaDayTaken()
    await audit.record(
        session,
        actor_id=who.user_id,
        actor_role=who.role,
        action="ratings.formula_added",
        subject_type="ratings_formula",
        subject_id=str(made),
        reason=stated.source,
    )
    return made


def _wrong(stated: FormulaIn, today: date) -> list[dict[str, str]]:
    errors = []
    formula = stated.formula
    if stated.effective_from <= today:
        errors.append({"field": "effective_from", "message": "must be after today"})
    if not any(formula.questions.get(question) for question in Question):
        errors.append({"field": "formula.questions", "message": "at least one question must have weight"})
    for fact, rule in formula.facts.items():
        if rule.good == rule.bad:
            errors.append({"field": f"formula.facts.{fact}", "message": "good and bad must differ"})
    return errors
