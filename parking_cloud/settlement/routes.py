"""Reconciliation and settlement over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel import sheets
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.registry.service import facilities_of, facility_names
from parking_cloud.settlement import exports, service, statements
from parking_cloud.settlement.schemas import (
    CloseIn,
    DifferenceOut,
    ResolutionIn,
    RunOut,
    StatementOut,
    TransferIn,
)

_CITY = allow(Role.CITY_ADMINISTRATOR, Role.AUDITOR)
_SEE = allow(Role.CITY_ADMINISTRATOR, Role.AUDITOR, Role.OPERATOR_STAFF)
_ACT = allow(Role.CITY_ADMINISTRATOR)

WhoRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=500)]


class SettlementController(Controller):
    path = "/v1/settlement"
    tags = ["settlement"]

    @get("/reconciliations", guards=[_CITY])
    async def reconciliations(self, session: AsyncSession, limit: Limit = 60) -> list[RunOut]:
        """Days of the providers' books that were compared with the ledger."""
        return await service.runs(session, limit)

    @get("/differences", guards=[_CITY])
    async def list_differences(
        self, session: AsyncSession, open_only: bool = False, day: date | None = None, limit: Limit = 200
    ) -> list[DifferenceOut]:
        """Every difference, explained in both languages."""
        return await service.differences(session, open_only=open_only, day=day, limit=limit)

    @post("/differences/{difference_id:uuid}/resolution", guards=[_ACT], status_code=204)
    async def explain(
        self,
        request: WhoRequest,
        session: AsyncSession,
        clock: Clock,
        difference_id: UUID,
        data: ResolutionIn,
    ) -> None:
        """What a difference turned out to be."""
        await service.explain_by_hand(session, request.user, difference_id, data.note, clock.now())

    @get("/statements", guards=[_SEE])
    async def list_statements(
        self,
        request: WhoRequest,
        session: AsyncSession,
        operator_id: UUID | None = None,
        limit: Limit = 60,
    ) -> list[StatementOut]:
        """Closed statements, without their lines."""
        operator = service.operator_for(request.user, operator_id)
        return await service.list_statements(session, operator, limit)

    @get("/draft", guards=[_SEE])
    async def preview(
        self,
        request: WhoRequest,
        session: AsyncSession,
        clock: Clock,
        operator_id: UUID | None = None,
        until: date | None = None,
    ) -> StatementOut:
        """What a statement would be if it were closed: up to yesterday, or before `until`."""
        operator = service.operator_for(request.user, operator_id)
        if operator is None:
            raise statements.StatementNotFound()
        day = until or city_time(clock.now()).date()
        return await service.preview(session, operator, day)

    @post("/statements", guards=[_ACT])
    async def close(
        self, request: WhoRequest, session: AsyncSession, clock: Clock, data: CloseIn
    ) -> StatementOut:
        """Close a statement: it is booked, and never changed."""
        now = clock.now()
        closed = await statements.close(session, request.user, data.operator_id, data.until, now)
        return await service.statement(session, request.user, closed.id)

    @get("/statements/{statement_id:uuid}", guards=[_SEE])
    async def statement(self, request: WhoRequest, session: AsyncSession, statement_id: UUID) -> StatementOut:
        """A statement with its lines, by facility and day."""
        return await service.statement(session, request.user, statement_id)

    @post("/statements/{statement_id:uuid}/transfer", guards=[_ACT], status_code=204)
    async def transfer(
        self,
        request: WhoRequest,
        session: AsyncSession,
        clock: Clock,
        statement_id: UUID,
        data: TransferIn,
    ) -> None:
        """Its payout has left the bank: said by another person than who closed it."""
        await statements.transferred(session, request.user, statement_id, data.reference, clock.now())

    @get("/statements/{statement_id:uuid}/export/{form:str}", guards=[_SEE])
    async def export(
        self,
        request: WhoRequest,
        session: AsyncSession,
        state: State,
        statement_id: UUID,
        form: Literal["csv", "xlsx"],
        items: bool = False,
    ) -> Stream:
        """As a file: CSV has the lines (or, with `items`, every item), XLSX both."""
        found = await service.statement(session, request.user, statement_id)
        names = await facility_names(session, await facilities_of(session, found.operator_id))
        lines = sheets.listed(exports.line_rows(found))
        every = exports.item_rows(state.sessions, statement_id, names)
        if form == "xlsx":
            pages = [("结算单", exports.LINE_HEADERS, lines), ("明细", exports.ITEM_HEADERS, every)]
            content, media = sheets.as_xlsx(pages), sheets.XLSX
        elif items:
            content, media = sheets.as_csv(exports.ITEM_HEADERS, every), sheets.CSV
        else:
            content, media = sheets.as_csv(exports.LINE_HEADERS, lines), sheets.CSV
        name = f"{found.number}{'-items' if items and form == 'csv' else ''}.{form}"
        return Stream(
            content,
            media_type=media,
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )


route_handlers: list[ControllerRouterHandler] = [SettlementController]
