"""Charges, payments, refunds, and what providers told of them."""

from __future__ import annotations

from alembic import op

revision = "20261125_7"
down_revision = "20261125_6"
branch_labels = None
depends_on = None

UP: list[str] = [
    """
    CREATE TABLE charge (
        id UUID NOT NULL,
        kind TEXT NOT NULL,
        stay_id UUID,
        facility_id UUID NOT NULL,
        operator_id UUID NOT NULL,
        plate_hash BYTEA,
        state TEXT NOT NULL,
        amount BIGINT NOT NULL,
        paid BIGINT DEFAULT '0' NOT NULL,
        assessments INTEGER DEFAULT '0' NOT NULL,
        final_at timestamptz,
        disputed_at timestamptz,
        created_at timestamptz DEFAULT now() NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_charge PRIMARY KEY (id),
        CONSTRAINT ck_charge_kind CHECK (kind in ('stay', 'permit')),
        CONSTRAINT ck_charge_state CHECK (state in ('open', 'held', 'due', 'settled', 'void')),
        CONSTRAINT ck_charge_stay CHECK ((kind = 'stay') = (stay_id is not null)),
        CONSTRAINT ck_charge_amounts CHECK (amount >= 0),
        CONSTRAINT ck_charge_settled CHECK (state <> 'settled' or paid = amount),
        CONSTRAINT ck_charge_due CHECK (state <> 'due' or paid < amount),
        CONSTRAINT ck_charge_void CHECK (state <> 'void' or amount = 0),
        CONSTRAINT ck_charge_final CHECK ((state in ('due', 'settled')) <= (final_at is not
            null)),
        CONSTRAINT uq_charge_stay_id UNIQUE (stay_id),
        CONSTRAINT fk_charge_stay_id FOREIGN KEY(stay_id) REFERENCES stay (id),
        CONSTRAINT fk_charge_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_charge_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id)
    )
    """,
    "CREATE INDEX ix_charge_due ON charge (operator_id, final_at) WHERE state = 'due'",
    "CREATE INDEX ix_charge_facility_id ON charge (facility_id, created_at)",
    "CREATE INDEX ix_charge_plate_history ON charge (plate_hash, id)",
    "CREATE INDEX ix_charge_final_at ON charge (final_at) WHERE final_at is not null",
    "CREATE INDEX ix_charge_held ON charge (operator_id) WHERE state = 'held'",
    "CREATE INDEX ix_charge_plate_hash ON charge (plate_hash) WHERE state in ('open', 'due')",
    """
    CREATE TABLE charge_assessment (
        charge_id UUID NOT NULL,
        number INTEGER NOT NULL,
        at timestamptz NOT NULL,
        amount BIGINT NOT NULL,
        why TEXT NOT NULL,
        until timestamptz,
        stay_version INTEGER,
        tariff_version_id UUID,
        lines JSONB NOT NULL,
        CONSTRAINT pk_charge_assessment PRIMARY KEY (charge_id, number),
        CONSTRAINT ck_charge_assessment_amount CHECK (amount >= 0),
        CONSTRAINT fk_charge_assessment_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id)
    )
    """,
    """
    CREATE TABLE payment (
        id UUID NOT NULL,
        provider TEXT NOT NULL,
        provider_id TEXT,
        method TEXT NOT NULL,
        via TEXT NOT NULL,
        amount BIGINT NOT NULL,
        state TEXT NOT NULL,
        failure TEXT DEFAULT '' NOT NULL,
        action JSONB,
        offer_hash BYTEA,
        saved_method TEXT DEFAULT '' NOT NULL,
        payer_id UUID,
        return_url TEXT DEFAULT '' NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        look_again_at timestamptz,
        first_asked_at timestamptz,
        created_at timestamptz NOT NULL,
        succeeded_at timestamptz,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_payment PRIMARY KEY (id),
        CONSTRAINT ck_payment_method CHECK (method in ('card', 'alipay', 'wechat_pay', 'cash')),
        CONSTRAINT ck_payment_state CHECK (state in ('created', 'pending', 'succeeded',
            'failed', 'cancelled')),
        CONSTRAINT ck_payment_via CHECK (via in ('scan', 'plate', 'app', 'mandate',
            'attendant')),
        CONSTRAINT ck_payment_amount CHECK (amount > 0),
        CONSTRAINT ck_payment_succeeded CHECK ((state = 'succeeded') = (succeeded_at is not
            null)),
        CONSTRAINT uq_payment_provider UNIQUE (provider, provider_id),
        CONSTRAINT uq_payment_offer_hash UNIQUE (offer_hash)
    )
    """,
    "CREATE INDEX ix_payment_look_again ON payment (look_again_at) WHERE look_again_at is not null",
    "CREATE INDEX ix_payment_succeeded_at ON payment (succeeded_at)",
    """
    CREATE TABLE payment_part (
        payment_id UUID NOT NULL,
        charge_id UUID NOT NULL,
        amount BIGINT NOT NULL,
        live BOOLEAN NOT NULL,
        disowned BOOLEAN DEFAULT 'false' NOT NULL,
        CONSTRAINT pk_payment_part PRIMARY KEY (payment_id, charge_id),
        CONSTRAINT ck_payment_part_amount CHECK (amount > 0),
        CONSTRAINT fk_payment_part_payment_id FOREIGN KEY(payment_id) REFERENCES payment (id),
        CONSTRAINT fk_payment_part_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id)
    )
    """,
    "CREATE INDEX ix_payment_part_charge_id ON payment_part (charge_id)",
    "CREATE UNIQUE INDEX uq_payment_part_live ON payment_part (charge_id) WHERE live",
    """
    CREATE TABLE refund (
        id UUID NOT NULL,
        payment_id UUID NOT NULL,
        charge_id UUID NOT NULL,
        amount BIGINT NOT NULL,
        why TEXT NOT NULL,
        state TEXT NOT NULL,
        provider_id TEXT,
        failure TEXT DEFAULT '' NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        refusals INTEGER DEFAULT '0' NOT NULL,
        try_again_at timestamptz,
        created_at timestamptz NOT NULL,
        done_at timestamptz,
        CONSTRAINT pk_refund PRIMARY KEY (id),
        CONSTRAINT ck_refund_state CHECK (state in ('due', 'sent', 'done', 'failed',
            'replaced')),
        CONSTRAINT ck_refund_amount CHECK (amount > 0),
        CONSTRAINT ck_refund_done CHECK ((state = 'done') = (done_at is not null)),
        CONSTRAINT uq_refund_provider_id UNIQUE (provider_id),
        CONSTRAINT fk_refund_payment_id FOREIGN KEY(payment_id) REFERENCES payment (id),
        CONSTRAINT fk_refund_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id)
    )
    """,
    "CREATE INDEX ix_refund_charge_id ON refund (charge_id)",
    "CREATE INDEX ix_refund_created_at ON refund (created_at)",
    "CREATE INDEX ix_refund_by_hand ON refund (id) WHERE state in ('failed', 'due')",
    "CREATE INDEX ix_refund_payment_id ON refund (payment_id)",
    "CREATE INDEX ix_refund_try_again ON refund (try_again_at) WHERE try_again_at is not null",
    """
    CREATE TABLE provider_news (
        provider TEXT NOT NULL,
        event_id TEXT NOT NULL,
        type TEXT NOT NULL,
        concerns TEXT NOT NULL,
        reference TEXT NOT NULL,
        occurred_at timestamptz NOT NULL,
        received_at timestamptz DEFAULT now() NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        look_again_at timestamptz,
        CONSTRAINT pk_provider_news PRIMARY KEY (provider, event_id),
        CONSTRAINT ck_provider_news_concerns CHECK (concerns in ('payment', 'refund', 'dispute',
            'saving'))
    )
    """,
    """
    CREATE INDEX ix_provider_news_look_again ON provider_news (look_again_at)
        WHERE look_again_at is not null
    """,
    """
    CREATE TABLE chargeback (
        id UUID NOT NULL,
        provider TEXT NOT NULL,
        provider_id TEXT NOT NULL,
        payment_id UUID NOT NULL,
        amount BIGINT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT DEFAULT '' NOT NULL,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        CONSTRAINT pk_chargeback PRIMARY KEY (id),
        CONSTRAINT ck_chargeback_state CHECK (state in ('open', 'won', 'lost')),
        CONSTRAINT ck_chargeback_amount CHECK (amount > 0),
        CONSTRAINT ck_chargeback_closed CHECK ((state = 'open') = (closed_at is null)),
        CONSTRAINT uq_chargeback_provider UNIQUE (provider, provider_id),
        CONSTRAINT fk_chargeback_payment_id FOREIGN KEY(payment_id) REFERENCES payment (id)
    )
    """,
    """
    CREATE TABLE stay_to_assess (
        stay_id UUID NOT NULL,
        try_again_at timestamptz NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        failure TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_stay_to_assess PRIMARY KEY (stay_id),
        CONSTRAINT fk_stay_to_assess_stay_id FOREIGN KEY(stay_id) REFERENCES stay (id)
    )
    """,
    "CREATE INDEX ix_stay_to_assess_try_again_at ON stay_to_assess (try_again_at)",
    """
    CREATE TABLE facility_payment_policy (
        facility_id UUID NOT NULL,
        version INTEGER NOT NULL,
        pay_later BOOLEAN NOT NULL,
        pay_later_limit BIGINT NOT NULL,
        let_out_when_away BOOLEAN NOT NULL,
        commission_bp INTEGER DEFAULT '0' NOT NULL,
        changed_at timestamptz NOT NULL,
        CONSTRAINT pk_facility_payment_policy PRIMARY KEY (facility_id),
        CONSTRAINT ck_facility_payment_policy_pay_later_limit CHECK (pay_later_limit >= 0),
        CONSTRAINT ck_facility_payment_policy_commission_bp CHECK (commission_bp between 0 and
            10000),
        CONSTRAINT fk_facility_payment_policy_facility_id FOREIGN KEY(facility_id) REFERENCES
            facility (id)
    )
    """,
    """
    CREATE TABLE exit_rules_told (
        facility_id UUID NOT NULL,
        lane TEXT NOT NULL,
        version TEXT NOT NULL,
        acknowledged_at timestamptz NOT NULL,
        CONSTRAINT pk_exit_rules_told PRIMARY KEY (facility_id, lane),
        CONSTRAINT fk_exit_rules_told_facility_id FOREIGN KEY(facility_id) REFERENCES facility
            (id)
    )
    """,
    """
    CREATE TABLE idempotent_answer (
        caller TEXT NOT NULL,
        route TEXT NOT NULL,
        key TEXT NOT NULL,
        body_hash BYTEA NOT NULL,
        answer BYTEA,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_idempotent_answer PRIMARY KEY (caller, route, key)
    )
    """,
    "CREATE INDEX ix_idempotent_answer_created_at ON idempotent_answer (created_at)",
    """
    CREATE FUNCTION payment_is_its_parts() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT sum(amount) FROM payment_part WHERE payment_id = NEW.id) IS DISTINCT FROM NEW.amount THEN
            RAISE EXCEPTION 'payment % is not the sum of its parts', NEW.id
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER payment_is_its_parts AFTER INSERT ON payment
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payment_is_its_parts()
    """,
    """
    CREATE FUNCTION refund_within_its_part() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        part BIGINT;
        refunded BIGINT;
    BEGIN
        SELECT p.amount INTO part FROM payment_part p JOIN payment y ON y.id = p.payment_id
        WHERE p.payment_id = NEW.payment_id AND p.charge_id = NEW.charge_id AND y.state = 'succeeded'
        FOR UPDATE OF p;
        SELECT coalesce(sum(amount), 0) INTO refunded FROM refund
        WHERE payment_id = NEW.payment_id AND charge_id = NEW.charge_id AND state <> 'replaced';
        IF part IS NULL OR refunded + NEW.amount > part THEN
            RAISE EXCEPTION 'a refund of % is more than was paid: % of % are refunded already', NEW.amount,
                refunded, part USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER refund_within_its_part BEFORE INSERT ON refund
    FOR EACH ROW EXECUTE FUNCTION refund_within_its_part()
    """,
    """
    CREATE FUNCTION money_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of %: amounts are not changed and rows are not removed', TG_OP, TG_TABLE_NAME;
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER {table}_stays BEFORE DELETE OR UPDATE OF amount ON {table}
        FOR EACH ROW EXECUTE FUNCTION money_stays()
        """
        for table in ("payment", "payment_part", "refund", "chargeback")
    ),
    """
    CREATE TRIGGER charge_assessment_stays BEFORE DELETE OR UPDATE ON charge_assessment
    FOR EACH ROW EXECUTE FUNCTION money_stays()
    """,
    """
    CREATE TABLE pay_place (
        code TEXT NOT NULL,
        facility_id UUID NOT NULL,
        lane TEXT DEFAULT '' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        ended_at timestamptz,
        CONSTRAINT pk_pay_place PRIMARY KEY (code),
        CONSTRAINT ck_pay_place_code CHECK (code ~ '^[a-z2-9]{12}$'),
        CONSTRAINT fk_pay_place_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE UNIQUE INDEX uq_pay_place_in_use ON pay_place (facility_id, lane) WHERE ended_at is null",
]

DOWN: list[str] = [
    "DROP TABLE pay_place",
    "DROP TABLE idempotent_answer, exit_rules_told, facility_payment_policy, stay_to_assess",
    "DROP TABLE chargeback, provider_news, refund, payment_part, payment, charge_assessment, charge",
    "DROP FUNCTION payment_is_its_parts, refund_within_its_part, money_stays",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
