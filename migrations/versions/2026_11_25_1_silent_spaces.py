"""Spaces that fell silent are unknown"""

from __future__ import annotations

revision = "20261125_1"
down_revision = "20261124_3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
