"""The ledger, balanced by the database and only added to."""

from __future__ import annotations

from alembic import op

revision = "20261125_6"
down_revision = "20261125_5"
branch_labels = None
depends_on = None

UP: list[str] = [
    """
    CREATE TABLE ledger_account (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        kind TEXT NOT NULL,
        operator_id UUID,
        name TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_ledger_account PRIMARY KEY (id),
        CONSTRAINT ck_ledger_account_kind CHECK (kind in ('driver', 'operator', 'cash',
            'provider', 'refunds', 'fees', 'platform', 'payout')),
        CONSTRAINT uq_ledger_account_key UNIQUE NULLS NOT DISTINCT (kind, operator_id, name),
        CONSTRAINT fk_ledger_account_operator_id FOREIGN KEY(operator_id) REFERENCES operator
            (id)
    )
    """,
    """
    CREATE TABLE ledger_movement (
        id UUID NOT NULL,
        kind TEXT NOT NULL,
        reference TEXT NOT NULL,
        at timestamptz NOT NULL,
        booked_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_ledger_movement PRIMARY KEY (id),
        CONSTRAINT uq_ledger_movement_cause UNIQUE (kind, reference)
    )
    """,
    "CREATE INDEX ix_ledger_movement_at ON ledger_movement (at)",
    """
    CREATE TABLE ledger_entry (
        movement_id UUID NOT NULL,
        account_id BIGINT NOT NULL,
        amount BIGINT NOT NULL,
        CONSTRAINT pk_ledger_entry PRIMARY KEY (movement_id, account_id),
        CONSTRAINT ck_ledger_entry_amount CHECK (amount <> 0),
        CONSTRAINT fk_ledger_entry_movement_id FOREIGN KEY(movement_id) REFERENCES
            ledger_movement (id),
        CONSTRAINT fk_ledger_entry_account_id FOREIGN KEY(account_id) REFERENCES ledger_account
            (id)
    )
    """,
    "CREATE INDEX ix_ledger_entry_account_id ON ledger_entry (account_id) INCLUDE (amount)",
]

DOWN: list[str] = ["DROP TABLE ledger_entry, ledger_movement, ledger_account"]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
