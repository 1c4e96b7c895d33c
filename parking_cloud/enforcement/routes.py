"""Reports and clues over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, signed_in
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.enforcement import looking, reporting, service
from parking_cloud.enforcement.looking import Look, PlateOut
from parking_cloud.enforcement.reporting import Report, ReportIncomplete
from parking_cloud.enforcement.schemas import CluePage, KindOut, ReceiptOut
from parking_cloud.kernel.clock import Clock
from parking_cloud.kernel.coordinates import Position
from parking_cloud.kernel.limits import Limiter
from parking_cloud.kernel.problems import pick_language
from parking_cloud.kernel.sealed import FileVault
from parking_cloud.kernel.settings import Settings
from sensor_gateway.sealing import PlateVault

REVIEWERS = (Role.ENFORCEMENT_REVIEWER,)
ClueRequest = Request[Identity, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=100)]
_NOT_KEPT = {"Cache-Control": "no-store"}


@dataclass
class ReportForm:
    """`at` in ISO 8601 with its offset; `lat` and `lon` in WGS-84, or a `facility`; one to three `photos`."""

    key: str
    kind: str
    at: str
    text: str = ""
    lat: str = ""
    lon: str = ""
    facility: str = ""
    plate: str = ""
    photos: list[UploadFile] = field(default_factory=list)


class MyReportsController(Controller):
    path = "/v1/me/reports"
    tags = ["drivers"]
    guards = [allow(Role.DRIVER)]
    response_headers = _NOT_KEPT

    @get()
    async def mine(self, request: ClueRequest, session: AsyncSession) -> list[ReceiptOut]:
        """Your reports, and how they stand."""
        return await service.receipts_of(session, request.user.user_id, _language(request))

    @post()
    async def report(
        self,
        request: ClueRequest,
        session: AsyncSession,
        settings: Settings,
        clock: Clock,
        limiter: Limiter,
        data: Annotated[ReportForm, Body(media_type=RequestEncodingType.MULTI_PART)],
    ) -> ReceiptOut:
        """Report what you saw. Sent again with its key, it is the same report."""
        who, now = request.user, clock.now()
        await limiter.count(reporting.limits(who, request.client.host if request.client else ""), now)
        report = _report(data)
        reporting.check(report, len(data.photos), now)
        vault = FileVault(settings.plate_key, service.PURPOSE)
        photos = [await service.seal_photo(await photo.read(), vault) for photo in data.photos]
        clue = await reporting.take_report(session, who, report, photos, PlateVault(settings.plate_key), now)
        (receipt,) = await service.receipts_of(session, who.user_id, _language(request), only=clue)
        return receipt


class ClueController(Controller):
    path = "/v1/enforcement"
    tags = ["enforcement"]

    @get("/clue-kinds", guards=[signed_in])
    async def kinds(self, request: ClueRequest, session: AsyncSession) -> list[KindOut]:
        """What may be reported."""
        return await service.kinds(session, _language(request))

    @get("/clues", guards=[allow(*REVIEWERS)], response_headers=_NOT_KEPT)
    async def clues(
        self,
        session: AsyncSession,
        settings: Settings,
        kind: str | None = None,
        cursor: UUID | None = None,
        limit: Limit = 50,
    ) -> CluePage:
        """Clues that came in, the newest first: the plate masked, the reporter not told."""
        vault = PlateVault(settings.plate_key)
        return await looking.clues(session, vault, kind=kind, before=cursor, limit=limit)

    @post("/clues/{clue_id:uuid}/photos/{number:int}/look", guards=[allow(*REVIEWERS)], status_code=200)
    async def photo(
        self,
        request: ClueRequest,
        session: AsyncSession,
        settings: Settings,
        clue_id: UUID,
        number: int,
        data: Look,
    ) -> Response[bytes]:
        """A photo of a clue (JPEG, drawn anew). The look and its reason are kept."""
        vault = FileVault(settings.plate_key, service.PURPOSE)
        seen = await looking.look_at_photo(session, request.user, clue_id, number, data.reason, vault)
        return Response(seen, media_type="image/jpeg", headers=_NOT_KEPT)

    @post("/clues/{clue_id:uuid}/plate/look", guards=[allow(*REVIEWERS)], status_code=200)
    async def plate(
        self, request: ClueRequest, session: AsyncSession, settings: Settings, clue_id: UUID, data: Look
    ) -> PlateOut:
        """The whole plate. The look and its reason are kept."""
        vault = PlateVault(settings.plate_key)
        return await looking.look_at_plate(session, request.user, clue_id, data.reason, vault)


def _report(form: ReportForm) -> Report:
    """Raises ReportIncomplete, OutsideTheWorld."""
    try:
        at = datetime.fromisoformat(form.at)
        position = Position(float(form.lat), float(form.lon)) if form.lat or form.lon else None
    except ValueError as error:
        raise ReportIncomplete(errors=[{"field": "at, lat, lon", "message": str(error)}]) from error
    if not 8 <= len(form.key) <= 64:
        raise ReportIncomplete(errors=[{"field": "key", "message": "8 to 64 characters"}])
    return Report(form.key, form.kind, form.text, at, position, form.facility, form.plate)


def _language(request: ClueRequest) -> str:
    return pick_language(request.headers.get("accept-language"), request.query_params.get("lang"))


route_handlers: list[ControllerRouterHandler] = [MyReportsController, ClueController]
