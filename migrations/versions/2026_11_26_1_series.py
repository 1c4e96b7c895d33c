"""Occupancy of facilities over time, and the profiles made of it."""

from __future__ import annotations

from alembic import op

revision = "20261126_1"
down_revision = "20261125_9"
branch_labels = None
depends_on = None

UP: list[str] = [
    """
    CREATE TABLE facility_series (
        facility_id UUID NOT NULL,
        at timestamptz NOT NULL,
        free INTEGER,
        occupied INTEGER,
        capacity INTEGER NOT NULL,
        CONSTRAINT pk_facility_series PRIMARY KEY (facility_id, at),
        CONSTRAINT ck_facility_series_known
            CHECK ((free is null) = (occupied is null) and free >= 0 and occupied >= 0)
    ) PARTITION BY RANGE (at)
    """,
    # It is written in the order of time: a few pages tell where a moment lies.
    "CREATE INDEX ix_facility_series_at ON facility_series USING brin (at)",
    """
    CREATE TABLE occupancy_profile (
        facility_id UUID NOT NULL,
        means BYTEA NOT NULL,
        sds BYTEA NOT NULL,
        work_days float8 NOT NULL,
        rest_days float8 NOT NULL,
        holidays float8 NOT NULL,
        made_at timestamptz NOT NULL,
        CONSTRAINT pk_occupancy_profile PRIMARY KEY (facility_id),
        CONSTRAINT fk_occupancy_profile_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT ck_occupancy_profile_cells
            CHECK (octet_length(means) = 144 and octet_length(sds) = 144)
    )
    """,
    "CREATE INDEX ix_occupancy_profile_made_at ON occupancy_profile (made_at)",
    """
    CREATE TABLE kind_profile (
        kind TEXT NOT NULL,
        means BYTEA NOT NULL,
        sds BYTEA NOT NULL,
        facilities INTEGER NOT NULL,
        made_at timestamptz NOT NULL,
        CONSTRAINT pk_kind_profile PRIMARY KEY (kind),
        CONSTRAINT ck_kind_profile_cells CHECK (octet_length(means) = 144 and octet_length(sds) = 144)
    )
    """,
]

DOWN: list[str] = ["DROP TABLE kind_profile, occupancy_profile, facility_series"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
