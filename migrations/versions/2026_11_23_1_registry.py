"""The registry and the outbox: operators, institutions, facilities, zones, spaces, devices."""

from __future__ import annotations

from alembic import op

revision = "20261123_1"
down_revision = None
branch_labels = None
depends_on = None

UP = [
    """
    CREATE TABLE institution (
        id UUID NOT NULL,
        code TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        CONSTRAINT pk_institution PRIMARY KEY (id),
        CONSTRAINT ck_institution_kind CHECK (kind in ('institution', 'state_enterprise')),
        CONSTRAINT uq_institution_code UNIQUE (code)
    )
    """,
    """
    CREATE TABLE operator (
        id UUID NOT NULL,
        code TEXT NOT NULL,
        name TEXT NOT NULL,
        CONSTRAINT pk_operator PRIMARY KEY (id),
        CONSTRAINT uq_operator_code UNIQUE (code)
    )
    """,
    """
    CREATE TABLE outbox_message (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        topic TEXT NOT NULL,
        key TEXT NOT NULL,
        payload JSONB NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_outbox_message PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE facility (
        id UUID NOT NULL,
        code TEXT NOT NULL,
        name TEXT NOT NULL,
        name_en TEXT NOT NULL,
        kind TEXT NOT NULL,
        counting TEXT NOT NULL,
        district TEXT NOT NULL,
        address TEXT NOT NULL,
        capacity INTEGER NOT NULL,
        shared_spaces INTEGER DEFAULT '0' NOT NULL,
        position geography(POINT,4326),
        operator_id UUID NOT NULL,
        institution_id UUID,
        synthetic BOOLEAN DEFAULT 'false' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_facility PRIMARY KEY (id),
        CONSTRAINT ck_facility_capacity CHECK (capacity >= 0),
        CONSTRAINT ck_facility_shared_spaces CHECK (shared_spaces >= 0),
        CONSTRAINT ck_facility_counting CHECK (counting in ('spaces', 'counter')),
        CONSTRAINT ck_facility_kind CHECK (kind in ('public_offstreet',
            'on_street', 'ancillary', 'institution', 'state_enterprise', 'park_and_ride')),
        CONSTRAINT uq_facility_code UNIQUE (code),
        CONSTRAINT fk_facility_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id),
        CONSTRAINT fk_facility_institution_id FOREIGN KEY(institution_id) REFERENCES institution (id)
    )
    """,
    """
    CREATE INDEX ix_facility_institution_id ON facility (institution_id)
    """,
    """
    CREATE INDEX ix_facility_operator_id ON facility (operator_id)
    """,
    """
    CREATE TABLE zone (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        code TEXT NOT NULL,
        name TEXT NOT NULL,
        CONSTRAINT pk_zone PRIMARY KEY (id),
        CONSTRAINT uq_zone_facility_id_code UNIQUE (facility_id, code),
        CONSTRAINT uq_zone_facility_id_id UNIQUE (facility_id, id),
        CONSTRAINT fk_zone_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE TABLE space (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        zone_id UUID,
        number TEXT NOT NULL,
        kind TEXT NOT NULL,
        shared BOOLEAN NOT NULL,
        position geography(POINT,4326),
        CONSTRAINT pk_space PRIMARY KEY (id),
        CONSTRAINT uq_space_facility_id_number UNIQUE (facility_id, number),
        CONSTRAINT uq_space_facility_and_id UNIQUE (facility_id, id),
        CONSTRAINT fk_space_zone_of_same_facility FOREIGN KEY(facility_id, zone_id)
            REFERENCES zone (facility_id, id),
        CONSTRAINT ck_space_kind CHECK (kind in ('standard', 'accessible', 'charging', 'large')),
        CONSTRAINT fk_space_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE TABLE device (
        id UUID NOT NULL,
        external_id TEXT NOT NULL,
        vendor TEXT NOT NULL,
        model TEXT NOT NULL,
        firmware_line TEXT NOT NULL,
        source TEXT NOT NULL,
        dev_eui TEXT,
        facility_id UUID NOT NULL,
        space_id UUID,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_device PRIMARY KEY (id),
        CONSTRAINT fk_device_space_of_same_facility FOREIGN KEY(facility_id, space_id)
            REFERENCES space (facility_id, id),
        CONSTRAINT ck_device_dev_eui CHECK (dev_eui is null or dev_eui ~ '^[0-9a-f]{16}$'),
        CONSTRAINT uq_device_external_id UNIQUE (external_id),
        CONSTRAINT uq_device_dev_eui UNIQUE (dev_eui),
        CONSTRAINT fk_device_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE INDEX ix_device_space_id ON device (space_id)
    """,
    """
    CREATE INDEX ix_device_facility_id ON device (facility_id)
    """,
    """
    CREATE INDEX ix_facility_position ON facility USING gist (position)
    """,
]

DOWN = ["DROP TABLE device, space, zone, facility, outbox_message, operator, institution"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
