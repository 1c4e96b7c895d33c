"""Settlement, reconciliation, receipts and invoices."""

from __future__ import annotations

from alembic import op

revision = "20261125_9"
down_revision = "20261125_8"
branch_labels = None
depends_on = None

UP: list[str] = [
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
]

DOWN: list[str] = [
    "DROP TABLE invoice, receipt_counter, receipt",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
