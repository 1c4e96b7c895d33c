"""Allow lists of gates, turn-aways, overstays and the use of shared spaces."""

from __future__ import annotations

from alembic import op

revision = "20261126_3"
down_revision = "20261126_2"
branch_labels = None
depends_on = None

UP: list[str] = [
    """
    CREATE TABLE gate_allow_list (
        facility_id UUID NOT NULL,
        way TEXT DEFAULT 'unset' NOT NULL,
        url TEXT,
        generation INTEGER DEFAULT 0 NOT NULL,
        version BIGINT DEFAULT 0 NOT NULL,
        held_version BIGINT DEFAULT 0 NOT NULL,
        heard_at timestamptz,
        push_at timestamptz,
        leased_until timestamptz,
        attempts INTEGER DEFAULT 0 NOT NULL,
        failure TEXT DEFAULT '' NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_gate_allow_list PRIMARY KEY (facility_id),
        CONSTRAINT ck_gate_allow_list_way CHECK (way in ('unset', 'push', 'pull', 'asks', 'none')),
        CONSTRAINT ck_gate_allow_list_url CHECK ((way = 'push') = (url is not null)),
        CONSTRAINT ck_gate_allow_list_scheme CHECK (url ~ '^https?://'),
        CONSTRAINT ck_gate_allow_list_held CHECK (held_version between 0 and version),
        CONSTRAINT fk_gate_allow_list_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_gate_allow_list_push ON gate_allow_list (push_at) WHERE way = 'push'",
    """
    CREATE TABLE gate_pass (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA NOT NULL,
        during TSTZMULTIRANGE NOT NULL,
        ends_at timestamptz NOT NULL,
        version BIGINT NOT NULL,
        withdrawn_at timestamptz,
        told_version BIGINT,
        told_at timestamptz,
        answered_version BIGINT,
        answered_at timestamptz,
        accepted BOOLEAN,
        failure TEXT DEFAULT '' NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_gate_pass PRIMARY KEY (id),
        CONSTRAINT uq_gate_pass_version UNIQUE (facility_id, version),
        CONSTRAINT ck_gate_pass_during CHECK (not isempty(during)),
        CONSTRAINT ck_gate_pass_ends_at CHECK (ends_at = upper(during)),
        CONSTRAINT ck_gate_pass_told CHECK ((told_version is null) = (told_at is null)),
        CONSTRAINT ck_gate_pass_versions CHECK (told_version <= version and answered_version <= version),
        CONSTRAINT ck_gate_pass_answered CHECK ((answered_version is null) = (answered_at is null)
            and (answered_version is null) = (accepted is null)),
        CONSTRAINT fk_gate_pass_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_gate_pass_plate_hash ON gate_pass (plate_hash, facility_id)",
    "CREATE INDEX ix_gate_pass_ends_at ON gate_pass (ends_at)",
    """
    CREATE TABLE turn_away (
        id UUID NOT NULL,
        booking_id UUID NOT NULL,
        slot_starts_at timestamptz NOT NULL,
        facility_id UUID NOT NULL,
        at timestamptz NOT NULL,
        lane TEXT NOT NULL,
        gate_state TEXT NOT NULL,
        gate_failure TEXT NOT NULL,
        gate_told_at timestamptz,
        gate_acknowledged_at timestamptz,
        seen_at_gate timestamptz,
        had_been_in BOOLEAN NOT NULL,
        distance_m INTEGER,
        space_occupied BOOLEAN,
        facility_free INTEGER,
        refund BIGINT NOT NULL,
        alternatives JSONB NOT NULL,
        comment TEXT DEFAULT '' NOT NULL,
        commented_by UUID,
        commented_at timestamptz,
        CONSTRAINT pk_turn_away PRIMARY KEY (id),
        CONSTRAINT uq_turn_away_once UNIQUE (booking_id, slot_starts_at),
        CONSTRAINT ck_turn_away_refund CHECK (refund >= 0),
        CONSTRAINT ck_turn_away_distance CHECK (distance_m >= 0),
        CONSTRAINT ck_turn_away_comment CHECK ((comment = '') = (commented_at is null)),
        CONSTRAINT fk_turn_away_booking_id FOREIGN KEY(booking_id) REFERENCES booking (id),
        CONSTRAINT fk_turn_away_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_turn_away_facility_id ON turn_away (facility_id, at)",
    """
    CREATE FUNCTION turn_away_stands() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR to_jsonb(NEW) - array['comment', 'commented_by', 'commented_at']
            IS DISTINCT FROM to_jsonb(OLD) - array['comment', 'commented_by', 'commented_at'] THEN
            RAISE EXCEPTION 'what was noted of a driver turned away stands';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER turn_away_stands BEFORE UPDATE OR DELETE ON turn_away
    FOR EACH ROW EXECUTE FUNCTION turn_away_stands()
    """,
    "CREATE INDEX ix_booking_of_plate ON booking (plate_hash, facility_id, ends_at)",
    "CREATE INDEX ix_booking_ends_at ON booking (ends_at)",
    """
    CREATE TABLE overstay_step (
        number INTEGER NOT NULL,
        after_minutes INTEGER NOT NULL,
        action TEXT NOT NULL,
        days INTEGER,
        status TEXT NOT NULL,
        source TEXT NOT NULL,
        CONSTRAINT pk_overstay_step PRIMARY KEY (number),
        CONSTRAINT ck_overstay_step_action CHECK (action in ('message', 'call', 'suspend', 'clue')),
        CONSTRAINT ck_overstay_step_after CHECK (after_minutes > 0),
        CONSTRAINT ck_overstay_step_days CHECK ((action = 'suspend') = (days is not null)),
        CONSTRAINT ck_overstay_step_end CHECK (days between 1 and 180),
        CONSTRAINT ck_overstay_step_status CHECK (status in ('confirmed', 'unconfirmed'))
    )
    """,
    """
    INSERT INTO overstay_step (number, after_minutes, action, days, status, source) VALUES
        (1, 10, 'message', null, 'confirmed', '平台服务提示'),
        (2, 30, 'call', null, 'confirmed', '平台服务提示'),
        (3, 60, 'suspend', 7, 'unconfirmed', '未查到本市规定，经市级主管部门确认后执行'),
        (4, 120, 'clue', null, 'unconfirmed', '未查到本市规定，经市级主管部门确认后执行')
    """,
    """
    CREATE TABLE overstay (
        id UUID NOT NULL,
        stay_id UUID NOT NULL,
        booking_id UUID NOT NULL,
        user_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        space_id UUID NOT NULL,
        ended_at timestamptz NOT NULL,
        over_at timestamptz,
        CONSTRAINT pk_overstay PRIMARY KEY (id),
        CONSTRAINT uq_overstay_stay_id UNIQUE (stay_id),
        CONSTRAINT fk_overstay_stay_id FOREIGN KEY(stay_id) REFERENCES stay (id),
        CONSTRAINT fk_overstay_booking_id FOREIGN KEY(booking_id) REFERENCES booking (id),
        CONSTRAINT fk_overstay_user_id FOREIGN KEY(user_id) REFERENCES user_account (id),
        CONSTRAINT fk_overstay_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_overstay_space_id FOREIGN KEY(space_id) REFERENCES space (id)
    )
    """,
    "CREATE INDEX ix_overstay_open ON overstay (space_id) WHERE over_at is null",
    "CREATE INDEX ix_overstay_user_id ON overstay (user_id, id)",
    """
    CREATE TABLE overstay_deed (
        overstay_id UUID NOT NULL,
        number INTEGER NOT NULL,
        action TEXT NOT NULL,
        done_at timestamptz NOT NULL,
        until timestamptz,
        CONSTRAINT pk_overstay_deed PRIMARY KEY (overstay_id, number),
        CONSTRAINT ck_overstay_deed_action CHECK (action in ('message', 'call', 'suspend', 'clue')),
        CONSTRAINT ck_overstay_deed_until CHECK ((action = 'suspend') = (until is not null)),
        CONSTRAINT fk_overstay_deed_overstay_id FOREIGN KEY(overstay_id) REFERENCES overstay (id)
    )
    """,
    """
    CREATE TABLE overstay_objection (
        overstay_id UUID NOT NULL,
        text TEXT NOT NULL,
        made_at timestamptz NOT NULL,
        answered_at timestamptz,
        answered_by UUID,
        upheld BOOLEAN,
        answer TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_overstay_objection PRIMARY KEY (overstay_id),
        CONSTRAINT ck_overstay_objection_answer CHECK ((answered_at is null) = (upheld is null)
            and (answered_at is null) = (answer = '')),
        CONSTRAINT fk_overstay_objection_overstay_id FOREIGN KEY(overstay_id) REFERENCES overstay (id)
    )
    """,
    "CREATE INDEX ix_overstay_objection_waiting ON overstay_objection (made_at) WHERE answered_at is null",
    """
    CREATE TABLE booking_move (
        booking_id UUID NOT NULL,
        slot_starts_at timestamptz NOT NULL,
        overstay_id UUID NOT NULL,
        from_space UUID NOT NULL,
        to_space UUID,
        at timestamptz NOT NULL,
        CONSTRAINT pk_booking_move PRIMARY KEY (booking_id, slot_starts_at),
        CONSTRAINT fk_booking_move_booking_id FOREIGN KEY(booking_id) REFERENCES booking (id),
        CONSTRAINT fk_booking_move_overstay_id FOREIGN KEY(overstay_id) REFERENCES overstay (id),
        CONSTRAINT fk_booking_move_from_space FOREIGN KEY(from_space) REFERENCES space (id),
        CONSTRAINT fk_booking_move_to_space FOREIGN KEY(to_space) REFERENCES space (id)
    )
    """,
    """
    CREATE TABLE sharing_space_day (
        space_id UUID NOT NULL,
        day DATE NOT NULL,
        looks INTEGER NOT NULL,
        usable INTEGER NOT NULL,
        unknown INTEGER NOT NULL,
        looked_at timestamptz NOT NULL,
        CONSTRAINT pk_sharing_space_day PRIMARY KEY (space_id, day),
        CONSTRAINT ck_sharing_space_day_looks CHECK (usable >= 0 and unknown >= 0
            and usable + unknown <= looks),
        CONSTRAINT fk_sharing_space_day_space_id FOREIGN KEY(space_id) REFERENCES space (id)
    )
    """,
    """
    CREATE TABLE sharing_month (
        month DATE NOT NULL,
        published_at timestamptz NOT NULL,
        figures JSONB NOT NULL,
        CONSTRAINT pk_sharing_month PRIMARY KEY (month),
        CONSTRAINT ck_sharing_month_month CHECK (extract(day from month) = 1)
    )
    """,
    """
    CREATE FUNCTION sharing_month_stands() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a month that was published stands';
    END $$
    """,
    """
    CREATE TRIGGER sharing_month_stands BEFORE UPDATE OR DELETE ON sharing_month
    FOR EACH ROW EXECUTE FUNCTION sharing_month_stands()
    """,
]

DOWN: list[str] = [
    "DROP TABLE sharing_month, sharing_space_day",
    "DROP FUNCTION sharing_month_stands",
    "DROP TABLE booking_move, overstay_objection, overstay_deed, overstay, overstay_step",
    "DROP INDEX ix_booking_of_plate",
    "DROP INDEX ix_booking_ends_at",
    "DROP TABLE turn_away",
    "DROP FUNCTION turn_away_stands",
    "DROP TABLE gate_pass, gate_allow_list",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
