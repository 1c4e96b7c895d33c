"""What is heard of gates, and batteries that only say they are low"""

from __future__ import annotations

revision = "20261125_3"
down_revision = "20261125_2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
