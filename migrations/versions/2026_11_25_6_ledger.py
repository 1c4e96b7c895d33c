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
            'provider', 'bank', 'refunds', 'fees', 'platform', 'payout')),
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
    """
    CREATE FUNCTION ledger_balances(movement UUID) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        booked timestamptz;
        entries BIGINT;
        total NUMERIC;
    BEGIN
        SELECT booked_at INTO booked FROM ledger_movement WHERE id = movement;
        SELECT count(*), sum(amount) INTO entries, total FROM ledger_entry WHERE movement_id = movement;
        IF entries < 2 OR total <> 0 THEN
            RAISE EXCEPTION 'ledger movement % does not balance: % entries, sum %', movement, entries, total
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances';
        END IF;
        IF booked <> now() THEN
            RAISE EXCEPTION 'ledger movement % was booked before: nothing is added to it', movement
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances';
        END IF;
    END $$
    """,
    """
    CREATE FUNCTION ledger_movement_balances() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM ledger_balances(NEW.id);
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION ledger_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM ledger_balances(NEW.movement_id);
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_movement_balances AFTER INSERT ON ledger_movement
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_movement_balances()
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_entry_balances AFTER INSERT ON ledger_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_balances()
    """,
    """
    CREATE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the ledger is only added to: what was wrong is put right by another movement';
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION ledger_only_grows()
        """
        for table in ("ledger_account", "ledger_movement", "ledger_entry")
    ),
]

DOWN: list[str] = [
    "DROP TABLE ledger_entry, ledger_movement, ledger_account",
    "DROP FUNCTION ledger_movement_balances, ledger_entry_balances, ledger_balances, ledger_only_grows",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
