"""`parking-cloud load-demo`: the demo city, its logins and the keys of its sources."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

import parking_cloud.models  # noqa: F401  (every table: rows are written in the order of their references)
from parking_cloud.accounts.models import User
from parking_cloud.accounts.roles import Role
from parking_cloud.accounts.service import upsert_api_key, upsert_user
from parking_cloud.demo.boards import ensure_boards
from parking_cloud.demo.city import GATED_OPERATOR, build_city
from parking_cloud.demo.credentials import SCOPES, Credentials, DemoLogin
from parking_cloud.demo.gates import ensure_gates, ensure_looks, ensure_months
from parking_cloud.demo.history import ensure_history
from parking_cloud.demo.opinions import ensure_opinions
from parking_cloud.demo.outside import outside_url
from parking_cloud.demo.people import ensure_people
from parking_cloud.demo.sharing import ensure_bookings, ensure_sharing
from parking_cloud.demo.tariffs import ensure_tariffs
from parking_cloud.kernel.db import make_engine, make_sessions, transaction
from parking_cloud.kernel.settings import Settings, load_settings
from parking_cloud.payments.places import ensure_places
from parking_cloud.registry.importing import import_batch
from parking_cloud.registry.service import all_facilities, all_operators
from parking_cloud.registry.sharing import institution_ids

_ANY_DEVICE = {"observations", "gates", "patrols"}
"""These stand for the city's aggregator in the demo. A network server speaks for its own devices only."""

MANAGED = "inst-wx-inst-001"
"""The institution whose manager the demo's login is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--credentials", type=Path, required=True, help="JSON with api_keys and logins")
    parser.add_argument("--new", action="store_true", help="without bookings, ratings and months gone by")


def run(args: argparse.Namespace) -> int:
    """Load the city; running it again changes nothing."""
    credentials = msgspec.json.decode(args.credentials.read_bytes(), type=Credentials)
    asyncio.run(load(load_settings(), credentials, lived_in=not args.new))
    return 0


async def load(settings: Settings, credentials: Credentials, *, lived_in: bool = True) -> None:
    """The demo city, users and source keys, in one transaction; lived in, unless it is to be new."""
    engine = make_engine(settings)
    try:
        async with transaction(make_sessions(engine)) as session:
            await _found(session, settings, credentials)
            if lived_in:
                await _live_in(session, settings)
    finally:
        await engine.dispose()


async def _found(session: AsyncSession, settings: Settings, credentials: Credentials) -> None:
    """What is there on the first day."""
    city, now = build_city(), datetime.now(UTC)
    await import_batch(session, city)
    await ensure_places(session, await all_facilities(session))
    await ensure_tariffs(session, city.facilities)
    drivers = await _keep_logins(session, credentials.logins)
    await ensure_people(session, drivers, settings)
    await ensure_sharing(session, city.facilities, now)
    await ensure_boards(session, city, credentials.signs_key, now)
    await ensure_gates(session, city.facilities, outside_url(), now)
    for source, key in credentials.api_keys.items():
        await upsert_api_key(
            session, source=source, key=key, scopes=SCOPES[source], any_device=source in _ANY_DEVICE
        )


async def _live_in(session: AsyncSession, settings: Settings) -> None:
    """What months of use leave behind."""
    facilities, now = build_city().facilities, datetime.now(UTC)
    await ensure_history(session, now)
    await ensure_bookings(session, facilities, settings.plate_key, now)
    await ensure_months(session, now)
    await ensure_looks(session, now)
    await ensure_opinions(session, facilities, settings.plate_key, now)


async def _keep_logins(session: AsyncSession, logins: list[DemoLogin]) -> list[User]:
    """The city's people, the manager of its first institution, and the system of the operator that has gates;
    the drivers among them."""
    operators = {operator.code: id_ for id_, operator in (await all_operators(session)).items()}
    institutions = await institution_ids(session)
    users = [
        await upsert_user(
            session,
            username=login.username,
            password=login.password,
            role=login.role,
            operator_id=operators[GATED_OPERATOR] if login.role is Role.INTEGRATION else None,
            institution_id=institutions[MANAGED] if login.role is Role.INSTITUTION_MANAGER else None,
        )
        for login in logins
    ]
    return [user for user in users if user.role == Role.DRIVER]
