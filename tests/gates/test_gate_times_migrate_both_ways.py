"""The migration that brought senders' own times keeps what was there, on the way up and on the way down."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, make_url, text

from parking_cloud.kernel.settings import Settings
from parking_cloud.migrate import MIGRATIONS

pytestmark = pytest.mark.stack

BEFORE, AFTER = "20261125_1", "20261125_2"


def write(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), {"one": UUID(int=1), "two": UUID(int=2)})


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    """A database of this test's own, empty, on the same server."""
    server = create_engine(settings.sqlalchemy_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("create database both_ways"))
    url = make_url(settings.sqlalchemy_url).set(database="both_ways").render_as_string(hide_password=False)
    database = create_engine(url)
    write(database, "create extension postgis")
    database.dispose()
    yield url
    with server.connect() as connection:
        connection.execute(text("drop database both_ways with (force)"))
    server.dispose()


def test_sightings_stand_and_corrections_stay(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, BEFORE)
    engine = create_engine(url)
    write(
        engine,
        "insert into sighting (id, source, record_id, content, seen_by, seen_at, received_at, position,"
        " plate_hash, plate_color, picture) values (:one, 'patrol', 's', '', 'patrol', now(), now(),"
        " st_makepoint(120, 30), 'hash', 'blue', '')",
        "insert into gate_correction (id, source, record_id, content, corrects, stated_at, received_at, void,"
        " reason) values (:one, 'gates', 'c', '', 'r', now(), now(), true, '')",
    )
    command.upgrade(config, AFTER)
    with engine.connect() as connection:
        stands = connection.execute(text("select * from sighting_standing")).one()
        assert (stands.sighting_id, stands.plate_color, stands.voided) == (UUID(int=1), "blue", False)
        assert connection.scalar(text("select of from gate_correction")) == "gate-event"
    write(
        engine,
        "insert into gate_correction (id, source, record_id, content, corrects, stated_at, received_at, void,"
        " reason, of) values (:two, 'gates', 'c', '', 's', now(), now(), true, '', 'sighting')",
    )
    command.downgrade(config, BEFORE)
    with engine.connect() as connection:
        assert connection.scalars(text("select id from gate_correction")).all() == [UUID(int=1)]
        assert connection.scalars(text("select id from sighting")).all() == [UUID(int=1)]
    engine.dispose()
