"""Truth from noise: one row a frame, hold-off per space, readings by their own time."""

from __future__ import annotations

from alembic import op

revision = "20261124_1"
down_revision = "20261123_3"
branch_labels = None
depends_on = None

UP = [
    """
    ALTER TABLE observation
        DROP CONSTRAINT pk_observation,
        ADD CONSTRAINT pk_observation PRIMARY KEY (id, observed_at),
        ADD COLUMN repeated_until timestamptz,
        ADD COLUMN running_count INTEGER,
        ADD COLUMN entered INTEGER,
        ADD COLUMN "left" INTEGER
    """,
    "DROP INDEX ix_observation_facility_id",
    """
    ALTER TABLE space_state
        ALTER COLUMN occupied DROP NOT NULL,
        ALTER COLUMN observed_at DROP NOT NULL,
        ALTER COLUMN observation_id DROP NOT NULL,
        ADD COLUMN changed_at timestamptz,
        ADD COLUMN opposite_at timestamptz,
        ADD COLUMN shown BOOLEAN,
        ADD COLUMN settles_at timestamptz,
        SET (fillfactor = 70)
    """,
    "UPDATE space_state SET changed_at = observed_at, shown = occupied",
    """
    ALTER TABLE space_state ADD CONSTRAINT ck_space_state_known
        CHECK ((occupied is null) = (observed_at is null) and (occupied is null) = (shown is null)
            and (settles_at is null) = (shown is not distinct from occupied))
    """,
    "CREATE INDEX ix_space_state_settles_at ON space_state (settles_at) WHERE settles_at IS NOT NULL",
    """
    ALTER TABLE device_state
        ADD COLUMN battery_at timestamptz,
        ADD COLUMN temperature_at timestamptz,
        SET (fillfactor = 70)
    """,
    """
    UPDATE device_state SET battery_at = CASE WHEN battery_v IS NOT NULL THEN observed_at END,
        temperature_at = CASE WHEN temperature_c IS NOT NULL THEN observed_at END
    """,
    """
    CREATE TABLE source_state (
        source TEXT NOT NULL,
        received_at timestamptz NOT NULL,
        skew_s float8 NOT NULL,
        ahead BIGINT NOT NULL,
        CONSTRAINT pk_source_state PRIMARY KEY (source)
    )
    """,
    """
    CREATE TABLE device_profile (
        vendor TEXT NOT NULL,
        model TEXT NOT NULL,
        firmware_line TEXT NOT NULL,
        hold_off_s INTEGER NOT NULL,
        keep_alive_s INTEGER NOT NULL,
        battery_full_v float8,
        battery_empty_v float8,
        CONSTRAINT pk_device_profile PRIMARY KEY (vendor, model, firmware_line),
        CONSTRAINT ck_device_profile_times CHECK (hold_off_s between 0 and 600 and keep_alive_s > 0),
        CONSTRAINT ck_device_profile_battery CHECK (battery_full_v > battery_empty_v)
    )
    """,
]

DOWN = [
    "DROP TABLE device_profile, source_state",
    "ALTER TABLE device_state DROP COLUMN battery_at, DROP COLUMN temperature_at, RESET (fillfactor)",
    "DELETE FROM space_state WHERE occupied IS NULL",
    """
    ALTER TABLE space_state
        DROP CONSTRAINT ck_space_state_known,
        DROP COLUMN changed_at, DROP COLUMN opposite_at, DROP COLUMN shown, DROP COLUMN settles_at,
        ALTER COLUMN occupied SET NOT NULL,
        ALTER COLUMN observed_at SET NOT NULL,
        ALTER COLUMN observation_id SET NOT NULL,
        RESET (fillfactor)
    """,
    "CREATE INDEX ix_observation_facility_id ON observation (facility_id, observed_at)",
    """
    ALTER TABLE observation
        DROP CONSTRAINT pk_observation,
        ADD CONSTRAINT pk_observation PRIMARY KEY (observed_at, id),
        DROP COLUMN repeated_until, DROP COLUMN running_count, DROP COLUMN entered, DROP COLUMN "left"
    """,
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
