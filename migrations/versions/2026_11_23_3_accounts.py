"""Accounts and the audit log, which only grows."""

from __future__ import annotations

from alembic import op

revision = "20261123_3"
down_revision = "20261123_2"
branch_labels = None
depends_on = None

UP = [
    """
    CREATE TABLE user_account (
        id UUID NOT NULL,
        username TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        role TEXT NOT NULL,
        operator_id UUID,
        institution_id UUID,
        active BOOLEAN DEFAULT true NOT NULL,
        failed_logins INTEGER DEFAULT 0 NOT NULL,
        locked_until timestamptz,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_user_account PRIMARY KEY (id),
        CONSTRAINT ck_user_account_role CHECK (role in ('driver', 'operator_staff', 'institution_manager',
            'enforcement_officer', 'enforcement_reviewer', 'city_administrator', 'auditor', 'integration')),
        CONSTRAINT ck_user_account_operator CHECK (operator_id is null or role = 'operator_staff'),
        CONSTRAINT ck_user_account_institution
            CHECK (institution_id is null or role = 'institution_manager')
    )
    """,
    "CREATE UNIQUE INDEX uq_user_account_username ON user_account (lower(username))",
    """
    CREATE TABLE api_key (
        source TEXT NOT NULL,
        key_hash TEXT NOT NULL,
        scopes TEXT[] NOT NULL,
        any_device BOOLEAN DEFAULT false NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        revoked_at timestamptz,
        CONSTRAINT pk_api_key PRIMARY KEY (source),
        CONSTRAINT ck_api_key_key_hash CHECK (key_hash ~ '^[0-9a-f]{64}$'),
        CONSTRAINT uq_api_key_key_hash UNIQUE (key_hash)
    )
    """,
    """
    CREATE TABLE audit_entry (
        id UUID NOT NULL,
        at timestamptz DEFAULT now() NOT NULL,
        actor_id UUID,
        actor_role TEXT NOT NULL,
        action TEXT NOT NULL,
        subject_type TEXT NOT NULL,
        subject_id TEXT NOT NULL,
        reason TEXT NOT NULL,
        detail JSONB NOT NULL,
        CONSTRAINT pk_audit_entry PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_audit_entry_at ON audit_entry (at)",
    "CREATE INDEX ix_audit_entry_subject ON audit_entry (subject_type, subject_id, at)",
    """
    CREATE FUNCTION audit_entry_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit entries are never changed or removed';
    END $$
    """,
    """
    CREATE TRIGGER audit_entry_only_grows BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_only_grows()
    """,
]

DOWN = [
    "DROP TABLE audit_entry, api_key, user_account",
    "DROP FUNCTION audit_entry_only_grows",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
