"""The use of shared spaces over HTTP: published for everybody, running for those who answer for it."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, get
from litestar.connection import Request
from litestar.params import Parameter
from litestar.response import Response
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.clock import Clock, city_time
from parking_cloud.kernel.problems import InvalidInput, NotAllowed, NotFound
from parking_cloud.sharing.use import MonthUse, Published, Use, month_use, published_month

WhoRequest = Request[Identity, Any, Any]
Month = Annotated[str, Parameter(pattern=r"^\d{4}-\d{2}$")]


class MonthNotPublished(NotFound):
    slug = "month-not-published"
    title = {"zh-CN": "该月尚未公布", "en": "That month is not published"}


class UseController(Controller):
    path = "/v1/sharing/use"
    tags = ["sharing"]

    @get("", guards=[public])
    async def published(self, reading: AsyncSession, month: Month | None = None) -> Published:
        """A month as it was published; the newest where none is named."""
        return await _found(reading, month)

    @get("/csv", guards=[public])
    async def as_csv(self, reading: AsyncSession, month: Month | None = None) -> Response[str]:
        """The same as a table: a row an institution, and one for the city."""
        found = await _found(reading, month)
        name = f'attachment; filename="sharing-{found.use.month:%Y-%m}.csv"'
        headers = {"Content-Disposition": name}
        return Response(table_of(found.use), media_type="text/csv; charset=utf-8", headers=headers)

    @get(
        "/running",
        guards=[allow(Role.INSTITUTION_MANAGER, Role.CITY_ADMINISTRATOR, Role.AUDITOR)],
    )
    async def running(
        self, request: WhoRequest, reading: AsyncSession, clock: Clock, month: Month | None = None
    ) -> MonthUse:
        """The figures of a month up to now: an institution's manager sees their own."""
        now = clock.now()
        first = city_time(now).date().replace(day=1) if month is None else first_of(month)
        return await month_use(reading, first, now, whose(request.user))


def whose(who: Identity) -> UUID | None:
    """The institution whose figures somebody sees; None: all. Raises NotAllowed."""
    if who.role is not Role.INSTITUTION_MANAGER:
        return None
    if who.institution_id is None:
        raise NotAllowed()
    return who.institution_id


async def _found(session: AsyncSession, month: str | None) -> Published:
    found = await published_month(session, None if month is None else first_of(month))
    if found is None:
        raise MonthNotPublished()
    return found


def first_of(month: str) -> date:
    """The first day of a month written as 2026-11. Raises InvalidInput."""
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise InvalidInput(errors=[{"field": "month", "message": "is no month"}]) from error


def table_of(use: MonthUse) -> str:
    """A month as CSV, with a byte-order mark so that spreadsheets read the names."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["institution", "facilities", *Use.__struct_fields__])
    for row in use.institutions:
        table.writerow([row.institution, row.facilities, *_values(row.use)])
    facilities = sum(row.facilities for row in use.institutions)
    table.writerow(["全市 / city", facilities, *_values(use.city)])
    return "\ufeff" + out.getvalue()


def _values(use: Use) -> list[Any]:
    return [getattr(use, name) for name in Use.__struct_fields__]


route_handlers: list[ControllerRouterHandler] = [UseController]
