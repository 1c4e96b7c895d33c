"""Sharing windows and bookings."""

from __future__ import annotations

from alembic import op

revision = "20261126_2"
down_revision = "20261126_1"
branch_labels = None
depends_on = None

UP: list[str] = []

DOWN: list[str] = []


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
