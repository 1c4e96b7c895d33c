"""Gates: passages, corrections of them, sightings elsewhere, and counts set against each other."""

from __future__ import annotations

from alembic import op

revision = "20261124_2"
down_revision = "20261124_1"
branch_labels = None
depends_on = None

UP = [
    """
    ALTER TABLE device
        ADD COLUMN direction TEXT,
        ADD CONSTRAINT ck_device_direction CHECK
            (direction is null or (direction in ('entry', 'exit') and space_id is null))
    """,
    """
    ALTER TABLE facility_state
        ADD COLUMN net_since INTEGER,
        ADD COLUMN counted_free INTEGER,
        ADD COLUMN counted_at timestamptz
    """,
    "UPDATE facility_state SET counted_free = reported_free, counted_at = reported_at",
    """
    CREATE OR REPLACE VIEW facility_now AS
    SELECT f.id, f.code, f.name, f.name_en, f.kind, f.counting, f.district, f.address, f.capacity,
        f.shared_spaces, f.synthetic, f.position,
        st_y(f.position::geometry) AS lat, st_x(f.position::geometry) AS lon,
        coalesce(s.occupied_spaces, 0) AS occupied_spaces, coalesce(s.free_spaces, 0) AS free_spaces,
        s.spaces_observed_at, s.reported_free, s.reported_at, s.counted_free, s.counted_at
    FROM facility f LEFT JOIN facility_state s ON s.facility_id = f.id
    """,
    """
    CREATE TABLE gate_event (
        id UUID NOT NULL,
        source TEXT NOT NULL,
        record_id TEXT NOT NULL,
        content BYTEA NOT NULL,
        facility_id UUID NOT NULL,
        device_id UUID NOT NULL,
        lane TEXT NOT NULL,
        direction TEXT NOT NULL,
        occurred_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        plate_hash BYTEA,
        plate_sealed BYTEA,
        plate_color TEXT,
        confidence float8,
        picture TEXT NOT NULL,
        confirmed BOOLEAN NOT NULL,
        CONSTRAINT pk_gate_event PRIMARY KEY (id),
        CONSTRAINT uq_gate_event_source UNIQUE (source, record_id),
        CONSTRAINT ck_gate_event_direction CHECK (direction in ('entry', 'exit')),
        CONSTRAINT ck_gate_event_plate_color CHECK (plate_color in
            ('blue', 'yellow', 'white', 'black', 'green', 'yellow_green', 'blue_white', 'other')),
        CONSTRAINT ck_gate_event_confidence CHECK (confidence between 0 and 1),
        CONSTRAINT ck_gate_event_plate CHECK ((plate_hash is null) = (plate_sealed is null)),
        CONSTRAINT fk_gate_event_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_gate_event_device_id FOREIGN KEY(device_id) REFERENCES device (id)
    )
    """,
    """
    CREATE TABLE gate_correction (
        id UUID NOT NULL,
        source TEXT NOT NULL,
        record_id TEXT NOT NULL,
        content BYTEA NOT NULL,
        corrects TEXT NOT NULL,
        stated_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        void BOOLEAN NOT NULL,
        direction TEXT,
        occurred_at timestamptz,
        plate_hash BYTEA,
        plate_sealed BYTEA,
        plate_color TEXT,
        reason TEXT NOT NULL,
        CONSTRAINT pk_gate_correction PRIMARY KEY (id),
        CONSTRAINT uq_gate_correction_source UNIQUE (source, record_id),
        CONSTRAINT ck_gate_correction_corrects CHECK (corrects <> record_id),
        CONSTRAINT ck_gate_correction_parts CHECK (void =
            (direction is null and occurred_at is null and plate_hash is null and plate_color is null))
    )
    """,
    "CREATE INDEX ix_gate_correction_corrects ON gate_correction (source, corrects)",
    """
    CREATE TABLE gate_passage (
        event_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        direction TEXT NOT NULL,
        occurred_at timestamptz NOT NULL,
        plate_hash BYTEA,
        plate_sealed BYTEA,
        plate_color TEXT,
        voided BOOLEAN NOT NULL,
        corrections INTEGER NOT NULL,
        CONSTRAINT pk_gate_passage PRIMARY KEY (event_id),
        CONSTRAINT ck_gate_passage_direction CHECK (direction in ('entry', 'exit')),
        CONSTRAINT fk_gate_passage_event_id FOREIGN KEY(event_id) REFERENCES gate_event (id),
        CONSTRAINT fk_gate_passage_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_gate_passage_facility_id ON gate_passage (facility_id, occurred_at)",
    "CREATE INDEX ix_gate_passage_plate_hash ON gate_passage (plate_hash, occurred_at)",
    """
    CREATE TABLE sighting (
        id UUID NOT NULL,
        source TEXT NOT NULL,
        record_id TEXT NOT NULL,
        content BYTEA NOT NULL,
        seen_by TEXT NOT NULL,
        seen_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        position geography(POINT,4326) NOT NULL,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA,
        plate_color TEXT,
        confidence float8,
        picture TEXT NOT NULL,
        device_id UUID,
        CONSTRAINT pk_sighting PRIMARY KEY (id),
        CONSTRAINT uq_sighting_source UNIQUE (source, record_id),
        CONSTRAINT ck_sighting_seen_by CHECK (seen_by in ('patrol', 'camera', 'drone', 'person')),
        CONSTRAINT fk_sighting_device_id FOREIGN KEY(device_id) REFERENCES device (id)
    )
    """,
    "CREATE INDEX ix_sighting_plate_hash ON sighting (plate_hash, seen_at)",
    "CREATE INDEX ix_sighting_position ON sighting USING gist (position)",
    """
    CREATE TABLE facility_reconciliation (
        facility_id UUID NOT NULL,
        counted_at timestamptz NOT NULL,
        counted_occupied INTEGER NOT NULL,
        derived_occupied INTEGER,
        CONSTRAINT pk_facility_reconciliation PRIMARY KEY (facility_id, counted_at),
        CONSTRAINT fk_facility_reconciliation_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
]

DOWN = [
    "DROP TABLE facility_reconciliation, sighting, gate_passage, gate_correction, gate_event",
    "DROP VIEW facility_now",
    """
    CREATE VIEW facility_now AS
    SELECT f.id, f.code, f.name, f.name_en, f.kind, f.counting, f.district, f.address, f.capacity,
        f.shared_spaces, f.synthetic, f.position,
        st_y(f.position::geometry) AS lat, st_x(f.position::geometry) AS lon,
        coalesce(s.occupied_spaces, 0) AS occupied_spaces, coalesce(s.free_spaces, 0) AS free_spaces,
        s.spaces_observed_at, s.reported_free, s.reported_at
    FROM facility f LEFT JOIN facility_state s ON s.facility_id = f.id
    """,
    "ALTER TABLE facility_state DROP COLUMN net_since, DROP COLUMN counted_free, DROP COLUMN counted_at",
    "ALTER TABLE device DROP COLUMN direction",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
