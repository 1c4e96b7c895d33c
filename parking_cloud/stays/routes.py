"""Stays over HTTP: started and ended by people, listed, shown with evidence, decided."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, get, post, put
from litestar.connection import Request
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.idempotency import IdempotencyKey, once
from parking_cloud.kernel.settings import Settings
from parking_cloud.stays import answering, decisions, looking, marking, policies
from parking_cloud.stays.charging import note_charging
from parking_cloud.stays.correction_routes import CorrectionController
from parking_cloud.stays.schemas import StayState
from parking_cloud.stays.wire import (
    Charged,
    ChargingIn,
    Decided,
    Ending,
    PlateSearch,
    PolicyIn,
    ReadingAnswer,
    ReadingPage,
    Resolution,
    Seconding,
    Started,
    Starting,
    StayDetail,
    StayPage,
)
from sensor_gateway.sealing import PlateVault

_SEE = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_ACT = (Role.OPERATOR_STAFF, Role.CITY_ADMINISTRATOR)
PersonRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=200)]


class StayController(Controller):
    path = "/v1/stays"
    tags = ["stays"]

    @post("/", guards=[allow(Role.DRIVER, *_ACT)], status_code=201)
    async def start(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        data: Starting,
        idempotency_key: IdempotencyKey = None,
    ) -> Started:
        """A vehicle stands on a space: said by the driver now, or by an attendant within 24 hours."""

        async def deed() -> Started:
            now = clock.now()
            found = await marking.start(
                session,
                PlateVault(settings.plate_key),
                request.user,
                space_id=data.space_id,
                plate=data.plate,
                color=data.plate_color and data.plate_color.value,
                at=data.at or now,
                now=now,
            )
            return Started(found)

        return await once(session, request, idempotency_key, Started, deed)

    @post("/{stay_id:uuid}/end", guards=[allow(Role.DRIVER, *_ACT)], status_code=204)
    async def end(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        stay_id: UUID,
        data: Ending,
    ) -> None:
        """It has left. A driver ends what he started himself."""
        now = clock.now()
        vault = PlateVault(settings.plate_key)
        await marking.end(
            session, vault, request.user, stay_id, at=data.at or now, evidence=data.evidence, now=now
        )

    @post("/{stay_id:uuid}/tow", guards=[allow(Role.ENFORCEMENT_OFFICER, *_ACT)], status_code=204)
    async def tow(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        stay_id: UUID,
        data: Ending,
    ) -> None:
        """It was towed: the stay ends with that."""
        now = clock.now()
        vault = PlateVault(settings.plate_key)
        await marking.end(
            session,
            vault,
            request.user,
            stay_id,
            at=data.at or now,
            towed=True,
            evidence=data.evidence,
            now=now,
        )

    @post("/{stay_id:uuid}/charging", guards=[allow(Role.INTEGRATION, Role.OPERATOR_STAFF)], status_code=200)
    async def charging(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        stay_id: UUID,
        data: ChargingIn,
    ) -> Charged:
        """A charger's record: so long the car was charging. Sent again, it counts once."""
        vault = PlateVault(settings.plate_key)
        return await note_charging(session, vault, request.user, stay_id, data, clock.now())

    @get("/", guards=[allow(*_SEE)])
    async def stays(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        facility_id: UUID | None = None,
        stay_state: Annotated[StayState | None, Parameter(query="state")] = None,
        before: datetime | None = None,
        limit: Limit = 50,
    ) -> StayPage:
        """Stays, newest first; an operator's staff see those of its own facilities."""
        wanted = looking.Wanted(facility_id, stay_state, before)
        return await looking.list_stays(session, PlateVault(settings.plate_key), request.user, wanted, limit)

    @post("/search", guards=[allow(*_SEE)], status_code=200)
    async def search(
        self, request: PersonRequest, session: AsyncSession, settings: Settings, data: PlateSearch
    ) -> StayPage:
        """A vehicle's stays at the own facilities. The look-up and its reason are kept."""
        wanted = looking.Wanted(before=data.before, plate=data.plate, reason=data.reason)
        return await looking.list_stays(session, PlateVault(settings.plate_key), request.user, wanted, 50)

    @get("/reviews", guards=[allow(*_SEE)])
    async def reviews(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        facility_id: UUID | None = None,
        before: datetime | None = None,
        limit: Limit = 50,
    ) -> StayPage:
        """What may not be charged by itself, and waits for the operator."""
        wanted = looking.Wanted(facility_id, StayState.REVIEW, before)
        return await looking.list_stays(session, PlateVault(settings.plate_key), request.user, wanted, limit)

    @get("/{stay_id:uuid}", guards=[allow(*_SEE)])
    async def stay(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        stay_id: UUID,
        reason: Annotated[str, Parameter(max_length=500)] = "",
    ) -> StayDetail:
        """A stay with its evidence. With a reason the whole plate, and that look is kept."""
        vault = PlateVault(settings.plate_key)
        return await looking.stay_detail(session, vault, request.user, stay_id, reason)

    @post("/{stay_id:uuid}/resolution", guards=[allow(*_ACT)], status_code=200)
    async def resolve(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        stay_id: UUID,
        data: Resolution,
        idempotency_key: IdempotencyKey = None,
    ) -> Decided:
        """Confirm or correct it with evidence, or void it. `holds` false: a second person has to agree."""

        async def deed() -> Decided:
            vault = PlateVault(settings.plate_key)
            done = await decisions.resolve(session, vault, request.user, stay_id, data, clock.now())
            return Decided(done.decision_id, done.holds)

        return await once(session, request, idempotency_key, Decided, deed)

    @post("/{stay_id:uuid}/resolution/second", guards=[allow(*_ACT)], status_code=200)
    async def second(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        stay_id: UUID,
        data: Seconding,
    ) -> Decided:
        """Agree to what somebody else decided."""
        vault = PlateVault(settings.plate_key)
        done = await decisions.second(session, vault, request.user, stay_id, data.decision_id, clock.now())
        return Decided(done.decision_id, done.holds)

    @get("/second-readings", guards=[allow(*_SEE)])
    async def readings(
        self, request: PersonRequest, reading: AsyncSession, after: UUID | None = None, limit: Limit = 50
    ) -> ReadingPage:
        """Plates that have to be read again."""
        return await answering.list_readings(reading, request.user, after=after, limit=limit)

    @post("/second-readings/{reading_id:uuid}", guards=[allow(*_ACT)], status_code=204)
    async def read_again(
        self,
        request: PersonRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        reading_id: UUID,
        data: ReadingAnswer,
    ) -> None:
        """What the plate is, by a person's look at the picture."""
        vault = PlateVault(settings.plate_key)
        await answering.answer(
            session, vault, request.user, reading_id, data, clock.now(), settings.stream_shards
        )

    @put("/policy", guards=[allow(Role.CITY_ADMINISTRATOR)], status_code=204)
    async def policy(
        self,
        request: PersonRequest,
        session: AsyncSession,
        clock: Clock,
        data: PolicyIn,
        facility_id: UUID | None = None,
    ) -> None:
        """What is plausible in the city, or at one facility."""
        await policies.set_policy(session, request.user, facility_id, data, clock.now())


route_handlers: list[ControllerRouterHandler] = [StayController, CorrectionController]
