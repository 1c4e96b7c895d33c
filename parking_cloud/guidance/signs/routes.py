"""Boards over HTTP: what one shows, for itself and for everybody; and staff's deeds."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post, put
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.guards import allow, public
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.guidance.signs import service
from parking_cloud.guidance.signs.book import SignBook
from parking_cloud.guidance.signs.reading import Board
from parking_cloud.guidance.signs.rules import Level
from parking_cloud.guidance.signs.schemas import NewSign, SignIn, SignKey, SignList, SignPlace, SignPlaces
from parking_cloud.kernel.clock import Clock

MAY_SEE_SIGNS = (Role.CITY_ADMINISTRATOR, Role.AUDITOR)
MAY_CHANGE_SIGNS = (Role.CITY_ADMINISTRATOR,)
_SEE = allow(*MAY_SEE_SIGNS)
_CHANGE = allow(*MAY_CHANGE_SIGNS)
_MAX_AGE_S = 5

StaffRequest = Request[Identity, Any, Any]


class SignController(Controller):
    path = "/v1/signs"
    tags = ["signs"]

    @get("/", guards=[public])
    async def places(self, signs: SignBook) -> SignPlaces:
        """Where the boards hang."""
        return SignPlaces([_place(board) for board in await signs.boards()])

    @get("/{code:str}", guards=[public], media_type="application/json")
    async def sign(
        self,
        signs: SignBook,
        code: str,
        key: Annotated[str, Parameter(header="X-Sign-Key", required=False)] = "",
        if_none_match: Annotated[str, Parameter(header="If-None-Match", required=False)] = "",
    ) -> Response[bytes]:
        """What a board shows now. 304 where it shows that already.

        With its key in X-Sign-Key this counts as the board's sign of life; without, anybody may look.
        """
        before = _version(if_none_match)
        shown = await (signs.fetched(code, key, before) if key else signs.content(code))
        headers = {
            "ETag": f'"{shown.version}"',
            # What a board asks for itself must reach us: a cache on the way would hide that it lives.
            "Cache-Control": "private, no-cache" if key else f"public, max-age={_MAX_AGE_S}",
            "Vary": "X-Sign-Key",
        }
        if before == shown.version:
            return Response(b"", status_code=304, headers=headers)
        return Response(shown.body, headers=headers)

    @post("/", guards=[_CHANGE])
    async def register(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, signs: SignBook, data: NewSign
    ) -> SignKey:
        """A new board. Its key is in this answer and nowhere else."""
        made = await service.register(session, request.user, data, clock.now())
        signs.forget()
        return made

    @put("/{code:str}", guards=[_CHANGE], status_code=204)
    async def change(
        self, request: StaffRequest, session: AsyncSession, signs: SignBook, code: str, data: SignIn
    ) -> None:
        """Describe a board anew: all of it."""
        await service.change(session, request.user, code, data)
        signs.forget()

    @post("/{code:str}/key", guards=[_CHANGE])
    async def key(self, request: StaffRequest, session: AsyncSession, signs: SignBook, code: str) -> SignKey:
        """Another key; the one before holds no longer."""
        made = await service.new_key(session, request.user, code)
        signs.forget()
        return made

    @post("/{code:str}/retire", guards=[_CHANGE], status_code=204)
    async def retire(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, signs: SignBook, code: str
    ) -> None:
        """The board is out of use: it shows nothing here and is awaited no more."""
        await service.set_active(session, request.user, code, False, clock.now())
        signs.forget()

    @post("/{code:str}/activate", guards=[_CHANGE], status_code=204)
    async def activate(
        self, request: StaffRequest, session: AsyncSession, clock: Clock, signs: SignBook, code: str
    ) -> None:
        """The board is in use again."""
        await service.set_active(session, request.user, code, True, clock.now())
        signs.forget()


@get("/v1/operations/signs", guards=[_SEE], tags=["signs"])
async def all_signs(session: AsyncSession, clock: Clock) -> SignList:
    """Every board with its rules, and when it was last heard."""
    return await service.list_signs(session, clock.now())


def _place(board: Board) -> SignPlace:
    sign = board.sign
    return SignPlace(
        code=sign.code,
        name=sign.name,
        level=Level(sign.level),
        lat=board.lat,
        lon=board.lon,
        facing=sign.facing,
        columns=sign.columns,
        synthetic=sign.synthetic,
    )


def _version(if_none_match: str) -> str | None:
    """The version in an If-None-Match with one entity tag, weak or not."""
    return if_none_match.removeprefix("W/").strip('"')[:64] or None


route_handlers: list[ControllerRouterHandler] = [SignController, all_signs]
