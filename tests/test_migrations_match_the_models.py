"""What the migrations make is what the models say."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from parking_cloud.kernel.settings import Settings
from parking_cloud.models import metadata

pytestmark = pytest.mark.stack


def test_no_difference(settings: Settings) -> None:
    engine = create_engine(settings.sqlalchemy_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_object": lambda _, __, type_, reflected, compare_to: (
                    not (type_ in ("table", "index") and reflected and compare_to is None)
                ),
                "compare_type": True,
            },
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()
