"""What is heard of gates, batteries that only say they are low, and how often each source speaks."""

from __future__ import annotations

from alembic import op

revision = "20261125_3"
down_revision = "20261125_2"
branch_labels = None
depends_on = None

UP = [
    """
    CREATE TABLE device_heard (
        device_id UUID NOT NULL,
        heard_at timestamptz NOT NULL,
        passage_at timestamptz,
        CONSTRAINT pk_device_heard PRIMARY KEY (device_id),
        CONSTRAINT ck_device_heard_passage CHECK (passage_at <= heard_at),
        CONSTRAINT fk_device_heard_device_id FOREIGN KEY(device_id) REFERENCES device (id)
    ) WITH (fillfactor = 70)
    """,
    """
    INSERT INTO device_heard (device_id, heard_at, passage_at)
    SELECT device_id, max(at), max(at) FILTER (WHERE passage) FROM (
        SELECT device_id, occurred_at AS at, true AS passage FROM gate_event
        UNION ALL SELECT device_id, seen_at, false FROM sighting WHERE device_id IS NOT NULL
    ) said GROUP BY device_id
    """,
    """
    CREATE TABLE battery_flag (
        device_id UUID NOT NULL,
        at timestamptz NOT NULL,
        low BOOLEAN NOT NULL,
        CONSTRAINT pk_battery_flag PRIMARY KEY (device_id),
        CONSTRAINT fk_battery_flag_device_id FOREIGN KEY(device_id) REFERENCES device (id)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE source_watch (
        source TEXT NOT NULL,
        heard_at timestamptz,
        usual_s float8,
        watched_s float8 NOT NULL,
        duty_s INTEGER,
        duty_since timestamptz,
        late_since timestamptz,
        CONSTRAINT pk_source_watch PRIMARY KEY (source),
        CONSTRAINT ck_source_watch_duty CHECK (duty_s > 0 and (duty_s is null) = (duty_since is null)),
        CONSTRAINT ck_source_watch_rhythm CHECK (watched_s >= 0 and (usual_s is null or heard_at is not null))
    )
    """,
    "INSERT INTO source_watch (source, heard_at, watched_s) SELECT source, received_at, 0 FROM source_state",
    "CREATE INDEX ix_finding_wrong ON finding (device_id) WHERE not agrees",
]

DOWN = ["DROP INDEX ix_finding_wrong", "DROP TABLE source_watch, battery_flag, device_heard"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
