"""Notices, drivers' vehicles and mandates, arrears, permits bought."""

from __future__ import annotations

from alembic import op

revision = "20261125_8"
down_revision = "20261125_7"
branch_labels = None
depends_on = None

UP: list[str] = [
    """
    CREATE TABLE contact (
        user_id UUID NOT NULL,
        channel TEXT NOT NULL,
        sealed BYTEA NOT NULL,
        language TEXT NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_contact PRIMARY KEY (user_id, channel),
        CONSTRAINT ck_contact_channel CHECK (channel in ('sms', 'mail')),
        CONSTRAINT fk_contact_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    """
    CREATE TABLE notice (
        id UUID NOT NULL,
        dedupe_key TEXT NOT NULL,
        kind TEXT NOT NULL,
        user_id UUID,
        plate_hash BYTEA,
        channel TEXT NOT NULL,
        address_sealed BYTEA,
        language TEXT NOT NULL,
        texts JSONB NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        try_again_at timestamptz,
        failure TEXT DEFAULT '' NOT NULL,
        carrier_id TEXT DEFAULT '' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        sent_at timestamptz,
        read_at timestamptz,
        CONSTRAINT pk_notice PRIMARY KEY (id),
        CONSTRAINT ck_notice_channel CHECK (channel in ('in_app', 'sms', 'mail')),
        CONSTRAINT ck_notice_state CHECK (state in ('queued', 'sent', 'failed', 'read')),
        CONSTRAINT ck_notice_address CHECK ((channel = 'in_app') = (address_sealed is null)),
        CONSTRAINT ck_notice_reader CHECK (user_id is not null or plate_hash is not null or
            address_sealed is not null),
        CONSTRAINT ck_notice_sent CHECK (state not in ('sent', 'read') or sent_at is not null),
        CONSTRAINT ck_notice_read CHECK ((state = 'read') = (read_at is not null)),
        CONSTRAINT uq_notice_once UNIQUE (dedupe_key, channel),
        CONSTRAINT fk_notice_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    "CREATE INDEX ix_notice_plate_hash ON notice (plate_hash) WHERE user_id is null",
    """
    CREATE INDEX ix_notice_try_again ON notice (try_again_at) WHERE state = 'queued' and channel <>
        'in_app'
    """,
    "CREATE INDEX ix_notice_user_id ON notice (user_id, id) WHERE channel = 'in_app'",
    """
    CREATE TABLE vehicle_binding (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA NOT NULL,
        state TEXT NOT NULL,
        asked_at timestamptz NOT NULL,
        decided_at timestamptz,
        decided_by UUID,
        since timestamptz,
        ended_at timestamptz,
        reason TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_vehicle_binding PRIMARY KEY (id),
        CONSTRAINT ck_vehicle_binding_state CHECK (state in ('pending', 'verified', 'refused',
            'ended')),
        CONSTRAINT ck_vehicle_binding_since CHECK ((state in ('verified', 'ended')) <= (since is not
            null)),
        CONSTRAINT ck_vehicle_binding_ended CHECK ((state = 'ended') = (ended_at is not null)),
        CONSTRAINT fk_vehicle_binding_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    "CREATE INDEX ix_vehicle_binding_pending ON vehicle_binding (id) WHERE state = 'pending'",
    "CREATE INDEX ix_vehicle_binding_plate_hash ON vehicle_binding (plate_hash)",
    """
    CREATE UNIQUE INDEX uq_vehicle_binding_claim ON vehicle_binding (user_id, plate_hash) WHERE state
        in ('pending', 'verified')
    """,
    """
    CREATE UNIQUE INDEX uq_vehicle_binding_holder ON vehicle_binding (plate_hash) WHERE state =
        'verified'
    """,
]

DOWN: list[str] = [
    "DROP TABLE vehicle_binding, notice, contact",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
