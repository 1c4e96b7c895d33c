"""Sharing windows and bookings."""

from __future__ import annotations

from alembic import op

revision = "20261126_2"
down_revision = "20261126_1"
branch_labels = None
depends_on = None


def _kinds(table: str, kinds: str) -> list[str]:
    return [
        f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_kind",
        f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_kind CHECK (kind in ({kinds}))",
    ]


UP: list[str] = [
    *_kinds("charge", "'stay', 'permit', 'booking'"),
    *_kinds("permit", "'resident', 'monthly', 'staff', 'free_list', 'booking'"),
    """
    CREATE TABLE sharing_rule (
        id UUID NOT NULL,
        effective_from DATE NOT NULL,
        after_work INTEGER NOT NULL,
        before_work INTEGER NOT NULL,
        least_spaces_percent INTEGER NOT NULL,
        least_chargers_percent INTEGER NOT NULL,
        exemptions JSONB NOT NULL,
        status TEXT NOT NULL,
        legal_basis TEXT DEFAULT '' NOT NULL,
        source TEXT NOT NULL,
        CONSTRAINT pk_sharing_rule PRIMARY KEY (id),
        CONSTRAINT ck_sharing_rule_status CHECK (status in ('confirmed', 'unconfirmed')),
        CONSTRAINT ck_sharing_rule_basis CHECK (status <> 'confirmed' or legal_basis <> ''),
        CONSTRAINT ck_sharing_rule_percent
            CHECK (least_spaces_percent between 0 and 100 and least_chargers_percent between 0 and 100),
        CONSTRAINT ck_sharing_rule_minutes
            CHECK (after_work between 0 and 720 and before_work between 0 and 720),
        CONSTRAINT uq_sharing_rule_effective_from UNIQUE (effective_from)
    )
    """,
    """
    CREATE TABLE sharing_policy (
        effective_from timestamptz NOT NULL,
        hold_minutes INTEGER NOT NULL,
        cancel_free_minutes INTEGER NOT NULL,
        unused_percent INTEGER NOT NULL,
        most_open INTEGER NOT NULL,
        days_ahead INTEGER NOT NULL,
        near_metres INTEGER NOT NULL,
        set_by UUID,
        CONSTRAINT pk_sharing_policy PRIMARY KEY (effective_from),
        CONSTRAINT ck_sharing_policy_hold CHECK (hold_minutes between 1 and 60),
        CONSTRAINT ck_sharing_policy_unused CHECK (unused_percent between 0 and 100),
        CONSTRAINT ck_sharing_policy_limits
            CHECK (cancel_free_minutes >= 0 and most_open > 0 and days_ahead > 0)
    )
    """,
    """
    CREATE TABLE sharing_plan (
        facility_id UUID NOT NULL,
        version INTEGER NOT NULL,
        state TEXT NOT NULL,
        work_start INTEGER NOT NULL,
        work_end INTEGER NOT NULL,
        price_hour BIGINT,
        price_evening BIGINT,
        price_month BIGINT,
        walk_in BOOLEAN NOT NULL,
        exemption TEXT DEFAULT '' NOT NULL,
        note TEXT DEFAULT '' NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by UUID,
        CONSTRAINT pk_sharing_plan PRIMARY KEY (facility_id),
        CONSTRAINT ck_sharing_plan_state CHECK (state in ('draft', 'published', 'withdrawn')),
        CONSTRAINT ck_sharing_plan_prices
            CHECK (price_hour >= 0 and price_evening >= 0 and price_month >= 0),
        CONSTRAINT ck_sharing_plan_work
            CHECK (0 <= work_start and work_start < work_end and work_end <= 1440),
        CONSTRAINT fk_sharing_plan_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE TABLE sharing_window (
        facility_id UUID NOT NULL,
        number INTEGER NOT NULL,
        days TEXT[] NOT NULL,
        start_minute INTEGER NOT NULL,
        until_minute INTEGER NOT NULL,
        space_ids UUID[],
        CONSTRAINT pk_sharing_window PRIMARY KEY (facility_id, number),
        CONSTRAINT ck_sharing_window_start CHECK (0 <= start_minute and start_minute < 1440),
        CONSTRAINT ck_sharing_window_until CHECK (start_minute < until_minute and until_minute <= 2880),
        CONSTRAINT ck_sharing_window_days CHECK (cardinality(days) > 0),
        CONSTRAINT fk_sharing_window_facility_id
            FOREIGN KEY(facility_id) REFERENCES sharing_plan (facility_id)
    )
    """,
    """
    CREATE TABLE sharing_exception (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        day DATE NOT NULL,
        open BOOLEAN NOT NULL,
        start_minute INTEGER NOT NULL,
        until_minute INTEGER NOT NULL,
        reason TEXT NOT NULL,
        made_at timestamptz NOT NULL,
        CONSTRAINT pk_sharing_exception PRIMARY KEY (id),
        CONSTRAINT ck_sharing_exception_minutes
            CHECK (0 <= start_minute and start_minute < until_minute and until_minute <= 1440),
        CONSTRAINT fk_sharing_exception_facility_id
            FOREIGN KEY(facility_id) REFERENCES sharing_plan (facility_id)
    )
    """,
    "CREATE INDEX ix_sharing_exception_facility_id ON sharing_exception (facility_id, day)",
    """
    CREATE TABLE sharing_closing (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        reason TEXT NOT NULL,
        made_at timestamptz NOT NULL,
        made_by UUID,
        lifted_at timestamptz,
        CONSTRAINT pk_sharing_closing PRIMARY KEY (id),
        CONSTRAINT ck_sharing_closing_order CHECK (ends_at > starts_at),
        CONSTRAINT ck_sharing_closing_lifted CHECK (lifted_at is null or lifted_at >= made_at),
        CONSTRAINT fk_sharing_closing_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_sharing_closing_facility_id ON sharing_closing (facility_id, ends_at)",
    """
    CREATE TABLE booking (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        space_id UUID NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        vehicle_id UUID NOT NULL,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA NOT NULL,
        price BIGINT NOT NULL,
        charge_id UUID,
        held_until timestamptz,
        extends UUID,
        why TEXT,
        over_at timestamptz,
        made_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        CONSTRAINT pk_booking PRIMARY KEY (id),
        CONSTRAINT ck_booking_kind CHECK (kind in ('hour', 'evening', 'month')),
        CONSTRAINT ck_booking_state
            CHECK (state in ('held', 'confirmed', 'cancelled', 'lapsed', 'turned_away', 'ended')),
        CONSTRAINT ck_booking_why
            CHECK (why is null or why in ('driver', 'closed', 'not_paid',
                'no_space', 'taken_back', 'turned_away', 'over')),
        CONSTRAINT ck_booking_over CHECK ((state in ('held', 'confirmed')) = (over_at is null)),
        CONSTRAINT ck_booking_held CHECK (state <> 'held' or held_until is not null),
        CONSTRAINT ck_booking_price CHECK (price >= 0 and (price = 0) = (charge_id is null)),
        CONSTRAINT ck_booking_order CHECK (ends_at > starts_at),
        CONSTRAINT uq_booking_charge_id UNIQUE (charge_id),
        CONSTRAINT fk_booking_user_id FOREIGN KEY(user_id) REFERENCES user_account (id),
        CONSTRAINT fk_booking_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_booking_space_id FOREIGN KEY(space_id) REFERENCES space (id),
        CONSTRAINT fk_booking_vehicle_id FOREIGN KEY(vehicle_id) REFERENCES vehicle_binding (id),
        CONSTRAINT fk_booking_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id),
        CONSTRAINT fk_booking_extends FOREIGN KEY(extends) REFERENCES booking (id)
    )
    """,
    "CREATE INDEX ix_booking_confirmed ON booking (ends_at) WHERE state = 'confirmed'",
    "CREATE INDEX ix_booking_extends ON booking (extends) WHERE extends is not null",
    "CREATE INDEX ix_booking_facility_id ON booking (facility_id, starts_at)",
    "CREATE INDEX ix_booking_held_until ON booking (held_until) WHERE held_until is not null",
    "CREATE INDEX ix_booking_plate_hash ON booking (plate_hash, facility_id) WHERE state = 'confirmed'",
    "CREATE INDEX ix_booking_user_id ON booking (user_id, id)",
    """
    CREATE TABLE booking_slot (
        booking_id UUID NOT NULL,
        number INTEGER NOT NULL,
        space_id UUID NOT NULL,
        during TSTZRANGE NOT NULL,
        live BOOLEAN NOT NULL,
        lost BOOLEAN DEFAULT 'false' NOT NULL,
        permit_id UUID,
        CONSTRAINT pk_booking_slot PRIMARY KEY (booking_id, number),
        CONSTRAINT ex_booking_slot_one_at_a_time
            EXCLUDE USING gist (space_id WITH =, during WITH &&) WHERE (live),
        CONSTRAINT ck_booking_slot_during
            CHECK (not isempty(during) and lower_inc(during) and not upper_inc(during)),
        CONSTRAINT ck_booking_slot_bounds CHECK (lower(during) is not null and upper(during) is not null),
        CONSTRAINT fk_booking_slot_booking_id FOREIGN KEY(booking_id) REFERENCES booking (id),
        CONSTRAINT fk_booking_slot_space_id FOREIGN KEY(space_id) REFERENCES space (id),
        CONSTRAINT fk_booking_slot_permit_id FOREIGN KEY(permit_id) REFERENCES permit (id)
    )
    """,
    """
    CREATE TABLE booking_ban (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        plate_hash BYTEA NOT NULL,
        since timestamptz NOT NULL,
        until timestamptz NOT NULL,
        cause TEXT NOT NULL,
        lifted_at timestamptz,
        CONSTRAINT pk_booking_ban PRIMARY KEY (id),
        CONSTRAINT ck_booking_ban_order CHECK (until > since),
        CONSTRAINT uq_booking_ban_cause UNIQUE (cause),
        CONSTRAINT fk_booking_ban_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    "CREATE INDEX ix_booking_ban_user_id ON booking_ban (user_id, until)",
    "CREATE INDEX ix_booking_ban_plate_hash ON booking_ban (plate_hash, until)",
]

DOWN: list[str] = [
    "DROP TABLE booking_ban",
    "DROP TABLE booking_slot, booking, sharing_closing, sharing_exception, sharing_window, sharing_plan",
    "DROP TABLE sharing_policy, sharing_rule",
    *_kinds("permit", "'resident', 'monthly', 'staff', 'free_list'"),
    *_kinds("charge", "'stay', 'permit'"),
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
