"""Alembic's entry: runs the migrations on the database that PARKING_DATABASE_URL names."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import create_engine

from parking_cloud.models import metadata


def _ours(_: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
    """PostGIS's own tables and the day partitions are not for us to compare."""
    return not (type_ == "table" and reflected and compare_to is None)


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or ""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, include_object=_ours)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
