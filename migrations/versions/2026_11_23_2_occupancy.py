"""Occupancy: history partitioned by day, state of spaces, facilities and devices."""

from __future__ import annotations

from alembic import op

revision = "20261123_2"
down_revision = "20261123_1"
branch_labels = None
depends_on = None

UP = [
    """
    CREATE TABLE observation (
        id UUID NOT NULL,
        observed_at timestamptz NOT NULL,
        device_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        space_id UUID,
        kind TEXT NOT NULL,
        occupied BOOLEAN,
        free INTEGER,
        frame_counter BIGINT,
        battery_v float8,
        temperature_c float8,
        quality TEXT NOT NULL,
        source TEXT NOT NULL,
        received_at timestamptz NOT NULL,
        CONSTRAINT pk_observation PRIMARY KEY (observed_at, id)
    )
     PARTITION BY RANGE (observed_at)
    """,
    """
    CREATE INDEX ix_observation_device_id ON observation (device_id, observed_at)
    """,
    """
    CREATE INDEX ix_observation_facility_id ON observation (facility_id, observed_at)
    """,
    """
    CREATE TABLE facility_state (
        facility_id UUID NOT NULL,
        occupied_spaces INTEGER NOT NULL,
        free_spaces INTEGER NOT NULL,
        spaces_observed_at timestamptz,
        reported_free INTEGER,
        reported_at timestamptz,
        reported_by UUID,
        CONSTRAINT pk_facility_state PRIMARY KEY (facility_id),
        CONSTRAINT ck_facility_state_sums CHECK (occupied_spaces >= 0 and free_spaces >= 0),
        CONSTRAINT fk_facility_state_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE TABLE space_state (
        space_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        occupied BOOLEAN NOT NULL,
        observed_at timestamptz NOT NULL,
        observation_id UUID NOT NULL,
        CONSTRAINT pk_space_state PRIMARY KEY (space_id),
        CONSTRAINT fk_space_state_space_id FOREIGN KEY(space_id) REFERENCES space (id),
        CONSTRAINT fk_space_state_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE INDEX ix_space_state_facility_id ON space_state (facility_id)
    """,
    """
    CREATE TABLE device_state (
        device_id UUID NOT NULL,
        observed_at timestamptz NOT NULL,
        observation_id UUID NOT NULL,
        received_at timestamptz NOT NULL,
        frame_counter BIGINT,
        battery_v float8,
        temperature_c float8,
        CONSTRAINT pk_device_state PRIMARY KEY (device_id),
        CONSTRAINT fk_device_state_device_id FOREIGN KEY(device_id) REFERENCES device (id)
    )
    """,
    """
    CREATE VIEW facility_now AS
    SELECT f.id, f.code, f.name, f.name_en, f.kind, f.counting, f.district, f.address, f.capacity,
        f.shared_spaces, f.synthetic, f.position,
        st_y(f.position::geometry) AS lat, st_x(f.position::geometry) AS lon,
        coalesce(s.occupied_spaces, 0) AS occupied_spaces, coalesce(s.free_spaces, 0) AS free_spaces,
        s.spaces_observed_at, s.reported_free, s.reported_at
    FROM facility f LEFT JOIN facility_state s ON s.facility_id = f.id
    """,
]

DOWN = ["DROP VIEW facility_now", "DROP TABLE device_state, space_state, facility_state, observation"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
