"""Rankings over HTTP: for everybody to read, and to take away as a file."""

from __future__ import annotations

from typing import Literal

from litestar import Controller, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import public
from parking_cloud.kernel import sheets
from parking_cloud.kernel.clock import Clock
from parking_cloud.ratings import ranking, ranking_files
from parking_cloud.ratings.schemas import RankingOut

_PUBLIC_FOR = {"Cache-Control": "public, max-age=300"}


class RankingController(Controller):
    path = "/v1/quality"
    tags = ["ratings"]

    @get("/rankings", guards=[public], response_headers=_PUBLIC_FOR)
    async def quarters(self, session: AsyncSession) -> list[str]:
        """The quarters that were ranked, the newest first."""
        return await ranking.quarters(session)

    @get("/rankings/{quarter:str}", guards=[public], response_headers=_PUBLIC_FOR)
    async def of_quarter(self, session: AsyncSession, quarter: str) -> RankingOut:
        """A quarter's ranking of operators, as it was made once."""
        return await ranking.ranking_of(session, quarter)

    @get("/standing", guards=[public], response_headers=_PUBLIC_FOR)
    async def standing(self, session: AsyncSession, clock: Clock) -> RankingOut:
        """How the present quarter would be ranked today."""
        return await ranking.standing(session, clock.now())

    @get("/rankings/{quarter:str}/export/{form:str}", guards=[public])
    async def export(self, session: AsyncSession, quarter: str, form: Literal["csv", "xlsx"]) -> Stream:
        """As a file: CSV has the operators, XLSX what each facility brought as well."""
        found = await ranking.ranking_of(session, quarter)
        operators = sheets.listed(ranking_files.operator_rows(found))
        if form == "xlsx":
            places = sheets.listed(ranking_files.place_rows(found))
            pages = [
                ("排名", ranking_files.HEADERS, operators),
                ("停车场", ranking_files.PLACE_HEADERS, places),
            ]
            content, media = sheets.as_xlsx(pages), sheets.XLSX
        else:
            content, media = sheets.as_csv(ranking_files.HEADERS, operators), sheets.CSV
        headers = {"Content-Disposition": f'attachment; filename="quality-{found.quarter}.{form}"'}
        return Stream(content, media_type=media, headers=headers | _PUBLIC_FOR)


route_handlers: list[ControllerRouterHandler] = [RankingController]
