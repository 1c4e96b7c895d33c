"""Spaces that fell silent are unknown"""

from __future__ import annotations

from alembic import op

revision = "20261125_1"
down_revision = "20261124_3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE space_state ADD COLUMN silent BOOLEAN NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE space_state DROP COLUMN silent")
