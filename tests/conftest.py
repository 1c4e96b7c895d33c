"""The real servers, started once for the whole run and private to it; a clean database for each test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from argon2 import PasswordHasher
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from parking_cloud.accounts import passwords
from parking_cloud.devprovider import DevProvider, make_keys
from parking_cloud.devstack import Stack
from parking_cloud.kernel.db import make_engine, make_sessions
from parking_cloud.kernel.settings import Settings
from parking_cloud.migrate import migrate

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def passwords_cost_little() -> Iterator[None]:
    """Argon2 as it is meant takes a tenth of a second for each of many sign-ins; what it proves stays."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", quick)
        patch.setattr(passwords, "_NOBODY", quick.hash("nobody has this password"))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real series and vectors that do not travel with the project."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED / "data"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL, Redis and Mosquitto of this run's own."""
    for name in ("PARKING_DATABASE_URL", "PARKING_REDIS_URL", "PARKING_MQTT_URL"):
        os.environ.pop(name, None)
    servers = Stack(tmp_path_factory.mktemp("stack"), progress=lambda _: None, fast=True)
    servers.start()
    try:
        yield servers
    finally:
        servers.remove()


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    """Settings for the platform on the private servers, migrated."""
    migrate(stack.database_url)
    return Settings(
        database_url=stack.database_url,
        redis_url=stack.redis_url,
        mqtt_url=stack.mqtt_url,
        secret_key="a secret only for tests, long enough",
        plate_key="5c" * 32,
        secure_cookies=False,
    )


@pytest.fixture(scope="session")
def local_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevProvider]:
    """The local payment provider as a process of its own. It calls no webhook until it is told of one."""
    provider = DevProvider(tmp_path_factory.mktemp("provider"), make_keys())
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()


@pytest.fixture(scope="session")
def paying_settings(settings: Settings, local_provider: DevProvider) -> Settings:
    """Settings of a platform that pays by the local provider."""
    return msgspec.structs.replace(settings, **local_provider.settings)


async def empty(connection: AsyncConnection) -> None:
    """Leave no row in any table but of what migrations lay down for good, and each counter at its start.

    Only where there is something: to truncate all tables takes longer than most tests do.
    """
    tables = await connection.scalars(
        text(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition"
            " and c.relname not in ('spatial_ref_sys', 'alembic_version', 'clue_kind',"
            " 'consent_text', 'retention_rule')"
        )
    )
    questions = (f"select '{table}' where exists (select from {table})" for table in tables)
    filled = (await connection.scalars(text(" union all ".join(questions)))).all()
    # Neither the order of foreign keys nor what forbids deletion (the audit log's trigger) matters here.
    await connection.execute(text("set local session_replication_role = replica"))
    for table in filled:
        await connection.execute(text(f"delete from {table}"))
    counters = await connection.scalars(
        text("select sequencename from pg_sequences where schemaname = 'public' and last_value is not null")
    )
    for counter in counters.all():
        await connection.execute(text(f"alter sequence {counter} restart"))


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine on an emptied database."""
    engine = make_engine(settings)
    async with engine.begin() as connection:
        await empty(connection)
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return make_sessions(engine)


@pytest.fixture
async def session(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A session in a transaction that the test may commit."""
    async with sessions() as session:
        yield session


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    """An emptied Redis."""
    client = Redis.from_url(settings.redis_url)
    await client.flushdb()
    yield client
    await client.aclose()
