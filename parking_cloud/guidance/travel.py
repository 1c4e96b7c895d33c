"""How long the drive and the walk take: by straight line and the city's own numbers, or by a routing service.

A routing service that does not answer in time is left alone for a while, and the answer says which it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Protocol

import httpx
import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from forecasting.profile import DayOf
from parking_cloud.kernel.clock import city_time
from parking_cloud.kernel.coordinates import Position
from parking_cloud.kernel.settings import Settings
from parking_cloud.occupancy.day_kinds import day_of

Floats = NDArray[np.float64]
Speed = Annotated[float, msgspec.Meta(gt=0, le=130)]
Factor = Annotated[float, msgspec.Meta(ge=1, le=5)]

_TIRED_AFTER = 3
"""So many failures in a row, and the service is not asked for a while."""
_REST_S = 30.0

log = structlog.get_logger(__name__)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The city's numbers (guidance/data/pace.json, each with its source)."""

    city_factor: Factor
    """Driven metres to a metre of straight line."""
    walk_factor: Factor
    walk_m_per_s: Annotated[float, msgspec.Meta(gt=0, le=3)]
    workday_km_per_h: Annotated[list[Speed], msgspec.Meta(min_length=24, max_length=24)]
    """By hour of departure."""
    day_off_km_per_h: Annotated[list[Speed], msgspec.Meta(min_length=24, max_length=24)]

    def metres_per_second(self, leaving: datetime) -> float:
        """How fast the city's traffic is when one leaves then."""
        local = city_time(leaving)
        workday = day_of(local.date())[0] is DayOf.WORK
        return (self.workday_km_per_h if workday else self.day_off_km_per_h)[local.hour] / 3.6

    def walk(self, straight_m: Floats) -> tuple[Floats, Floats]:
        """Metres and seconds on foot."""
        metres = straight_m * self.walk_factor
        return metres, metres / self.walk_m_per_s


def load_pace(path: str = "") -> Pace:
    """The numbers in `path`, or those that come with the platform. Raises ValueError for wrong ones."""
    body = Path(path).read_bytes() if path else files(__package__).joinpath("data/pace.json").read_bytes()
    return msgspec.json.decode(body, type=Pace)


class Drive(NamedTuple):
    """To each of the places asked for."""

    metres: Floats
    seconds: Floats
    by: Literal["straight_line", "routing"]


class Routing(Protocol):
    """Anything that knows the roads."""

    async def table(self, origin: Position, to: Sequence[Position]) -> tuple[Floats, Floats]:
        """Metres and seconds to each place, NaN where no road leads. Raises RoutingAway."""
        ...

    async def close(self) -> None: ...


class RoutingAway(Exception):
    """The routing service did not answer, not in time, or not what was asked."""


class _Table(msgspec.Struct, frozen=True):
    code: str
    durations: list[list[float | None]] = []
    distances: list[list[float | None]] = []


class OsrmRouting:
    """The `table` call of OSRM's HTTP interface (and of services that speak it)."""

    def __init__(self, url: str, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(timeout=timeout_s, transport=transport, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def table(self, origin: Position, to: Sequence[Position]) -> tuple[Floats, Floats]:
        """Metres and seconds to each place, NaN where no road leads. Raises RoutingAway."""
        places = ";".join(f"{at.lon:.6f},{at.lat:.6f}" for at in [origin, *to])
        targets = ";".join(str(number + 1) for number in range(len(to)))
        try:
            answer = await self._client.get(
                f"{self._url}/table/v1/driving/{places}",
                params={"sources": "0", "destinations": targets, "annotations": "duration,distance"},
            )
            table = msgspec.json.decode(answer.content, type=_Table)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise RoutingAway(type(error).__name__) from error
        if table.code != "Ok":
            raise RoutingAway(table.code)
        return _row(table.distances, len(to)), _row(table.durations, len(to))


def _row(table: list[list[float | None]], length: int) -> Floats:
    if len(table) != 1 or len(table[0]) != length:
        raise RoutingAway("not as many as asked")
    return np.array([np.nan if value is None else value for value in table[0]], np.float64)


class Travel:
    """Drives from a point to many. One for each process."""

    def __init__(
        self, pace: Pace, routing: Routing | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.pace = pace
        self._routing = routing
        self._monotonic = monotonic
        self._failures = 0
        self._rests_until = 0.0

    def straight(self, straight_m: Floats, leaving: datetime) -> Drive:
        """By straight lines (metres) and the city's numbers."""
        metres = straight_m * self.pace.city_factor
        return Drive(metres, metres / self.pace.metres_per_second(leaving), "straight_line")

    @property
    def routed(self) -> bool:
        """Whether a routing service is to be asked at all; where not, `straight` needs no waiting."""
        return self._routing is not None and self._monotonic() >= self._rests_until

    async def drive(
        self, origin: Position, to: Sequence[Position], straight_m: Floats, leaving: datetime
    ) -> Drive:
        """By road where the routing service answers; else, and where no road is known, by straight line."""
        guess = self.straight(straight_m, leaving)
        if self._routing is None or not self.routed:
            return guess
        try:
            metres, seconds = await self._routing.table(origin, to)
        except RoutingAway as error:
            self._failed(error)
            return guess
        self._failures = 0
        known = ~(np.isnan(metres) | np.isnan(seconds))
        return Drive(
            np.where(known, metres, guess.metres), np.where(known, seconds, guess.seconds), "routing"
        )

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= _TIRED_AFTER:
            self._rests_until = self._monotonic() + _REST_S
            self._failures = 0
        log.warning("the routing service is away: straight lines instead", error=str(error))

    async def close(self) -> None:
        """Let go of the routing service."""
        if self._routing is not None:
            await self._routing.close()


def make_travel(settings: Settings) -> Travel:
    """As the settings say. Raises ValueError where the city's numbers are wrong."""
    routing = None
    if settings.routing_url:
        routing = OsrmRouting(settings.routing_url, settings.routing_timeout_ms / 1000)
    return Travel(load_pace(settings.pace_file), routing)
