"""The database: engine, sessions and the one declarative base with its naming rule.

A request or a job opens one transaction at its edge; services take the session and never commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.array import ListBinaryDumper
from sqlalchemy import DateTime, MetaData, Text, Uuid, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from parking_cloud.kernel.settings import Settings


class Base(DeclarativeBase):
    """Every table's base. Constraint names follow one rule, so migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        str: Text(),
        UUID: Uuid(),
        dict[str, Any]: JSONB(),
    }


def make_engine(settings: Settings) -> AsyncEngine:
    """An engine whose connections speak UTC, and send arrays in binary.

    Plans are made for the values at hand: a generic one locks every day of the history.
    """
    engine = create_async_engine(
        settings.sqlalchemy_url,
        pool_size=settings.database_pool,
        max_overflow=settings.database_pool,
        # Parameters may hold plates and passwords; they do not belong in a log.
        hide_parameters=True,
        connect_args={"options": "-c timezone=UTC -c plan_cache_mode=force_custom_plan"},
    )
    event.listen(engine.sync_engine, "connect", _send_arrays_in_binary)
    return engine


def _send_arrays_in_binary(connection: Any, _: object) -> None:
    """Batches travel as arrays; to write them as text took a third of the worker's time."""
    connection.driver_connection.adapters.register_dumper(list, ListBinaryDumper)


def make_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """A maker of sessions whose objects stay readable after commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def only_one(session: AsyncSession, name: str) -> bool:
    """True for the one transaction at a time that may do the named job."""
    lock = text("select pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
    return bool(await session.scalar(lock, {"name": name}))


async def alone(session: AsyncSession, name: str) -> None:
    """Wait until no other transaction does the named deed; none will before this one has ended."""
    await session.execute(text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


@asynccontextmanager
async def transaction(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """One session, one transaction: committed on leaving, rolled back on an error."""
    async with sessions() as session, session.begin():
        yield session
