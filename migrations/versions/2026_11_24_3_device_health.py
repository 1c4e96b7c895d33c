"""Device health: faults, findings, checks, and how sure each facility's numbers are."""

from __future__ import annotations

from alembic import op

revision = "20261124_3"
down_revision = "20261124_2"
branch_labels = None
depends_on = None

_FACILITY_NOW = """
    CREATE {replace} VIEW facility_now AS
    SELECT f.id, f.code, f.name, f.name_en, f.kind, f.counting, f.district, f.address, f.capacity,
        f.shared_spaces, f.synthetic, f.position,
        st_y(f.position::geometry) AS lat, st_x(f.position::geometry) AS lon,
        coalesce(s.occupied_spaces, 0) AS occupied_spaces, coalesce(s.free_spaces, 0) AS free_spaces,
        s.spaces_observed_at, s.reported_free, s.reported_at, s.counted_free, s.counted_at{more}
    FROM facility f LEFT JOIN facility_state s ON s.facility_id = f.id
"""

UP = [
    # The registry's own face for those who ask about all devices at once; nobody else reads its tables.
    """
    CREATE VIEW device_watch AS
    SELECT d.id AS device_id, d.facility_id, d.space_id, s.zone_id, d.created_at,
        make_interval(secs => coalesce(p.keep_alive_s, 86400)) AS keep_alive,
        p.battery_full_v, p.battery_empty_v
    FROM device d
        LEFT JOIN space s ON s.id = d.space_id
        LEFT JOIN device_profile p ON p.vendor = d.vendor AND p.model = d.model
            AND p.firmware_line = d.firmware_line
    """,
    """
    ALTER TABLE facility_state
        ADD COLUMN known_spaces INTEGER,
        ADD COLUMN certain_spaces float8,
        ADD COLUMN certain_at timestamptz
    """,
    _FACILITY_NOW.format(replace="OR REPLACE", more=", s.known_spaces, s.certain_spaces, s.certain_at"),
    """
    CREATE TABLE device_accuracy (
        device_id UUID NOT NULL,
        agreed INTEGER NOT NULL,
        disagreed INTEGER NOT NULL,
        doubted BOOLEAN NOT NULL,
        CONSTRAINT pk_device_accuracy PRIMARY KEY (device_id),
        CONSTRAINT ck_device_accuracy_counts CHECK (agreed >= 0 and disagreed >= 0),
        CONSTRAINT fk_device_accuracy_device_id FOREIGN KEY(device_id) REFERENCES device (id)
    )
    """,
    """
    CREATE TABLE battery_day (
        device_id UUID NOT NULL,
        day DATE NOT NULL,
        lowest_v float8 NOT NULL,
        CONSTRAINT pk_battery_day PRIMARY KEY (device_id, day)
    )
    """,
    """
    CREATE TABLE device_fault (
        id UUID NOT NULL,
        device_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        condition TEXT NOT NULL,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        evidence JSONB NOT NULL,
        CONSTRAINT pk_device_fault PRIMARY KEY (id),
        CONSTRAINT ck_device_fault_condition CHECK
            (condition in ('silent', 'stuck', 'flapping', 'battery_low', 'drifted')),
        CONSTRAINT fk_device_fault_device_id FOREIGN KEY(device_id) REFERENCES device (id),
        CONSTRAINT fk_device_fault_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE UNIQUE INDEX uq_device_fault_open ON device_fault (device_id, condition) WHERE closed_at IS NULL
    """,
    "CREATE INDEX ix_device_fault_facility_id ON device_fault (facility_id, id)",
    """
    CREATE TABLE sensor_check (
        id UUID NOT NULL,
        device_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        outcome TEXT,
        note TEXT NOT NULL,
        CONSTRAINT pk_sensor_check PRIMARY KEY (id),
        CONSTRAINT ck_sensor_check_outcome CHECK
            (outcome in ('sensor_wrong', 'person_wrong', 'moved_meanwhile', 'replaced')),
        CONSTRAINT ck_sensor_check_closed CHECK ((closed_at is null) = (outcome is null)),
        CONSTRAINT fk_sensor_check_device_id FOREIGN KEY(device_id) REFERENCES device (id),
        CONSTRAINT fk_sensor_check_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE UNIQUE INDEX uq_sensor_check_open ON sensor_check (device_id) WHERE closed_at IS NULL",
    "CREATE INDEX ix_sensor_check_facility_id ON sensor_check (facility_id, id)",
    "CREATE INDEX ix_sensor_check_device_id ON sensor_check (device_id)",
    """
    CREATE TABLE finding (
        id UUID NOT NULL,
        space_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        device_id UUID,
        occupied BOOLEAN NOT NULL,
        found_at timestamptz NOT NULL,
        stated_at timestamptz NOT NULL,
        found_by UUID NOT NULL,
        note TEXT NOT NULL,
        sensor_said BOOLEAN,
        sensor_said_at timestamptz,
        agrees BOOLEAN,
        check_id UUID,
        CONSTRAINT pk_finding PRIMARY KEY (id),
        CONSTRAINT ck_finding_compared CHECK ((agrees is null) = (sensor_said is null)
            and (sensor_said is null) = (sensor_said_at is null)
            and (sensor_said is null or device_id is not null)),
        CONSTRAINT ck_finding_checked CHECK ((check_id is not null) = (agrees is not null and not agrees)),
        CONSTRAINT fk_finding_space_id FOREIGN KEY(space_id) REFERENCES space (id),
        CONSTRAINT fk_finding_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_finding_device_id FOREIGN KEY(device_id) REFERENCES device (id),
        CONSTRAINT fk_finding_check_id FOREIGN KEY(check_id) REFERENCES sensor_check (id)
    )
    """,
    "CREATE INDEX ix_finding_device_id ON finding (device_id, found_at)",
    "CREATE INDEX ix_finding_check_id ON finding (check_id)",
]

DOWN = [
    "DROP TABLE finding, sensor_check, device_fault, battery_day, device_accuracy",
    "DROP VIEW facility_now",
    _FACILITY_NOW.format(replace="", more=""),
    """
    ALTER TABLE facility_state
        DROP COLUMN known_spaces, DROP COLUMN certain_spaces, DROP COLUMN certain_at
    """,
    "DROP VIEW device_watch",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
