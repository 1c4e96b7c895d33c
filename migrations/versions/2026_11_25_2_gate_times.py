"""The senders' own times, and corrections of sightings"""

from __future__ import annotations

revision = "20261125_2"
down_revision = "20261125_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
