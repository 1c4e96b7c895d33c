"""The price in an answer is that of the tariff engine, for whichever stay, also as tariffs change."""

from __future__ import annotations

import random
from datetime import timedelta

import msgspec
import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from parking_cloud.guidance.asking import question_of
from parking_cloud.guidance.schemas import PlacesQuery
from parking_cloud.guidance.travel import Travel, load_pace
from parking_cloud.guidance.weighing import prices_at
from parking_cloud.tariffs import keeping
from parking_cloud.tariffs.problems import NoTariff
from parking_cloud.tariffs.schemas import QuoteIn, VehicleClass
from parking_cloud.tariffs.service import quote_planned
from tests.factories import NOON
from tests.guidance.test_the_index_is_exact import a_loader, a_place, bring
from tests.tariffs.parts import CHIEF, example, example_codes, with_tariff

pytestmark = [pytest.mark.stack, pytest.mark.anyio]

VEHICLES = list(VehicleClass)


async def test_random_stays_cost_what_a_quote_says(engine: AsyncEngine, session: AsyncSession) -> None:
    codes = example_codes()
    await bring(
        session, [a_place(f"f-{code}", 30.87, 120.1) for code in codes] + [a_place("none", 30.87, 120.1)]
    )
    for code in codes:
        await with_tariff(session, f"f-{code}", msgspec.to_builtins(example(code).tariff), code)
    # One of them says something else from a moment within a minute on; another holds until then only.
    turn = NOON + timedelta(hours=5, seconds=30)
    changing = await session.scalar(text("select id from tariff where code = :code"), {"code": codes[0]})
    other = msgspec.to_builtins(example(codes[1]).tariff)
    await keeping.add_version(session, CHIEF, changing, other, turn, NOON)
    replaced = await session.scalar(
        text("select id from facility where code = :code"), {"code": f"f-{codes[2]}"}
    )
    await keeping.assign(session, CHIEF, replaced, changing, turn, NOON)
    await session.commit()
    known, loader = a_loader(engine)
    await loader.load(NOON)
    travel = Travel(load_pace())
    rng = random.Random(5)
    arrivals = [turn - timedelta(seconds=1), turn, turn + timedelta(seconds=20)]
    arrivals += [NOON + timedelta(seconds=rng.randrange(20 * 86_400)) for _ in range(25)]
    for arrive_at in arrivals:
        asked = PlacesQuery(
            lat=30.87,
            lon=120.1,
            arrive_at=arrive_at,
            stay_minutes=rng.choice((1, 15, 30, 31, 61, 119, 480, rng.randrange(1, 10_000))),
            vehicle=rng.choice(VEHICLES),
        )
        question = question_of(asked, NOON, travel)
        rows = np.arange(len(known.index))
        found = dict(zip(known.index.codes, prices_at(known, question, rows).tolist(), strict=True))
        assert found == pytest.approx(await quoted(session, known.index.codes, asked), nan_ok=True, abs=0)


async def quoted(session: AsyncSession, codes: list[str], asked: PlacesQuery) -> dict[str, float]:
    """What the tariff engine says of the stay at each of these places; NaN where no tariff holds."""
    amounts = {}
    for code in codes:
        stay = QuoteIn(
            facility=code, entered_at=asked.arrive_at, minutes=asked.stay_minutes, vehicle=asked.vehicle
        )
        try:
            amounts[code] = float((await quote_planned(session, stay, NOON)).amount)
        except NoTariff:
            amounts[code] = float("nan")
    return amounts
