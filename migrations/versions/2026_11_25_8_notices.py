"""Notices, drivers' vehicles and mandates, arrears, permits bought."""

from __future__ import annotations

from alembic import op

revision = "20261125_8"
down_revision = "20261125_7"
branch_labels = None
depends_on = None

UP: list[str] = [
    """
    ALTER TABLE user_account DROP CONSTRAINT ck_user_account_operator,
        ADD CONSTRAINT ck_user_account_operator
            CHECK (operator_id is null or role in ('operator_staff', 'integration'))
    """,
    """
    ALTER TABLE payment ADD COLUMN scanned_facility_id UUID,
        ADD CONSTRAINT fk_payment_scanned_facility_id FOREIGN KEY (scanned_facility_id)
            REFERENCES facility (id)
    """,
    """
    CREATE TABLE facility_commission (
        facility_id UUID NOT NULL,
        since timestamptz NOT NULL,
        bp INTEGER NOT NULL,
        CONSTRAINT pk_facility_commission PRIMARY KEY (facility_id, since),
        CONSTRAINT ck_facility_commission_bp CHECK (bp between 0 and 10000),
        CONSTRAINT fk_facility_commission_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    INSERT INTO facility_commission (facility_id, since, bp)
    SELECT facility_id, '2000-01-01', commission_bp FROM facility_payment_policy
    """,
    """
    CREATE TABLE arrears_policy (
        id UUID NOT NULL,
        effective_from DATE NOT NULL,
        make_up_from_day INTEGER NOT NULL,
        nearly_overdue_from_day INTEGER NOT NULL,
        overdue_from_day INTEGER NOT NULL,
        reminders_needed INTEGER NOT NULL,
        answer_working_days INTEGER NOT NULL,
        status TEXT NOT NULL,
        legal_basis TEXT DEFAULT '' NOT NULL,
        source TEXT NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_arrears_policy PRIMARY KEY (id),
        CONSTRAINT ck_arrears_policy_days CHECK (0 < make_up_from_day and make_up_from_day <
            nearly_overdue_from_day and nearly_overdue_from_day < overdue_from_day),
        CONSTRAINT ck_arrears_policy_reminders CHECK (reminders_needed between 2 and 9),
        CONSTRAINT ck_arrears_policy_answer CHECK (answer_working_days between 1 and 60),
        CONSTRAINT ck_arrears_policy_status CHECK (status in ('confirmed', 'unconfirmed')),
        CONSTRAINT ck_arrears_policy_basis CHECK (status <> 'confirmed' or legal_basis <> ''),
        CONSTRAINT uq_arrears_policy_effective_from UNIQUE (effective_from)
    )
    """,
    """
    CREATE TABLE follow_up (
        kind TEXT NOT NULL,
        key UUID NOT NULL,
        try_again_at timestamptz DEFAULT now() NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        failure TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_follow_up PRIMARY KEY (kind, key)
    )
    """,
    "CREATE INDEX ix_follow_up_try_again_at ON follow_up (try_again_at)",
    """
    CREATE TABLE contact (
        user_id UUID NOT NULL,
        channel TEXT NOT NULL,
        sealed BYTEA NOT NULL,
        language TEXT NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_contact PRIMARY KEY (user_id, channel),
        CONSTRAINT ck_contact_channel CHECK (channel in ('sms', 'mail')),
        CONSTRAINT fk_contact_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    """
    CREATE TABLE mandate (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        provider TEXT NOT NULL,
        method TEXT NOT NULL,
        state TEXT NOT NULL,
        ceiling_stay BIGINT NOT NULL,
        ceiling_day BIGINT NOT NULL,
        saving_id TEXT DEFAULT '' NOT NULL,
        saved_method TEXT DEFAULT '' NOT NULL,
        action JSONB,
        return_url TEXT DEFAULT '' NOT NULL,
        failure TEXT DEFAULT '' NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        look_again_at timestamptz,
        asked_at timestamptz NOT NULL,
        active_from timestamptz,
        changed_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_mandate PRIMARY KEY (id),
        CONSTRAINT ck_mandate_state CHECK (state in ('asked', 'active', 'paused', 'stopped',
            'failed')),
        CONSTRAINT ck_mandate_ceiling_stay CHECK (ceiling_stay between 1 and 20000),
        CONSTRAINT ck_mandate_ceiling_day CHECK (ceiling_day between ceiling_stay and 50000),
        CONSTRAINT ck_mandate_method CHECK (state not in ('active', 'paused') or (saved_method <> ''
            and active_from is not null)),
        CONSTRAINT fk_mandate_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    "CREATE INDEX ix_mandate_look_again ON mandate (look_again_at) WHERE look_again_at is not null",
    """
    CREATE UNIQUE INDEX uq_mandate_of_driver ON mandate (user_id) WHERE state in ('asked', 'active',
        'paused')
    """,
    """
    CREATE TABLE notice (
        id UUID NOT NULL,
        dedupe_key TEXT NOT NULL,
        kind TEXT NOT NULL,
        user_id UUID,
        plate_hash BYTEA,
        about_at timestamptz,
        channel TEXT NOT NULL,
        address_sealed BYTEA,
        language TEXT NOT NULL,
        texts JSONB NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        try_again_at timestamptz,
        failure TEXT DEFAULT '' NOT NULL,
        carrier_id TEXT DEFAULT '' NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        sent_at timestamptz,
        read_at timestamptz,
        CONSTRAINT pk_notice PRIMARY KEY (id),
        CONSTRAINT ck_notice_channel CHECK (channel in ('in_app', 'sms', 'mail')),
        CONSTRAINT ck_notice_state CHECK (state in ('queued', 'sent', 'failed', 'read')),
        CONSTRAINT ck_notice_address CHECK ((channel = 'in_app') = (address_sealed is null)),
        CONSTRAINT ck_notice_reader CHECK (user_id is not null or plate_hash is not null or
            address_sealed is not null),
        CONSTRAINT ck_notice_about CHECK (plate_hash is null or about_at is not null),
        CONSTRAINT ck_notice_sent CHECK (state not in ('sent', 'read') or sent_at is not null),
        CONSTRAINT ck_notice_read CHECK ((state = 'read') = (read_at is not null)),
        CONSTRAINT uq_notice_once UNIQUE (dedupe_key, channel),
        CONSTRAINT fk_notice_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    "CREATE INDEX ix_notice_plate_hash ON notice (plate_hash) WHERE user_id is null",
    """
    CREATE INDEX ix_notice_try_again ON notice (try_again_at) WHERE state = 'queued' and channel <>
        'in_app'
    """,
    "CREATE INDEX ix_notice_user_id ON notice (user_id, id) WHERE channel = 'in_app'",
    """
    CREATE TABLE vehicle_binding (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA NOT NULL,
        state TEXT NOT NULL,
        asked_at timestamptz NOT NULL,
        decided_at timestamptz,
        decided_by UUID,
        since timestamptz,
        ended_at timestamptz,
        reason TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_vehicle_binding PRIMARY KEY (id),
        CONSTRAINT ck_vehicle_binding_state CHECK (state in ('pending', 'verified', 'refused',
            'ended')),
        CONSTRAINT ck_vehicle_binding_since CHECK ((state in ('verified', 'ended')) <= (since is not
            null)),
        CONSTRAINT ck_vehicle_binding_ended CHECK ((state = 'ended') = (ended_at is not null)),
        CONSTRAINT fk_vehicle_binding_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    "CREATE INDEX ix_vehicle_binding_pending ON vehicle_binding (id) WHERE state = 'pending'",
    "CREATE INDEX ix_vehicle_binding_plate_hash ON vehicle_binding (plate_hash)",
    """
    CREATE UNIQUE INDEX uq_vehicle_binding_claim ON vehicle_binding (user_id, plate_hash) WHERE state
        in ('pending', 'verified')
    """,
    """
    CREATE UNIQUE INDEX uq_vehicle_binding_holder ON vehicle_binding (plate_hash) WHERE state =
        'verified'
    """,
    """
    CREATE TABLE permit_product (
        id UUID NOT NULL,
        facility_id UUID NOT NULL,
        operator_wide BOOLEAN DEFAULT 'false' NOT NULL,
        name JSONB NOT NULL,
        vehicle_class TEXT NOT NULL,
        months INTEGER NOT NULL,
        price BIGINT NOT NULL,
        refund TEXT NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        ended_at timestamptz,
        CONSTRAINT pk_permit_product PRIMARY KEY (id),
        CONSTRAINT ck_permit_product_months CHECK (months between 1 and 24),
        CONSTRAINT ck_permit_product_price CHECK (price > 0),
        CONSTRAINT ck_permit_product_refund CHECK (refund in ('none', 'by_day')),
        CONSTRAINT ck_permit_product_vehicle_class CHECK (vehicle_class in ('small', 'large',
            'new_energy', 'new_energy_large', 'motorcycle', 'exempt')),
        CONSTRAINT fk_permit_product_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_permit_product_facility_id ON permit_product (facility_id) WHERE ended_at is null",
    """
    CREATE TABLE arrears_case (
        charge_id UUID NOT NULL,
        round INTEGER DEFAULT '1' NOT NULL,
        operator_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        plate_hash BYTEA,
        policy_id UUID NOT NULL,
        owed BIGINT NOT NULL,
        began_at timestamptz NOT NULL,
        final_at timestamptz NOT NULL,
        counts_from timestamptz NOT NULL,
        stage TEXT NOT NULL,
        stage_since timestamptz NOT NULL,
        next_look_at timestamptz,
        closed_at timestamptz,
        closed_why TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_arrears_case PRIMARY KEY (charge_id),
        CONSTRAINT ck_arrears_case_stage CHECK (stage in ('payment_period', 'make_up',
            'nearly_overdue', 'overdue')),
        CONSTRAINT ck_arrears_case_closed CHECK ((closed_at is null) = (closed_why = '')),
        CONSTRAINT ck_arrears_case_owed CHECK (owed > 0),
        CONSTRAINT fk_arrears_case_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id),
        CONSTRAINT fk_arrears_case_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id),
        CONSTRAINT fk_arrears_case_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_arrears_case_policy_id FOREIGN KEY(policy_id) REFERENCES arrears_policy (id)
    )
    """,
    "CREATE INDEX ix_arrears_case_next_look ON arrears_case (next_look_at) WHERE closed_at is null",
    """
    CREATE INDEX ix_arrears_case_operator_id ON arrears_case (operator_id, stage, charge_id) WHERE
        closed_at is null
    """,
    """
    CREATE TABLE mandate_taking (
        charge_id UUID NOT NULL,
        assessment INTEGER NOT NULL,
        mandate_id UUID NOT NULL,
        verdict TEXT NOT NULL,
        payment_id UUID,
        at timestamptz NOT NULL,
        CONSTRAINT pk_mandate_taking PRIMARY KEY (charge_id, assessment),
        CONSTRAINT ck_mandate_taking_verdict CHECK (verdict in ('take', 'not_due', 'not_active',
            'earlier', 'unusual', 'above_stay', 'above_day')),
        CONSTRAINT ck_mandate_taking_payment CHECK ((verdict = 'take') = (payment_id is not null)),
        CONSTRAINT fk_mandate_taking_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id),
        CONSTRAINT fk_mandate_taking_mandate_id FOREIGN KEY(mandate_id) REFERENCES mandate (id),
        CONSTRAINT fk_mandate_taking_payment_id FOREIGN KEY(payment_id) REFERENCES payment (id)
    )
    """,
    """
    CREATE TABLE objection (
        id UUID NOT NULL,
        charge_id UUID NOT NULL,
        operator_id UUID NOT NULL,
        facility_id UUID NOT NULL,
        said_by UUID,
        grounds TEXT NOT NULL,
        state TEXT NOT NULL,
        opened_at timestamptz NOT NULL,
        answer_by DATE NOT NULL,
        escalated_at timestamptz,
        answered_at timestamptz,
        answered_by UUID,
        answer TEXT DEFAULT '' NOT NULL,
        lowered_to BIGINT,
        CONSTRAINT pk_objection PRIMARY KEY (id),
        CONSTRAINT ck_objection_state CHECK (state in ('open', 'upheld', 'rejected')),
        CONSTRAINT ck_objection_answered CHECK ((state = 'open') = (answered_at is null)),
        CONSTRAINT ck_objection_reason CHECK (state = 'open' or answer <> ''),
        CONSTRAINT fk_objection_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id),
        CONSTRAINT fk_objection_operator_id FOREIGN KEY(operator_id) REFERENCES operator (id),
        CONSTRAINT fk_objection_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_objection_charge_id ON objection (charge_id)",
    "CREATE INDEX ix_objection_operator_id ON objection (operator_id, id) WHERE state = 'open'",
    "CREATE UNIQUE INDEX uq_objection_open ON objection (charge_id) WHERE state = 'open'",
    """
    CREATE TABLE permit_purchase (
        id UUID NOT NULL,
        product_id UUID NOT NULL,
        user_id UUID NOT NULL,
        plate_hash BYTEA NOT NULL,
        plate_sealed BYTEA NOT NULL,
        starts_on DATE NOT NULL,
        ends_on DATE NOT NULL,
        charge_id UUID NOT NULL,
        permit_id UUID,
        state TEXT NOT NULL,
        asked_at timestamptz NOT NULL,
        CONSTRAINT pk_permit_purchase PRIMARY KEY (id),
        CONSTRAINT ck_permit_purchase_state CHECK (state in ('unpaid', 'granted', 'given_back',
            'lapsed')),
        CONSTRAINT ck_permit_purchase_days CHECK (ends_on > starts_on),
        CONSTRAINT ck_permit_purchase_permit CHECK ((state in ('granted', 'given_back')) =
            (permit_id is not null)),
        CONSTRAINT fk_permit_purchase_product_id FOREIGN KEY(product_id) REFERENCES permit_product
            (id),
        CONSTRAINT fk_permit_purchase_user_id FOREIGN KEY(user_id) REFERENCES user_account (id),
        CONSTRAINT uq_permit_purchase_charge_id UNIQUE (charge_id),
        CONSTRAINT fk_permit_purchase_charge_id FOREIGN KEY(charge_id) REFERENCES charge (id)
    )
    """,
    "CREATE INDEX ix_permit_purchase_unpaid ON permit_purchase (asked_at) WHERE state = 'unpaid'",
    "CREATE INDEX ix_permit_purchase_user_id ON permit_purchase (user_id)",
    """
    CREATE TABLE arrears_reminder (
        charge_id UUID NOT NULL,
        round INTEGER NOT NULL,
        number INTEGER NOT NULL,
        how TEXT NOT NULL,
        dedupe_key TEXT NOT NULL,
        asked_at timestamptz NOT NULL,
        given_at timestamptz,
        recorded_by UUID,
        note TEXT DEFAULT '' NOT NULL,
        CONSTRAINT pk_arrears_reminder PRIMARY KEY (charge_id, round, number),
        CONSTRAINT ck_arrears_reminder_number CHECK (number > 0),
        CONSTRAINT ck_arrears_reminder_how CHECK (how in ('notice', 'by_hand')),
        CONSTRAINT ck_arrears_reminder_by_hand CHECK (how <> 'by_hand' or (given_at is not null and
            note <> '')),
        CONSTRAINT fk_arrears_reminder_case FOREIGN KEY(charge_id) REFERENCES arrears_case
            (charge_id),
        CONSTRAINT uq_arrears_reminder_dedupe_key UNIQUE (dedupe_key)
    )
    """,
    "CREATE INDEX ix_arrears_reminder_not_given ON arrears_reminder (charge_id) WHERE given_at is null",
    """
    INSERT INTO arrears_policy (id, effective_from, make_up_from_day, nearly_overdue_from_day,
        overdue_from_day, reminders_needed, answer_working_days, status, source)
    VALUES (gen_random_uuid(), '2024-01-01', 30, 60, 75, 2, 5, 'unconfirmed', '北京道路停车欠费状态（缴费期 30
        日、补缴至 60 日、即将逾期至 75 日，两次催缴后逾期）；湖州条例的相应条款尚未核实，仅作提示')
    """,
]

DOWN: list[str] = [
    "DROP TABLE facility_commission",
    "ALTER TABLE payment DROP COLUMN scanned_facility_id",
    "UPDATE user_account SET operator_id = NULL WHERE role = 'integration'",
    """
    ALTER TABLE user_account DROP CONSTRAINT ck_user_account_operator,
        ADD CONSTRAINT ck_user_account_operator CHECK (operator_id is null or role = 'operator_staff')
    """,
    """
    DROP TABLE arrears_reminder, permit_purchase, objection, mandate_taking, arrears_case,
    permit_product, vehicle_binding, notice, mandate, contact, follow_up, arrears_policy
    """,
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
