"""The senders' own times, corrections of sightings, checkpoints of counts, reconciliations judged again"""

from __future__ import annotations

from alembic import op

revision = "20261125_2"
down_revision = "20261125_1"
branch_labels = None
depends_on = None

UP = [
    "ALTER TABLE gate_event ADD COLUMN sent_at timestamptz",
    "ALTER TABLE sighting ADD COLUMN sent_at timestamptz",
    """
    ALTER TABLE gate_correction
        ADD COLUMN sent_at timestamptz,
        ADD COLUMN of TEXT NOT NULL DEFAULT 'gate-event',
        DROP CONSTRAINT uq_gate_correction_source,
        ADD CONSTRAINT uq_gate_correction_source UNIQUE (source, of, record_id),
        ADD CONSTRAINT ck_gate_correction_of CHECK (of in ('gate-event', 'sighting')),
        ADD CONSTRAINT ck_gate_correction_direction CHECK (of = 'gate-event' or direction is null)
    """,
    "ALTER TABLE gate_correction ALTER COLUMN of DROP DEFAULT",
    """
    CREATE TABLE sighting_standing (
        sighting_id UUID NOT NULL,
        seen_at timestamptz NOT NULL,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA,
        plate_color TEXT,
        voided BOOLEAN NOT NULL,
        corrections INTEGER NOT NULL,
        CONSTRAINT pk_sighting_standing PRIMARY KEY (sighting_id),
        CONSTRAINT fk_sighting_standing_sighting_id FOREIGN KEY(sighting_id) REFERENCES sighting (id)
    )
    """,
    "CREATE INDEX ix_sighting_standing_plate_hash ON sighting_standing (plate_hash, seen_at)",
    """
    INSERT INTO sighting_standing
    SELECT id, seen_at, plate_hash, plate_sealed, plate_color, false, 0 FROM sighting
    """,
    """
    CREATE TABLE count_checkpoint (
        facility_id UUID NOT NULL,
        until timestamptz NOT NULL,
        base_at timestamptz NOT NULL,
        vehicles BIGINT NOT NULL,
        newest_at timestamptz,
        by_gates BOOLEAN NOT NULL,
        CONSTRAINT pk_count_checkpoint PRIMARY KEY (facility_id, until),
        CONSTRAINT fk_count_checkpoint_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE TABLE reconciliation_again (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        facility_id UUID NOT NULL,
        since timestamptz NOT NULL,
        CONSTRAINT pk_reconciliation_again PRIMARY KEY (id),
        CONSTRAINT fk_reconciliation_again_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
]

DOWN = [
    "DROP TABLE reconciliation_again, count_checkpoint, sighting_standing",
    # What corrects a sighting says nothing in a world where only gate events are corrected.
    "DELETE FROM gate_correction WHERE of = 'sighting'",
    """
    ALTER TABLE gate_correction
        DROP CONSTRAINT uq_gate_correction_source,
        DROP CONSTRAINT ck_gate_correction_direction,
        DROP COLUMN of,
        DROP COLUMN sent_at,
        ADD CONSTRAINT uq_gate_correction_source UNIQUE (source, record_id)
    """,
    "ALTER TABLE sighting DROP COLUMN sent_at",
    "ALTER TABLE gate_event DROP COLUMN sent_at",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
