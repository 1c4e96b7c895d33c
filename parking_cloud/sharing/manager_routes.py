"""Plans, exceptions and closings over HTTP, for institutions' managers and the city."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, delete, get, post, put
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.sharing import closing, managing, planning
from parking_cloud.sharing.closing import Closed
from parking_cloud.sharing.managing import BookedOut, ClosingOut, ExceptionOut, PlanOut, Preview
from parking_cloud.sharing.rule import Rule, rule_at
from parking_cloud.sharing.rule import template as windows_of_rule
from parking_cloud.sharing.schemas import ClosingIn, ExceptionIn, Moment, PlanIn, WindowIn
from parking_cloud.sharing.times import Span

KEEPERS = (Role.INSTITUTION_MANAGER, Role.CITY_ADMINISTRATOR)
StaffRequest = Request[Identity, Any, Any]
Minute = Annotated[int, Parameter(ge=0, le=1440)]


class Version(msgspec.Struct, frozen=True):
    version: int


class Made(msgspec.Struct, frozen=True):
    id: UUID


class Concerned(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a closing would take something back from."""

    bookings: int
    people: int


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """What the city asks, with its source and whether it is law here; and the windows it comes to."""

    rule: Rule | None
    windows: list[WindowIn]


class SharingPlanController(Controller):
    path = "/v1/sharing/plans"
    tags = ["sharing"]
    guards = [allow(*KEEPERS)]

    @get("/")
    async def plans(self, request: StaffRequest, session: AsyncSession) -> list[PlanOut]:
        """The facilities whose plans you keep."""
        return await managing.my_facilities(session, request.user)

    @get("/template")
    async def template(
        self, session: AsyncSession, clock: Clock, work_start: Minute, work_end: Minute
    ) -> Template:
        """The windows that the city asks for, by your own hours of work in minutes of the day."""
        rule = await rule_at(session, clock.now())
        if rule is None or work_end <= work_start:
            return Template(rule=rule, windows=[])
        windows = windows_of_rule(rule, work_start, work_end)
        stated = [WindowIn(days=sorted(w.days), start=w.start, until=w.until) for w in windows]
        return Template(rule=rule, windows=stated)

    @get("/{facility_id:uuid}")
    async def plan(self, request: StaffRequest, session: AsyncSession, facility_id: UUID) -> PlanOut:
        """A facility's plan."""
        return await managing.plan_out(session, request.user, facility_id)

    @put("/{facility_id:uuid}")
    async def keep(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility_id: UUID, data: PlanIn
    ) -> Version:
        """Keep a facility's plan. What is booked stays booked."""
        version = await planning.save_plan(session, request.user, facility_id, data, clock.now())
        return Version(version)

    @post("/{facility_id:uuid}/preview", status_code=200)
    async def preview(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility_id: UUID, data: PlanIn
    ) -> Preview:
        """What a plan would come to, and what is to be said about it; nothing is kept."""
        return await managing.preview(session, request.user, facility_id, data, clock.now())

    @get("/{facility_id:uuid}/exceptions")
    async def exceptions(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility_id: UUID
    ) -> list[ExceptionOut]:
        """From today on."""
        await planning.facility_to_keep(session, request.user, facility_id)
        return await managing.exceptions_out(session, facility_id, city_time(clock.now()).date())

    @post("/{facility_id:uuid}/exceptions")
    async def add_exception(
        self,
        request: StaffRequest,
        session: AsyncSession,
        clock: Clock,
        facility_id: UUID,
        data: ExceptionIn,
    ) -> Made:
        """Open, or close, on one date other than planned."""
        return Made(await planning.add_exception(session, request.user, facility_id, data, clock.now()))

    @delete("/{facility_id:uuid}/exceptions/{exception_id:uuid}")
    async def drop_exception(
        self,
        request: StaffRequest,
        session: AsyncSession,
        clock: Clock,
        facility_id: UUID,
        exception_id: UUID,
    ) -> None:
        """As planned again on that date."""
        await planning.drop_exception(session, request.user, facility_id, exception_id, clock.now())

    @get("/{facility_id:uuid}/closings")
    async def closings(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility_id: UUID
    ) -> list[ClosingOut]:
        """Of the last thirty days, and to come."""
        await planning.facility_to_keep(session, request.user, facility_id)
        return await managing.closings_out(session, facility_id, clock.now() - timedelta(days=30))

    @get("/{facility_id:uuid}/concerned")
    async def concerned(
        self,
        request: StaffRequest,
        session: AsyncSession,
        clock: Clock,
        facility_id: UUID,
        start: Moment,
        end: Moment,
    ) -> Concerned:
        """How many a closing would concern."""
        bookings, people = await closing.people_concerned(
            session, request.user, facility_id, Span(start, max(start, end)), clock.now()
        )
        return Concerned(bookings=bookings, people=people)

    @post("/{facility_id:uuid}/closings")
    async def close(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility_id: UUID, data: ClosingIn
    ) -> Closed:
        """Close in an emergency: everybody who has booked is told and paid back."""
        return await closing.close(session, request.user, facility_id, data, clock.now())

    @post("/{facility_id:uuid}/closings/{closing_id:uuid}/lift", status_code=200)
    async def lift(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, facility_id: UUID, closing_id: UUID
    ) -> None:
        """Open again from now on."""
        await closing.lift(session, request.user, facility_id, closing_id, clock.now())

    @get("/{facility_id:uuid}/bookings")
    async def bookings(
        self,
        request: StaffRequest,
        session: AsyncSession,
        facility_id: UUID,
        start: Moment,
        end: Moment,
        limit: Annotated[int, Parameter(ge=1, le=500)] = 100,
    ) -> list[BookedOut]:
        """What is booked within a time, without drivers and plates."""
        return await managing.booked_out(session, request.user, facility_id, start, end, limit)


route_handlers: list[ControllerRouterHandler] = [SharingPlanController]
