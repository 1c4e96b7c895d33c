"""Guidance boards."""

from __future__ import annotations

from alembic import op

revision = "20261126_5"
down_revision = "20261126_4"
branch_labels = None
depends_on = None

UP = [
    """
    CREATE TABLE sign (
        id UUID NOT NULL,
        code TEXT NOT NULL,
        name TEXT NOT NULL,
        level INTEGER NOT NULL,
        position geography(POINT, 4326) NOT NULL,
        facing INTEGER,
        way TEXT NOT NULL,
        key_hash TEXT NOT NULL,
        full_below INTEGER NOT NULL,
        open_again_at INTEGER NOT NULL,
        blank_after_s INTEGER NOT NULL,
        digits INTEGER NOT NULL,
        columns INTEGER NOT NULL,
        brightness INTEGER NOT NULL,
        active BOOLEAN NOT NULL,
        synthetic BOOLEAN DEFAULT false NOT NULL,
        registered_at timestamptz NOT NULL,
        CONSTRAINT pk_sign PRIMARY KEY (id),
        CONSTRAINT uq_sign_code UNIQUE (code),
        CONSTRAINT ck_sign_level CHECK (level in (1, 2, 3)),
        CONSTRAINT ck_sign_way CHECK (way in ('poll', 'mqtt')),
        CONSTRAINT ck_sign_facing CHECK (facing between 0 and 359),
        CONSTRAINT ck_sign_key_hash CHECK (key_hash ~ '^[0-9a-f]{64}$'),
        CONSTRAINT ck_sign_thresholds CHECK (full_below >= 1 and open_again_at >= full_below),
        CONSTRAINT ck_sign_blank_after_s CHECK (blank_after_s between 60 and 7200),
        CONSTRAINT ck_sign_size CHECK (digits between 1 and 5 and columns between 10 and 64),
        CONSTRAINT ck_sign_brightness CHECK (brightness between 1 and 100)
    )
    """,
    """
    CREATE TABLE sign_row (
        id UUID NOT NULL,
        sign_id UUID NOT NULL,
        place INTEGER NOT NULL,
        label TEXT NOT NULL,
        arrow TEXT NOT NULL,
        shows TEXT NOT NULL,
        district TEXT,
        was_full BOOLEAN DEFAULT false NOT NULL,
        CONSTRAINT pk_sign_row PRIMARY KEY (id),
        CONSTRAINT uq_sign_row_sign_id_place UNIQUE (sign_id, place),
        CONSTRAINT fk_sign_row_sign_id FOREIGN KEY(sign_id) REFERENCES sign (id) ON DELETE CASCADE,
        CONSTRAINT ck_sign_row_arrow CHECK (arrow in ('left', 'straight', 'right', 'none')),
        CONSTRAINT ck_sign_row_shows CHECK (shows in ('number', 'state'))
    )
    """,
    """
    CREATE TABLE sign_row_facility (
        row_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        CONSTRAINT pk_sign_row_facility PRIMARY KEY (row_id, facility_id),
        CONSTRAINT fk_sign_row_facility_row_id FOREIGN KEY(row_id) REFERENCES sign_row (id) ON DELETE CASCADE,
        CONSTRAINT fk_sign_row_facility_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_sign_row_facility_facility_id ON sign_row_facility (facility_id)",
    """
    CREATE TABLE sign_state (
        sign_id UUID NOT NULL,
        heard_at timestamptz,
        heard_version TEXT,
        told_at timestamptz,
        told_version TEXT,
        CONSTRAINT pk_sign_state PRIMARY KEY (sign_id),
        CONSTRAINT fk_sign_state_sign_id FOREIGN KEY(sign_id) REFERENCES sign (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE sign_listening (
        way TEXT NOT NULL,
        since timestamptz NOT NULL,
        until timestamptz NOT NULL,
        CONSTRAINT pk_sign_listening PRIMARY KEY (way),
        CONSTRAINT ck_sign_listening_way CHECK (way in ('poll', 'mqtt')),
        CONSTRAINT ck_sign_listening_span CHECK (until >= since)
    )
    """,
    """
    CREATE TABLE sign_fault (
        id UUID NOT NULL,
        sign_id UUID NOT NULL,
        code TEXT NOT NULL,
        name TEXT NOT NULL,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        evidence JSONB NOT NULL,
        CONSTRAINT pk_sign_fault PRIMARY KEY (id),
        CONSTRAINT ck_sign_fault_closed CHECK (closed_at >= opened_at),
        CONSTRAINT fk_sign_fault_sign_id FOREIGN KEY(sign_id) REFERENCES sign (id)
    )
    """,
    "CREATE UNIQUE INDEX uq_sign_fault_open ON sign_fault (sign_id) WHERE closed_at IS NULL",
]

DOWN = ["DROP TABLE sign_fault, sign_listening, sign_state, sign_row_facility, sign_row, sign"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
