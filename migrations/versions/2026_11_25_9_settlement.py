"""Settlement, reconciliation, receipts and invoices."""

from __future__ import annotations

from alembic import op

revision = "20261125_9"
down_revision = "20261125_8"
branch_labels = None
depends_on = None

UP: list[str] = [
    """
    CREATE TABLE provider_book_line (
        provider TEXT NOT NULL,
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        amount BIGINT NOT NULL,
        fee BIGINT NOT NULL,
        at timestamptz NOT NULL,
        day DATE NOT NULL,
        payment_id TEXT DEFAULT '' NOT NULL,
        refund_id TEXT DEFAULT '' NOT NULL,
        dispute_id TEXT DEFAULT '' NOT NULL,
        cause_kind TEXT,
        cause_reference TEXT,
        read_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_provider_book_line PRIMARY KEY (provider, id)
    )
    """,
    "CREATE INDEX ix_provider_book_line_cause ON provider_book_line (cause_kind, cause_reference)",
    "CREATE INDEX ix_provider_book_line_day ON provider_book_line (provider, day)",
    """
    CREATE TABLE reconciliation_difference (
        id UUID NOT NULL,
        provider TEXT NOT NULL,
        day DATE NOT NULL,
        kind TEXT NOT NULL,
        cause_kind TEXT NOT NULL,
        cause_reference TEXT NOT NULL,
        here BIGINT NOT NULL,
        there BIGINT NOT NULL,
        found_at timestamptz NOT NULL,
        resolved_at timestamptz,
        resolved_by TEXT DEFAULT '' NOT NULL,
        note TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_reconciliation_difference PRIMARY KEY (id),
        CONSTRAINT ck_reconciliation_difference_kind CHECK (kind in ('missing_here',
            'missing_there', 'amount', 'timing', 'unknown_line')),
        CONSTRAINT ck_reconciliation_difference_resolved CHECK ((resolved_at is null) = (resolved_by
            = '')),
        CONSTRAINT uq_difference_once UNIQUE (provider, day, cause_kind, cause_reference)
    )
    """,
    """
    CREATE INDEX ix_reconciliation_difference_open ON reconciliation_difference (day) WHERE
        resolved_at is null
    """,
    """
    CREATE TABLE reconciliation_run (
        provider TEXT NOT NULL,
        day DATE NOT NULL,
        lines INTEGER NOT NULL,
        books BIGINT NOT NULL,
        ledger BIGINT NOT NULL,
        fees BIGINT NOT NULL,
        ran_at timestamptz NOT NULL,
        CONSTRAINT pk_reconciliation_run PRIMARY KEY (provider, day)
    )
    """,
    """
    CREATE TABLE settlement_progress (
        id SERIAL NOT NULL,
        booked_until timestamptz NOT NULL,
        CONSTRAINT pk_settlement_progress PRIMARY KEY (id),
        CONSTRAINT ck_settlement_progress_one CHECK (id = 1)
    )
    """,
    """
    CREATE TABLE receipt (
        id UUID NOT NULL,
        number TEXT NOT NULL,
        operator_id UUID NOT NULL,
        year INTEGER NOT NULL,
        serial INTEGER NOT NULL,
        payment_id UUID NOT NULL,
        token_hash BYTEA NOT NULL,
        amount BIGINT NOT NULL,
        method TEXT NOT NULL,
        paid_at timestamptz NOT NULL,
        parts JSONB NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_receipt PRIMARY KEY (id),
        CONSTRAINT ck_receipt_amount CHECK (amount > 0),
        CONSTRAINT uq_receipt_of_payment UNIQUE (payment_id, operator_id),
        CONSTRAINT uq_receipt_serial UNIQUE (operator_id, year, serial),
        CONSTRAINT uq_receipt_number UNIQUE (number),
        CONSTRAINT fk_receipt_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id),
        CONSTRAINT fk_receipt_payment_id FOREIGN KEY(payment_id) REFERENCES payment (id)
    )
    """,
    "CREATE INDEX ix_receipt_token_hash ON receipt (token_hash)",
    """
    CREATE TABLE receipt_counter (
        operator_id UUID NOT NULL,
        year INTEGER NOT NULL,
        last INTEGER NOT NULL,
        CONSTRAINT pk_receipt_counter PRIMARY KEY (operator_id, year),
        CONSTRAINT fk_receipt_counter_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id)
    )
    """,
    """
    CREATE TABLE settlement_statement (
        id UUID NOT NULL,
        number TEXT NOT NULL,
        operator_id UUID NOT NULL,
        first_day DATE NOT NULL,
        until DATE NOT NULL,
        lines JSONB NOT NULL,
        charged BIGINT NOT NULL,
        electronic BIGINT NOT NULL,
        cash BIGINT NOT NULL,
        refunded BIGINT NOT NULL,
        charged_back BIGINT NOT NULL,
        fees BIGINT NOT NULL,
        commission BIGINT NOT NULL,
        net BIGINT NOT NULL,
        carried_in BIGINT NOT NULL,
        payout BIGINT NOT NULL,
        carried_out BIGINT NOT NULL,
        closed_at timestamptz NOT NULL,
        closed_by UUID,
        transferred_at timestamptz,
        transfer_reference TEXT DEFAULT '' NOT NULL,
        transferred_by UUID,
        CONSTRAINT pk_settlement_statement PRIMARY KEY (id),
        CONSTRAINT ck_settlement_statement_sides CHECK (payout >= 0 and carried_out <= 0 and
            carried_in <= 0),
        CONSTRAINT ck_settlement_statement_sum CHECK (net + carried_in = payout + carried_out),
        CONSTRAINT ck_settlement_statement_transferred CHECK ((transferred_at is null) =
            (transfer_reference = '')),
        CONSTRAINT uq_settlement_statement_until UNIQUE (operator_id, until),
        CONSTRAINT uq_settlement_statement_number UNIQUE (number),
        CONSTRAINT fk_settlement_statement_operator_id FOREIGN KEY(operator_id) REFERENCES operator
            (id)
    )
    """,
    """
    CREATE TABLE settlement_item (
        movement_id UUID NOT NULL,
        charge_id UUID NOT NULL,
        operator_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        day DATE NOT NULL,
        kind TEXT NOT NULL,
        method TEXT DEFAULT '' NOT NULL,
        provider TEXT DEFAULT '' NOT NULL,
        amount BIGINT NOT NULL,
        commission_bp INTEGER NOT NULL,
        statement_id UUID,
        CONSTRAINT pk_settlement_item PRIMARY KEY (movement_id, charge_id),
        CONSTRAINT ck_settlement_item_kind CHECK (kind in ('charged', 'paid', 'refunded',
            'charged_back', 'fee')),
        CONSTRAINT fk_settlement_item_movement_id FOREIGN KEY(movement_id) REFERENCES
            ledger_movement (id),
        CONSTRAINT fk_settlement_item_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id),
        CONSTRAINT fk_settlement_item_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id),
        CONSTRAINT fk_settlement_item_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_settlement_item_statement_id FOREIGN KEY(statement_id) REFERENCES
            settlement_statement (id)
    )
    """,
    """
    CREATE INDEX ix_settlement_item_open ON settlement_item (operator_id, day) WHERE statement_id is
        null
    """,
    "CREATE INDEX ix_settlement_item_statement_id ON settlement_item (statement_id)",
    """
    CREATE TABLE invoice (
        id UUID NOT NULL,
        receipt_id UUID NOT NULL,
        red_of UUID,
        refund_id UUID,
        amount BIGINT NOT NULL,
        details_sealed BYTEA NOT NULL,
        language TEXT NOT NULL,
        state TEXT NOT NULL,
        number TEXT DEFAULT '' NOT NULL,
        url TEXT DEFAULT '' NOT NULL,
        failure TEXT DEFAULT '' NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        try_again_at timestamptz,
        asked_at timestamptz NOT NULL,
        answered_at timestamptz,
        CONSTRAINT pk_invoice PRIMARY KEY (id),
        CONSTRAINT ck_invoice_state CHECK (state in ('requested', 'issued', 'failed', 'reversed')),
        CONSTRAINT ck_invoice_amount CHECK (amount > 0),
        CONSTRAINT ck_invoice_red CHECK ((red_of is null) or (refund_id is not null)),
        CONSTRAINT ck_invoice_number CHECK ((state in ('issued', 'reversed')) = (number <> '')),
        CONSTRAINT uq_invoice_red_of_refund UNIQUE (refund_id),
        CONSTRAINT fk_invoice_receipt_id FOREIGN KEY(receipt_id) REFERENCES receipt (id),
        CONSTRAINT fk_invoice_red_of FOREIGN KEY(red_of) REFERENCES invoice (id),
        CONSTRAINT fk_invoice_refund_id FOREIGN KEY(refund_id) REFERENCES refund (id)
    )
    """,
    "CREATE INDEX ix_invoice_red_of ON invoice (red_of)",
    "CREATE INDEX ix_invoice_try_again ON invoice (try_again_at) WHERE state = 'requested'",
    """
    CREATE UNIQUE INDEX uq_invoice_of_receipt ON invoice (receipt_id) WHERE red_of is null and state
        in ('requested', 'issued', 'reversed')
    """,
    """
    CREATE FUNCTION settlement_is_closed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'settlement_item' THEN
            IF OLD.statement_id IS NULL AND to_jsonb(NEW) - 'statement_id' = to_jsonb(OLD) - 'statement_id'
            THEN
                RETURN NEW;
            END IF;
        ELSIF TG_OP = 'UPDATE' THEN
            IF OLD.transferred_at IS NULL AND
                to_jsonb(NEW) - '{transferred_at,transfer_reference,transferred_by}'::text[] =
                to_jsonb(OLD) - '{transferred_at,transfer_reference,transferred_by}'::text[]
            THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'what is settled is never changed or removed';
    END $$
    """,
    """
    CREATE TRIGGER settlement_is_closed BEFORE UPDATE OR DELETE ON settlement_statement
    FOR EACH ROW EXECUTE FUNCTION settlement_is_closed()
    """,
    """
    CREATE TRIGGER settlement_is_closed BEFORE UPDATE OR DELETE ON settlement_item
    FOR EACH ROW EXECUTE FUNCTION settlement_is_closed()
    """,
    """
    CREATE FUNCTION receipt_stands() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'receipts are never changed or removed';
    END $$
    """,
    """
    CREATE TRIGGER receipt_stands BEFORE UPDATE OR DELETE ON receipt
    FOR EACH ROW EXECUTE FUNCTION receipt_stands()
    """,
]

DOWN: list[str] = [
    """
    DROP TABLE invoice, settlement_item, settlement_statement, receipt_counter, receipt,
    settlement_progress, reconciliation_run, reconciliation_difference, provider_book_line
    """,
    "DROP FUNCTION settlement_is_closed",
    "DROP FUNCTION receipt_stands",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
