"""Tariffs, where they apply, and permits."""

from __future__ import annotations

from alembic import op

revision = "20261125_4"
down_revision = "20261125_3"
branch_labels = None
depends_on = None

UP: list[str] = [
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    """
    CREATE TABLE tariff (
        id UUID NOT NULL,
        code TEXT NOT NULL,
        name TEXT NOT NULL,
        name_en TEXT NOT NULL,
        operator_id UUID,
        pricing TEXT NOT NULL,
        filing_number TEXT DEFAULT '' NOT NULL,
        source TEXT DEFAULT '' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_tariff PRIMARY KEY (id),
        CONSTRAINT ck_tariff_pricing CHECK (pricing in ('government', 'market')),
        CONSTRAINT uq_tariff_code UNIQUE (code),
        CONSTRAINT fk_tariff_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id)
    )
    """,
    "CREATE INDEX ix_tariff_operator_id ON tariff (operator_id)",
    """
    CREATE TABLE tariff_version (
        id UUID NOT NULL,
        tariff_id UUID NOT NULL,
        effective_from timestamptz NOT NULL,
        effective_until timestamptz,
        data JSONB NOT NULL,
        created_by UUID,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_tariff_version PRIMARY KEY (id),
        CONSTRAINT ck_tariff_version_order CHECK (effective_until > effective_from),
        CONSTRAINT ex_tariff_version_one_at_a_time EXCLUDE USING gist (tariff_id WITH =,
            tstzrange(effective_from, effective_until) WITH &&),
        CONSTRAINT fk_tariff_version_tariff_id FOREIGN KEY(tariff_id) REFERENCES tariff (id)
    )
    """,
    """
    CREATE FUNCTION tariff_version_says_what_it_said() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.id, NEW.tariff_id, NEW.effective_from, NEW.data)
            IS DISTINCT FROM (OLD.id, OLD.tariff_id, OLD.effective_from, OLD.data) THEN
            RAISE EXCEPTION 'what a tariff said is not changed: add a version';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER tariff_version_says_what_it_said BEFORE UPDATE ON tariff_version
        FOR EACH ROW EXECUTE FUNCTION tariff_version_says_what_it_said()
    """,
    """
    CREATE TABLE tariff_assignment (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        operator_id UUID NOT NULL,
        tariff_id UUID NOT NULL,
        valid_from timestamptz NOT NULL,
        valid_until timestamptz,
        CONSTRAINT pk_tariff_assignment PRIMARY KEY (id),
        CONSTRAINT ck_tariff_assignment_order CHECK (valid_until > valid_from),
        CONSTRAINT ex_tariff_assignment_one_at_a_time EXCLUDE USING gist (facility_id WITH =,
            tstzrange(valid_from, valid_until) WITH &&),
        CONSTRAINT fk_tariff_assignment_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_tariff_assignment_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id),
        CONSTRAINT fk_tariff_assignment_tariff_id FOREIGN KEY(tariff_id) REFERENCES tariff (id)
    )
    """,
    "CREATE INDEX ix_tariff_assignment_tariff_id ON tariff_assignment (tariff_id)",
    """
    CREATE TABLE permit (
        id UUID NOT NULL,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA NOT NULL,
        facility_id UUID,
        operator_id UUID,
        kind TEXT NOT NULL,
        valid_from timestamptz NOT NULL,
        valid_until timestamptz,
        source TEXT NOT NULL,
        revoked_at timestamptz,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_permit PRIMARY KEY (id),
        CONSTRAINT ck_permit_kind CHECK (kind in ('resident', 'monthly', 'staff', 'free_list')),
        CONSTRAINT ck_permit_order CHECK (valid_until > valid_from),
        CONSTRAINT ck_permit_where CHECK (num_nonnulls(facility_id, operator_id) = 1
            or (num_nonnulls(facility_id, operator_id) = 0 and kind = 'free_list')),
        CONSTRAINT fk_permit_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_permit_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id)
    )
    """,
    "CREATE INDEX ix_permit_plate_hash ON permit (plate_hash)",
    "CREATE INDEX ix_permit_facility_id ON permit (facility_id)",
    "CREATE INDEX ix_permit_operator_id ON permit (operator_id)",
]

DOWN: list[str] = [
    "DROP TABLE permit, tariff_assignment, tariff_version, tariff",
    "DROP FUNCTION tariff_version_says_what_it_said",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
