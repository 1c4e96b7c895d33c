"""An institution's car park that is open to bookings at all hours, with a gate that has not answered yet, and
drivers whose vehicles are verified: for the browser tests of booking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
from playwright.sync_api import Page
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.tokens import Identity
from parking_cloud.kernel.calendar import DayKind
from parking_cloud.kernel.db import make_engine, make_sessions, transaction
from parking_cloud.kernel.settings import Settings
from parking_cloud.launcher import Platform
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.schemas import DeviceIn, FacilityIn, InstitutionIn, RegistryBatch, SpaceIn
from parking_cloud.sharing.planning import save_plan
from parking_cloud.sharing.schemas import PlanIn, WindowIn
from tests.e2e.paying import TARIFF, ask
from tests.e2e.waiting import eventually
from tests.tariffs.parts import with_tariff

HALL = "e2e-hall"
HALL_NAME = "市民中心共享停车场"
HALL_AT = (30.8600, 120.1300)
"""Where no car park with a government's price is near, which would bound its own."""
HOUR_PRICE = 400
"""Fen."""
CHIEF = Identity(user_id=uuid4(), username="chief", role=Role.CITY_ADMINISTRATOR)


def in_database(platform: Platform, deed: Callable[[AsyncSession], Awaitable[None]]) -> None:
    """Beside the browser's driver, which has an event loop in this thread."""

    async def work() -> None:
        settings = Settings(database_url=platform.running["database_url"], redis_url="", secret_key="")
        engine = make_engine(settings)
        async with transaction(make_sessions(engine)) as session:
            await deed(session)
        await engine.dispose()

    with ThreadPoolExecutor() as beside:
        beside.submit(asyncio.run, work()).result()


def open_hall(platform: Platform) -> str:
    """Open it; its id. Again changes nothing."""

    async def open_it(session: AsyncSession) -> None:
        if await session.scalar(text("select 1 from facility where code = :code"), {"code": HALL}):
            return
        await import_batch(session, _registry())
        await with_tariff(session, HALL, TARIFF, code="e2e-hall")
        facility = await session.scalar(text("select id from facility where code = :code"), {"code": HALL})
        days = WindowIn(days=list(DayKind), start=0, until=1440)
        plan = PlanIn(
            work_start=540,
            work_end=1050,
            windows=[days],
            price_hour=HOUR_PRICE,
            price_evening=2000,
            price_month=20_000,
            note="从劳动路入口进，右转到底。",
        )
        assert facility is not None
        await save_plan(session, CHIEF, facility, plan, datetime.now(UTC))

    in_database(platform, open_it)
    return str(ask(platform, "select id from facility where code = %s", HALL)[0][0])


def _registry() -> RegistryBatch:
    return RegistryBatch(
        institutions=[InstitutionIn(code="e2e-inst", name="市民中心", kind="institution")],
        facilities=[
            FacilityIn(
                code=HALL,
                name=HALL_NAME,
                name_en="Civic Centre, shared",
                kind="institution",
                counting="counter",
                district="吴兴区",
                address="湖州市吴兴区市民中心",
                capacity=6,
                lat=HALL_AT[0],
                lon=HALL_AT[1],
                operator_code="hz-shared",
                institution_code="e2e-inst",
            )
        ],
        spaces=[SpaceIn(facility_code=HALL, number=f"A{n:02d}", shared=True) for n in range(1, 7)],
        devices=[
            DeviceIn(
                external_id=f"{HALL}-{name}",
                vendor="generic",
                model=model,
                source=source,
                facility_code=HALL,
            )
            for name, model, source in (("counter", "counter", "observations"), ("gate", "gate", "gates"))
        ],
    )


def with_vehicle(platform: Platform, page: Page, plate: str) -> None:
    """The signed-in driver's vehicle, verified at the desk."""
    url = platform.running["api_url"]
    own = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    claim = page.request.post(f"{url}/v1/me/vehicles", data={"plate": plate}, headers=own)
    assert claim.ok, claim.text()
    login = next(x for x in platform.running["logins"] if x["role"] == "city_administrator")
    with httpx.Client(base_url=url, trust_env=False) as desk:
        said = desk.post("/v1/auth/login", json={k: login[k] for k in ("username", "password")}).json()
        decided = desk.post(
            f"/v1/vehicle-claims/{claim.json()['id']}/decision",
            json={"verified": True, "reason": "行驶证相符", "plate": plate},
            headers={"Authorization": f"Bearer {said['access_token']}"},
        )
    assert decided.status_code == 204, decided.text


def move_back(platform: Platform, booking: str, by: timedelta) -> None:
    """As if so much time had passed since it was booked."""

    async def move(session: AsyncSession) -> None:
        at = {"booking": booking, "by": by}
        for statement in (
            "update booking set starts_at = starts_at - :by, ends_at = ends_at - :by, made_at = made_at - :by"
            " where id = :booking",
            "update permit set valid_from = valid_from - :by, valid_until = valid_until - :by"
            " where id in (select permit_id from booking_slot where booking_id = :booking)",
            "update vehicle_binding set since = since - :by"
            " where id = (select vehicle_id from booking where id = :booking)",
            "update booking_slot set during = tstzrange(lower(during) - :by, upper(during) - :by)"
            " where booking_id = :booking",
        ):
            await session.execute(text(statement), at)

    in_database(platform, move)


def pass_gate(platform: Platform, plate: str, direction: str, minutes_ago: float) -> None:
    """The vehicle passes the hall's gate; returns when its stay says so."""
    row = {
        "record_id": f"hall-{direction}-{plate[2:]}",
        "device_id": f"{HALL}-gate",
        "direction": direction,
        "occurred_at": (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat(),
        "plate": plate,
        "plate_color": "blue",
        "confidence": 0.99,
    }
    key = platform.running["api_keys"]["gates"]
    with httpx.Client(base_url=platform.running["intake_url"], trust_env=False) as intake:
        answer = intake.post("/v1/gate-events", json=[row], headers={"X-Api-Key": key})
    assert answer.status_code == 202, answer.text
    stays = (
        "select count(*) from stay s join gate_event e on e.id in (s.entry_event_id, s.exit_event_id)"
        " where e.record_id = %s"
    )
    eventually("the stay", lambda: ask(platform, stays, row["record_id"])[0] == (1,))
