"""Facts that guidance ranks by."""

from __future__ import annotations

from alembic import op

revision = "20261126_4"
down_revision = "20261126_3"
branch_labels = None
depends_on = None

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_SPAN = f"{_CLOCK}-({_CLOCK}|24:00)"
_OPENING = f"^$|^{_SPAN}$|^workday {_SPAN}; restday {_SPAN}$"

UP = [
    f"""
    ALTER TABLE facility
        ADD COLUMN accessible_spaces INTEGER DEFAULT 0 NOT NULL,
        ADD COLUMN charging_spaces INTEGER DEFAULT 0 NOT NULL,
        ADD COLUMN large_spaces INTEGER DEFAULT 0 NOT NULL,
        ADD COLUMN height_limit_cm INTEGER,
        ADD COLUMN opening_hours TEXT DEFAULT '' NOT NULL,
        ADD COLUMN entrance geography(POINT,4326),
        ADD CONSTRAINT ck_facility_height_limit_cm CHECK (height_limit_cm between 100 and 1000),
        ADD CONSTRAINT ck_facility_opening_hours CHECK (opening_hours ~ '{_OPENING}')
    """,
    """
    UPDATE facility f SET accessible_spaces = s.accessible, charging_spaces = s.charging,
        large_spaces = s.large
    FROM (
        SELECT facility_id, count(*) FILTER (WHERE kind = 'accessible') AS accessible,
            count(*) FILTER (WHERE kind = 'charging') AS charging,
            count(*) FILTER (WHERE kind = 'large') AS large
        FROM space GROUP BY facility_id
    ) s WHERE s.facility_id = f.id
    """,
]

DOWN = [
    """
    ALTER TABLE facility
        DROP COLUMN accessible_spaces, DROP COLUMN charging_spaces, DROP COLUMN large_spaces,
        DROP COLUMN height_limit_cm, DROP COLUMN opening_hours, DROP COLUMN entrance
    """,
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
