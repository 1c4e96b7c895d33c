"""Stays: one vehicle is at one place at a time."""

from __future__ import annotations

from alembic import op

revision = "20261125_5"
down_revision = "20261125_4"
branch_labels = None
depends_on = None

UP: list[str] = [
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    """
    CREATE TABLE stay (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        space_id UUID,
        plate_hash BYTEA,
        plate_sealed BYTEA,
        plate_color TEXT,
        confidence DOUBLE PRECISION,
        vehicle_class TEXT NOT NULL,
        state TEXT NOT NULL,
        entered_at timestamptz NOT NULL,
        opened_by TEXT NOT NULL,
        entry_event_id UUID,
        exited_at timestamptz,
        ended_by TEXT,
        exit_event_id UUID,
        charging_minutes INTEGER DEFAULT '0' NOT NULL,
        situations TEXT[] DEFAULT '{}' NOT NULL,
        version INTEGER DEFAULT '1' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_stay PRIMARY KEY (id),
        CONSTRAINT ck_stay_state CHECK (state in ('open', 'closed', 'review', 'void')),
        CONSTRAINT ck_stay_opened_by CHECK (opened_by in ('gate', 'space', 'driver',
            'attendant', 'exit')),
        CONSTRAINT ck_stay_ended_by CHECK (ended_by in ('gate', 'space', 'driver', 'attendant',
            'tow', 'next_entry', 'count', 'correction', 'operator')),
        CONSTRAINT ck_stay_vehicle_class CHECK (vehicle_class in ('small', 'large',
            'new_energy', 'new_energy_large', 'motorcycle')),
        CONSTRAINT ck_stay_situations CHECK (situations <@ array['missed_entry', 'missed_exit',
            'plate_misread', 'plate_unsure', 'no_plate', 'two_at_once', 'towed', 'vehicle_swap',
            'too_long', 'too_dear', 'count_says_left', 'space_says_left', 'corrected']::text[]),
        CONSTRAINT ck_stay_order CHECK (exited_at >= entered_at),
        CONSTRAINT ck_stay_ended CHECK ((exited_at is null) = (ended_by is null)),
        CONSTRAINT ck_stay_closed CHECK (state <> 'closed' or exited_at is not null),
        CONSTRAINT ck_stay_plate CHECK ((plate_hash is null) = (plate_sealed is null)),
        CONSTRAINT ck_stay_confidence CHECK (confidence between 0 and 1),
        CONSTRAINT ex_stay_one_place_at_a_time EXCLUDE USING gist (plate_hash WITH =,
            tstzrange(entered_at, exited_at) WITH &&) WHERE (state = 'closed' and plate_hash is
            not null),
        CONSTRAINT fk_stay_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_stay_space_id FOREIGN KEY(space_id) REFERENCES space (id),
        CONSTRAINT uq_stay_entry_event_id UNIQUE (entry_event_id),
        CONSTRAINT fk_stay_entry_event_id FOREIGN KEY(entry_event_id) REFERENCES gate_event
            (id),
        CONSTRAINT uq_stay_exit_event_id UNIQUE (exit_event_id),
        CONSTRAINT fk_stay_exit_event_id FOREIGN KEY(exit_event_id) REFERENCES gate_event (id)
    )
    """,
    "CREATE INDEX ix_stay_facility_id ON stay (facility_id, entered_at)",
    "CREATE INDEX ix_stay_open ON stay (facility_id, plate_hash) WHERE state = 'open'",
    "CREATE INDEX ix_stay_plate_hash ON stay (plate_hash, entered_at)",
    "CREATE INDEX ix_stay_review ON stay (facility_id, id) WHERE state = 'review'",
    "CREATE INDEX ix_stay_space_id ON stay (space_id) WHERE state = 'open' and space_id is not null",
]

DOWN: list[str] = ["DROP TABLE stay"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
