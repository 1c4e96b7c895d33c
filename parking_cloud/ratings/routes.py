"""Ratings and scores over HTTP."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, get, post, put
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.limits import Limit, Limiter
from parking_cloud.ratings import desk, drivers, formulas, ranking, reading, scoring
from parking_cloud.ratings.formulas import FormulaIn, FormulaOut
from parking_cloud.ratings.schemas import (
    AnswerIn,
    DecisionIn,
    DeskRating,
    MyRating,
    OpenStay,
    PublicRatings,
    RatingIn,
    ReportIn,
    ScoreOut,
)

WhoRequest = Request[Identity, Any, Any]
Most = Annotated[int, Parameter(ge=1, le=200)]
Page = Annotated[int, Parameter(ge=0, le=500)]
_CITY = allow(Role.CITY_ADMINISTRATOR)
_NOT_KEPT = {"Cache-Control": "no-store"}
_PUBLIC_FOR = {"Cache-Control": "public, max-age=300"}
MOST_A_DAY = 20
"""Ratings written by one driver, changes included: nobody parks more often."""
_A_DAY = timedelta(days=1)


async def count_ratings(limiter: Limiter, who: Identity, now: datetime) -> None:
    """Count one rating of this driver, wherever it was written. Raises TooManyTries."""
    await limiter.count([Limit(f"rating:{who.user_id}", MOST_A_DAY, _A_DAY)], now)


class MyRatingsController(Controller):
    path = "/v1/me"
    tags = ["ratings"]
    guards = [allow(Role.DRIVER)]
    response_headers = _NOT_KEPT

    @post("/stays/{stay_id:uuid}/rating")
    async def rate(
        self,
        request: WhoRequest,
        session: AsyncSession,
        limiter: Limiter,
        clock: Clock,
        stay_id: UUID,
        data: RatingIn,
    ) -> MyRating:
        """Rate a stay of your own vehicle, once, within 14 days of its end."""
        await count_ratings(limiter, request.user, clock.now())
        return await drivers.rate(session, request.user.user_id, stay_id, data, clock.now())

    @put("/ratings/{rating_id:uuid}")
    async def change(
        self,
        request: WhoRequest,
        session: AsyncSession,
        limiter: Limiter,
        clock: Clock,
        rating_id: UUID,
        data: RatingIn,
    ) -> MyRating:
        """Say it otherwise: once, before it is answered."""
        await count_ratings(limiter, request.user, clock.now())
        return await drivers.change(session, request.user.user_id, rating_id, data, clock.now())

    @get("/ratings")
    async def mine(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, limit: Most = 50
    ) -> list[MyRating]:
        """What you have rated, the newest first."""
        return await drivers.my_ratings(session, request.user.user_id, clock.now(), limit)

    @get("/ratings/open")
    async def open_stays(self, request: WhoRequest, session: AsyncSession, clock: Clock) -> list[OpenStay]:
        """Your stays that can be rated still."""
        return await drivers.open_stays(session, request.user.user_id, clock.now())


@get(
    "/v1/facilities/{facility:str}/ratings",
    guards=[public],
    tags=["ratings"],
    response_headers=_PUBLIC_FOR,
)
async def facility_ratings(
    session: AsyncSession, clock: Clock, facility: str, page: Page = 0
) -> PublicRatings:
    """What drivers say of a facility: by nobody, and of a month at the most."""
    return await reading.ratings_of(session, facility, page, clock.now())


@get(
    "/v1/facilities/{facility:str}/score",
    guards=[public],
    tags=["ratings"],
    response_headers=_PUBLIC_FOR,
)
async def facility_score(
    session: AsyncSession, clock: Clock, facility: str, day: date | None = None
) -> ScoreOut:
    """A facility's score, explained line by line: the lines' points sum to it. `day`: as it was then."""
    return await scoring.score_of(session, facility, day or city_time(clock.now()).date())


class RatingsController(Controller):
    path = "/v1/ratings"
    tags = ["ratings"]

    @get("/formulas", guards=[public], response_headers=_PUBLIC_FOR)
    async def list_formulas(self, session: AsyncSession) -> list[FormulaOut]:
        """How scores are made: every formula, with its source."""
        return await formulas.list_formulas(session)

    @post("/formulas", guards=[_CITY])
    async def add_formula(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, data: FormulaIn
    ) -> dict[str, UUID]:
        """A formula from a day in the future on."""
        return {"id": await formulas.add_formula(session, request.user, data, clock.now())}

    @post("/scores", guards=[_CITY], status_code=200)
    async def make_scores(self, session: AsyncSession, clock: Clock) -> dict[str, int]:
        """Make today's scores now."""
        made = await scoring.make_scores(session, clock.now())
        await ranking.make_standing(session, clock.now())
        return {"made": made}

    @get("/to-screen", guards=[allow(Role.CITY_ADMINISTRATOR, Role.AUDITOR)], response_headers=_NOT_KEPT)
    async def to_screen(self, session: AsyncSession, clock: Clock, limit: Most = 50) -> list[DeskRating]:
        """Texts that were held or reported."""
        return await desk.to_screen(session, clock.now(), limit)

    @get("/to-answer", guards=[allow(Role.OPERATOR_STAFF)], response_headers=_NOT_KEPT)
    async def to_answer(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, limit: Most = 50
    ) -> list[DeskRating]:
        """What drivers wrote of your facilities."""
        operator = desk.own_operator(request.user)
        return await desk.to_answer(session, operator, clock.now(), limit)

    @post("/{rating_id:uuid}/decision", guards=[_CITY], status_code=204)
    async def decide(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, rating_id: UUID, data: DecisionIn
    ) -> None:
        """Show a text, or hide it and say why."""
        await desk.decide(session, request.user, rating_id, data, clock.now())

    @post("/{rating_id:uuid}/reports", guards=[allow(Role.DRIVER, Role.OPERATOR_STAFF)], status_code=204)
    async def report(
        self,
        request: WhoRequest,
        session: AsyncSession,
        limiter: Limiter,
        clock: Clock,
        rating_id: UUID,
        data: ReportIn,
    ) -> None:
        """A text should not be read by everybody: the city looks at it."""
        reports = Limit(f"rating report:{request.user.user_id}", MOST_A_DAY, _A_DAY)
        await limiter.count([reports], clock.now())
        await desk.report(session, request.user, rating_id, data, clock.now())

    @put("/{rating_id:uuid}/answer", guards=[allow(Role.OPERATOR_STAFF)], status_code=204)
    async def answer(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, rating_id: UUID, data: AnswerIn
    ) -> None:
        """The operator's answer; it may be changed for a day."""
        await desk.answer(session, request.user, rating_id, data, clock.now())


route_handlers: list[ControllerRouterHandler] = [
    MyRatingsController,
    facility_ratings,
    facility_score,
    RatingsController,
]
