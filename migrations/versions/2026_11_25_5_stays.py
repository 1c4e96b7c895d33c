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
        not_after timestamptz,
        derived_entered_at timestamptz NOT NULL,
        derived_exited_at timestamptz,
        facts_from timestamptz NOT NULL,
        facts_until timestamptz,
        charging_minutes INTEGER DEFAULT '0' NOT NULL,
        situations TEXT[] DEFAULT '{}' NOT NULL,
        version INTEGER DEFAULT '1' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_stay PRIMARY KEY (id),
        CONSTRAINT ck_stay_state CHECK (state in ('open', 'closed', 'review', 'void')),
        CONSTRAINT ck_stay_opened_by CHECK (opened_by in ('gate', 'space', 'driver', 'attendant',
            'exit')),
        CONSTRAINT ck_stay_ended_by CHECK (ended_by in ('gate', 'space', 'driver', 'attendant', 'tow',
            'next_entry', 'count', 'correction', 'operator')),
        CONSTRAINT ck_stay_vehicle_class CHECK (vehicle_class in ('small', 'large', 'new_energy',
            'new_energy_large', 'motorcycle', 'exempt')),
        CONSTRAINT ck_stay_situations CHECK (situations <@ array['missed_entry', 'missed_exit',
            'plate_misread', 'plate_unsure', 'no_plate', 'two_at_once', 'towed', 'vehicle_swap',
            'too_long', 'too_dear', 'count_says_left', 'space_says_left', 'corrected']::text[]),
        CONSTRAINT ck_stay_order CHECK (exited_at >= entered_at),
        CONSTRAINT ck_stay_ended CHECK ((exited_at is null) = (ended_by is null)),
        CONSTRAINT ck_stay_closed CHECK (state <> 'closed' or exited_at is not null),
        CONSTRAINT ck_stay_plate CHECK ((plate_hash is null) = (plate_sealed is null)),
        CONSTRAINT ck_stay_confidence CHECK (confidence between 0 and 1),
        CONSTRAINT ex_stay_one_place_at_a_time EXCLUDE USING gist (plate_hash WITH =,
            tstzrange(entered_at, exited_at) WITH &&) WHERE (state = 'closed' and plate_hash is not
            null) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT uq_stay_entry_event_id UNIQUE (entry_event_id) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT uq_stay_exit_event_id UNIQUE (exit_event_id) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT ck_stay_facts CHECK (facts_until is null or facts_until >= facts_from),
        CONSTRAINT fk_stay_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_stay_space_id FOREIGN KEY(space_id) REFERENCES space (id),
        CONSTRAINT fk_stay_entry_event_id FOREIGN KEY(entry_event_id) REFERENCES gate_event (id),
        CONSTRAINT fk_stay_exit_event_id FOREIGN KEY(exit_event_id) REFERENCES gate_event (id)
    )
    """,
    "CREATE INDEX ix_stay_facility_id ON stay (facility_id, entered_at)",
    """
    CREATE INDEX ix_stay_exit_alone ON stay (facility_id, exited_at) WHERE opened_by = 'exit' and state =
        'review'
    """,
    "CREATE INDEX ix_stay_facts ON stay (plate_hash, facts_until)",
    "CREATE INDEX ix_stay_open ON stay (facility_id, plate_hash) WHERE state = 'open'",
    "CREATE INDEX ix_stay_plate_hash ON stay (plate_hash, entered_at)",
    "CREATE INDEX ix_stay_review ON stay (facility_id, id) WHERE state = 'review'",
    "CREATE INDEX ix_stay_space_id ON stay (space_id) WHERE state = 'open' and space_id is not null",
    """
    CREATE TABLE stay_version (
        stay_id UUID NOT NULL,
        version INTEGER NOT NULL,
        at timestamptz NOT NULL,
        cause TEXT NOT NULL,
        by UUID,
        state TEXT NOT NULL,
        facility_id UUID NOT NULL,
        plate_hash BYTEA,
        entered_at timestamptz NOT NULL,
        exited_at timestamptz,
        ended_by TEXT,
        charging_minutes INTEGER DEFAULT '0' NOT NULL,
        situations TEXT[] NOT NULL,
        CONSTRAINT pk_stay_version PRIMARY KEY (stay_id, version),
        CONSTRAINT ck_stay_version_cause CHECK (cause in ('records', 'person', 'time')),
        CONSTRAINT fk_stay_version_stay_id FOREIGN KEY(stay_id) REFERENCES stay (id)
    )
    """,
    """
    CREATE FUNCTION stay_version_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'what a stay was is never changed or removed';
    END $$
    """,
    """
    CREATE TRIGGER stay_version_only_grows BEFORE UPDATE OR DELETE ON stay_version
    FOR EACH ROW EXECUTE FUNCTION stay_version_only_grows()
    """,
    """
    CREATE TABLE stay_charging (
        stay_id UUID NOT NULL,
        record_id TEXT NOT NULL,
        minutes INTEGER NOT NULL,
        said_by UUID NOT NULL,
        said_at timestamptz NOT NULL,
        CONSTRAINT pk_stay_charging PRIMARY KEY (stay_id, record_id),
        CONSTRAINT ck_stay_charging_minutes CHECK (minutes >= 0),
        CONSTRAINT fk_stay_charging_stay_id FOREIGN KEY(stay_id) REFERENCES stay (id)
    )
    """,
    """
    CREATE TABLE stay_mark (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        space_id UUID,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA NOT NULL,
        plate_color TEXT,
        kind TEXT NOT NULL,
        by TEXT NOT NULL,
        at timestamptz NOT NULL,
        confidence DOUBLE PRECISION,
        said_by UUID,
        sighting_id UUID,
        evidence JSONB NOT NULL,
        voided BOOLEAN DEFAULT 'false' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_stay_mark PRIMARY KEY (id),
        CONSTRAINT ck_stay_mark_kind CHECK (kind in ('start', 'end')),
        CONSTRAINT fk_stay_mark_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_stay_mark_space_id FOREIGN KEY(space_id) REFERENCES space (id),
        CONSTRAINT fk_stay_mark_sighting_id FOREIGN KEY(sighting_id) REFERENCES sighting (id)
    )
    """,
    "CREATE INDEX ix_stay_mark_plate_hash ON stay_mark (plate_hash, at)",
    "CREATE INDEX ix_stay_mark_space_id ON stay_mark (space_id, at) WHERE kind = 'start'",
    """
    CREATE TABLE stay_decision (
        id UUID NOT NULL,
        stay_id UUID NOT NULL,
        action TEXT NOT NULL,
        entered_at timestamptz,
        exited_at timestamptz,
        basis_entered_at timestamptz,
        basis_exited_at timestamptz,
        evidence JSONB NOT NULL,
        reason TEXT NOT NULL,
        decided_by UUID,
        decided_at timestamptz NOT NULL,
        needs_second BOOLEAN NOT NULL,
        seconded_by UUID,
        effective_at timestamptz,
        CONSTRAINT pk_stay_decision PRIMARY KEY (id),
        CONSTRAINT ck_stay_decision_action CHECK (action in ('confirm', 'correct', 'void')),
        CONSTRAINT ck_stay_decision_times CHECK ((action = 'void') = (exited_at is null)),
        CONSTRAINT ck_stay_decision_proof CHECK (action = 'void' or jsonb_array_length(evidence) > 0),
        CONSTRAINT ck_stay_decision_four_eyes CHECK (seconded_by is null or seconded_by <> decided_by),
        CONSTRAINT ck_stay_decision_second CHECK (not needs_second or effective_at is null or
            seconded_by is not null),
        CONSTRAINT fk_stay_decision_stay_id FOREIGN KEY(stay_id) REFERENCES stay (id)
    )
    """,
    "CREATE INDEX ix_stay_decision_stay_id ON stay_decision (stay_id, effective_at)",
    """
    CREATE TABLE stay_policy (
        id UUID NOT NULL,
        facility_id UUID,
        max_hours INTEGER NOT NULL,
        max_amount BIGINT NOT NULL,
        min_confidence DOUBLE PRECISION NOT NULL,
        review_days INTEGER NOT NULL,
        changed_by UUID,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_stay_policy PRIMARY KEY (id),
        CONSTRAINT ck_stay_policy_limits CHECK (max_hours > 0 and max_amount >= 0 and review_days > 0),
        CONSTRAINT ck_stay_policy_confidence CHECK (min_confidence between 0 and 1),
        CONSTRAINT fk_stay_policy_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE UNIQUE INDEX uq_stay_policy_facility_id ON stay_policy (facility_id) NULLS NOT DISTINCT",
    """
    CREATE TABLE second_reading (
        id UUID NOT NULL,
        event_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        suspect_id UUID,
        why TEXT NOT NULL,
        confidence DOUBLE PRECISION,
        asked_at timestamptz NOT NULL,
        answered_at timestamptz,
        answer TEXT,
        answered_by UUID,
        CONSTRAINT pk_second_reading PRIMARY KEY (id),
        CONSTRAINT ck_second_reading_why CHECK (why in ('unsure', 'misread')),
        CONSTRAINT ck_second_reading_answer CHECK (answer in ('as_read', 'other', 'withdrawn')),
        CONSTRAINT ck_second_reading_answered CHECK ((answer is null) = (answered_at is null)),
        CONSTRAINT ck_second_reading_suspect CHECK ((why = 'misread') = (suspect_id is not null)),
        CONSTRAINT fk_second_reading_event_id FOREIGN KEY(event_id) REFERENCES gate_event (id),
        CONSTRAINT fk_second_reading_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_second_reading_suspect_id FOREIGN KEY(suspect_id) REFERENCES stay (id)
    )
    """,
    """
    CREATE INDEX ix_second_reading_facility_id ON second_reading (facility_id, id) WHERE answered_at is
        null
    """,
    "CREATE INDEX ix_second_reading_suspect_id ON second_reading (suspect_id) WHERE answered_at is null",
    "CREATE UNIQUE INDEX uq_second_reading_open ON second_reading (event_id, suspect_id) NULLS NOT DISTINCT",
    """
    CREATE TABLE stay_correction (
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        operator_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        stay_id UUID NOT NULL,
        stay_version INTEGER NOT NULL,
        kind TEXT NOT NULL,
        entry_event_id UUID,
        exit_event_id UUID,
        entered_at timestamptz,
        exited_at timestamptz,
        reason TEXT NOT NULL,
        made_at timestamptz NOT NULL,
        acknowledged_at timestamptz,
        attempts INTEGER DEFAULT 0 NOT NULL,
        push_at timestamptz,
        failure TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_stay_correction PRIMARY KEY (seq),
        CONSTRAINT ck_stay_correction_kind CHECK (kind in ('plate', 'times', 'all', 'void')),
        CONSTRAINT uq_stay_correction_stay_id UNIQUE (stay_id, stay_version, kind),
        CONSTRAINT fk_stay_correction_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id),
        CONSTRAINT fk_stay_correction_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_stay_correction_stay_id FOREIGN KEY(stay_id) REFERENCES stay (id),
        CONSTRAINT fk_stay_correction_entry_event_id FOREIGN KEY(entry_event_id) REFERENCES gate_event
            (id),
        CONSTRAINT fk_stay_correction_exit_event_id FOREIGN KEY(exit_event_id) REFERENCES gate_event
            (id)
    )
    """,
    "CREATE INDEX ix_stay_correction_operator_id ON stay_correction (operator_id, seq)",
    "CREATE INDEX ix_stay_correction_push ON stay_correction (push_at) WHERE acknowledged_at is null",
    """
    CREATE TABLE operator_hook (
        operator_id UUID NOT NULL,
        url TEXT NOT NULL,
        generation INTEGER DEFAULT 1 NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_operator_hook PRIMARY KEY (operator_id),
        CONSTRAINT ck_operator_hook_url CHECK (url ~ '^https?://'),
        CONSTRAINT fk_operator_hook_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id)
    )
    """,
    "CREATE INDEX ix_sighting_seen_at ON sighting (seen_at)",
    "CREATE INDEX ix_space_position ON space USING gist (position)",
]

DOWN: list[str] = [
    "DROP INDEX ix_space_position, ix_sighting_seen_at",
    "DROP TABLE operator_hook, stay_correction, second_reading, stay_policy",
    "DROP TABLE stay_decision, stay_mark, stay_charging, stay_version, stay",
    "DROP FUNCTION stay_version_only_grows",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
