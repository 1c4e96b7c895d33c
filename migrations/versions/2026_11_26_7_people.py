"""Sign-in by phone, consent, licence photos and reports of violations."""

from __future__ import annotations

from alembic import op

revision = "20261126_7"
down_revision = "20261126_6"
branch_labels = None
depends_on = None

UP: list[str] = [
    """
    CREATE TABLE clue_kind (
        code TEXT NOT NULL,
        names JSONB NOT NULL,
        reportable BOOLEAN NOT NULL,
        place INTEGER NOT NULL,
        status TEXT NOT NULL,
        legal_basis TEXT NOT NULL,
        source TEXT NOT NULL,
        CONSTRAINT pk_clue_kind PRIMARY KEY (code),
        CONSTRAINT ck_clue_kind_status CHECK (status in ('confirmed', 'unconfirmed')),
        CONSTRAINT ck_clue_kind_basis CHECK (status <> 'confirmed' or legal_basis <> '')
    )
    """,
    """
    INSERT INTO clue_kind (code, names, reportable, place, status, legal_basis, source) VALUES
        ('fire_lane', '{"zh-CN": "占用消防通道", "en": "Fire lane blocked"}', true, 1, 'confirmed',
            '消防法（2021）第28条', '国家法律法规数据库'),
        ('accessible_space', '{"zh-CN": "占用无障碍泊位", "en": "Accessible space misused"}', true, 2,
            'unconfirmed', '', '未查到本市适用条款'),
        ('blocked_entrance', '{"zh-CN": "堵塞出入口", "en": "Entrance blocked"}', true, 3, 'unconfirmed',
            '', '未查到本市适用条款'),
        ('abandoned_vehicle', '{"zh-CN": "长期停放的废弃车辆（僵尸车）", "en": "Abandoned '
            'vehicle"}', true, 4,
            'unconfirmed', '', '湖州市市容和环境卫生管理条例第16条，是否被2024年条例修改待核'),
        ('non_motor', '{"zh-CN": "非机动车乱停放", "en": "Bicycles and scooters in the way"}', true, 5,
            'confirmed', '道路交通安全法（2021）第59条', '国家法律法规数据库'),
        ('other', '{"zh-CN": "其他停车问题", "en": "Something else about parking"}', true, 6, 'unconfirmed',
            '', '—'),
        ('shared_overstay', '{"zh-CN": "共享泊位逾时不驶离", "en": "Shared space not left in time"}', false,
            7, 'unconfirmed', '', '未查到本市适用条款')
    """,
    """
    CREATE TABLE clue (
        id UUID NOT NULL,
        number TEXT NOT NULL,
        cause TEXT NOT NULL,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        facility_id UUID,
        lat FLOAT,
        lon FLOAT,
        at timestamptz NOT NULL,
        text TEXT NOT NULL,
        plate_hash BYTEA,
        plate_sealed BYTEA,
        reporter_id UUID,
        state TEXT DEFAULT 'received' NOT NULL,
        received_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_clue PRIMARY KEY (id),
        CONSTRAINT uq_clue_number UNIQUE (number),
        CONSTRAINT uq_clue_cause UNIQUE (cause),
        CONSTRAINT ck_clue_source CHECK (source in ('report', 'booking')),
        CONSTRAINT ck_clue_state CHECK (state in ('received', 'withdrawn')),
        CONSTRAINT ck_clue_position CHECK ((lat is null) = (lon is null)),
        CONSTRAINT ck_clue_plate CHECK ((plate_hash is null) = (plate_sealed is null)),
        CONSTRAINT ck_clue_text CHECK (char_length(text) <= 2000),
        CONSTRAINT fk_clue_kind FOREIGN KEY(kind) REFERENCES clue_kind (code),
        CONSTRAINT fk_clue_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_clue_reporter_id FOREIGN KEY(reporter_id) REFERENCES user_account (id)
    )
    """,
    "CREATE INDEX ix_clue_reporter_id ON clue (reporter_id, id)",
    "CREATE INDEX ix_clue_kind ON clue (kind, id)",
    """
    CREATE FUNCTION clue_says_what_it_said() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR (NEW.id, NEW.number, NEW.cause, NEW.kind, NEW.source, NEW.facility_id,
            NEW.lat, NEW.lon, NEW.at, NEW.text, NEW.plate_hash, NEW.plate_sealed, NEW.received_at)
            IS DISTINCT FROM (OLD.id, OLD.number, OLD.cause, OLD.kind, OLD.source, OLD.facility_id,
            OLD.lat, OLD.lon, OLD.at, OLD.text, OLD.plate_hash, OLD.plate_sealed, OLD.received_at)
            OR (NEW.reporter_id IS NOT NULL AND NEW.reporter_id IS DISTINCT FROM OLD.reporter_id) THEN
            RAISE EXCEPTION 'what a clue said is not changed after intake';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER clue_says_what_it_said BEFORE UPDATE OR DELETE ON clue
        FOR EACH ROW EXECUTE FUNCTION clue_says_what_it_said()
    """,
    """
    CREATE TABLE clue_evidence (
        clue_id UUID NOT NULL,
        number INTEGER NOT NULL,
        media_type TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 BYTEA NOT NULL,
        sealed BYTEA NOT NULL,
        received_at timestamptz NOT NULL,
        CONSTRAINT pk_clue_evidence PRIMARY KEY (clue_id, number),
        CONSTRAINT ck_clue_evidence_number CHECK (number between 1 and 9),
        CONSTRAINT ck_clue_evidence_sha256 CHECK (octet_length(sha256) = 32),
        CONSTRAINT fk_clue_evidence_clue_id FOREIGN KEY(clue_id) REFERENCES clue (id)
    )
    """,
    """
    CREATE FUNCTION clue_evidence_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'evidence is never changed or removed after intake';
    END $$
    """,
    """
    CREATE TRIGGER clue_evidence_never_changes BEFORE UPDATE OR DELETE ON clue_evidence
        FOR EACH ROW EXECUTE FUNCTION clue_evidence_never_changes()
    """,
    """
    ALTER TABLE user_account ALTER COLUMN password_hash DROP NOT NULL, ADD COLUMN closed_at timestamptz
    """,
    """
    CREATE TABLE driver_phone (
        user_id UUID NOT NULL,
        phone_hash BYTEA NOT NULL,
        phone_sealed BYTEA NOT NULL,
        since timestamptz NOT NULL,
        CONSTRAINT pk_driver_phone PRIMARY KEY (user_id),
        CONSTRAINT uq_driver_phone_phone_hash UNIQUE (phone_hash),
        CONSTRAINT ck_driver_phone_phone_hash CHECK (octet_length(phone_hash) = 32),
        CONSTRAINT fk_driver_phone_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    """
    CREATE TABLE phone_code (
        phone_hash BYTEA NOT NULL,
        asked_from BYTEA NOT NULL,
        code_hash BYTEA NOT NULL,
        tries INTEGER DEFAULT '0' NOT NULL,
        tries_elsewhere INTEGER DEFAULT '0' NOT NULL,
        sent_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT pk_phone_code PRIMARY KEY (phone_hash, asked_from),
        CONSTRAINT ck_phone_code_tries CHECK (tries >= 0 and tries_elsewhere >= 0)
    )
    """,
    "CREATE INDEX ix_phone_code_expires_at ON phone_code (expires_at)",
    """
    CREATE TABLE driver_session (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        device TEXT NOT NULL,
        begun_at timestamptz NOT NULL,
        until timestamptz NOT NULL,
        ended_at timestamptz,
        CONSTRAINT pk_driver_session PRIMARY KEY (id),
        CONSTRAINT fk_driver_session_user_id FOREIGN KEY(user_id) REFERENCES user_account (id)
    )
    """,
    "CREATE INDEX ix_driver_session_user_id ON driver_session (user_id, id)",
    "CREATE INDEX ix_driver_session_until ON driver_session (until)",
    """
    ALTER TABLE vehicle_binding ADD COLUMN proof TEXT,
        ADD CONSTRAINT ck_vehicle_binding_proof CHECK (proof in ('licence', 'payments'))
    """,
    "UPDATE vehicle_binding SET proof = 'licence' WHERE state in ('verified', 'ended')",
    """
    CREATE TABLE licence_photo (
        binding_id UUID NOT NULL,
        sealed BYTEA NOT NULL,
        uploaded_at timestamptz NOT NULL,
        CONSTRAINT pk_licence_photo PRIMARY KEY (binding_id),
        CONSTRAINT fk_licence_photo_binding_id FOREIGN KEY(binding_id) REFERENCES vehicle_binding (id)
    )
    """,
    """
    CREATE TABLE barrier_payment (
        payment_id UUID NOT NULL,
        binding_id UUID NOT NULL,
        paid_at timestamptz NOT NULL,
        CONSTRAINT pk_barrier_payment PRIMARY KEY (payment_id),
        CONSTRAINT fk_barrier_payment_binding_id FOREIGN KEY(binding_id) REFERENCES vehicle_binding (id)
    )
    """,
    "CREATE INDEX ix_barrier_payment_binding_id ON barrier_payment (binding_id)",
    """
    CREATE TABLE consent_text (
        purpose TEXT NOT NULL,
        version INTEGER NOT NULL,
        texts JSONB NOT NULL,
        CONSTRAINT pk_consent_text PRIMARY KEY (purpose, version),
        CONSTRAINT ck_consent_text_purpose CHECK (purpose in ('position', 'rating', 'sms'))
    )
    """,
    """
    INSERT INTO consent_text (purpose, version, texts) VALUES
        ('position', 1, '{"zh-CN": {"title": "停车时使用我的位置", "body":
            "您按“我停好了”时，用手机位置找出最近的泊位。位置只用于这一次查找，不保存。不同意也可以'
            '手动选择停车场和泊位。"},
            "en": {"title": "My position when I park", "body":
            "When you press “I’m parked”, your position finds the nearest spaces. It is used for '
            'that one search and not kept. Without it you choose the car park and space yourself."}}'),
        ('rating', 1, '{"zh-CN": {"title": "公开我的评价文字", "body":
            "您对停车服务写下的文字不署名公开，供他人参考。不同意时只计分，不公开文字。随时可以撤回。"},
            "en": {"title": "Publish what I write in ratings", "body":
            "What you write about a stay is shown to everybody, without your name. Without it only '
            'your marks count. You can take it back at any time."}}'),
        ('sms', 1, '{"zh-CN": {"title": "用短信提醒我", "body":
            "离场时间、待支付费用和预约变化会发到您登录用的手机号。不同意时仍可在“我的”里看到全部通知。"},
            "en": {"title": "Remind me by SMS", "body":
            "Ends of bookings, what is to pay, and changes are sent to the phone you sign in with. '
            'Without it you still find every notice on your page."}}')
    """,
    """
    CREATE TABLE consent (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        purpose TEXT NOT NULL,
        version INTEGER NOT NULL,
        given_at timestamptz NOT NULL,
        withdrawn_at timestamptz,
        CONSTRAINT pk_consent PRIMARY KEY (id),
        CONSTRAINT ck_consent_order CHECK (withdrawn_at >= given_at),
        CONSTRAINT fk_consent_user_id FOREIGN KEY(user_id) REFERENCES user_account (id),
        CONSTRAINT fk_consent_purpose_version FOREIGN KEY(purpose, version)
            REFERENCES consent_text (purpose, version)
    )
    """,
    """
    CREATE UNIQUE INDEX uq_consent_one_at_a_time ON consent (user_id, purpose) WHERE withdrawn_at is null
    """,
    """
    INSERT INTO consent (id, user_id, purpose, version, given_at)
    SELECT gen_random_uuid(), user_id, 'sms', 1, changed_at FROM contact WHERE channel = 'sms'
    """,
    """
    CREATE TABLE retention_rule (
        what TEXT NOT NULL,
        place INTEGER NOT NULL,
        texts JSONB NOT NULL,
        status TEXT NOT NULL,
        source TEXT NOT NULL,
        CONSTRAINT pk_retention_rule PRIMARY KEY (what),
        CONSTRAINT ck_retention_rule_status CHECK (status in ('confirmed', 'unconfirmed'))
    )
    """,
    """
    INSERT INTO retention_rule (what, place, texts, status, source) VALUES
        ('money', 1, '{"zh-CN": {"title": "账单、支付、退款、发票和预约记录",
            "why": "会计和税务法律要求保存，期满删除。"},
            "en": {"title": "Charges, payments, refunds, invoices and bookings",
            "why": "Bookkeeping and tax law have them kept; then they are deleted."}}',
            'unconfirmed', '未查到具体条款'),
        ('stays', 2, '{"zh-CN": {"title": "车辆的进出场记录",
            "why": "属于车辆和停车场的记录，用于计费和争议，不再与您的账号关联。"},
            "en": {"title": "The vehicle’s entries and exits",
            "why": "They belong to the vehicle and the car park, for charging and disputes; no '
            'longer linked to you."}}',
            'unconfirmed', '未查到具体条款'),
        ('reports', 3, '{"zh-CN": {"title": "您举报的线索", "why": "证据入库后不得更改；举报人信息已'
            '删除。"},
            "en": {"title": "Reports you made", "why": "Evidence is not changed after intake; who '
            'reported is deleted."}}',
            'confirmed', '行政处罚法（2021）第46、47条'),
        ('looks', 4, '{"zh-CN": {"title": "谁查看过您的资料", "why": "审计记录只增不改，不含车牌和手'
            '机号。"},
            "en": {"title": "Who looked at your data", "why": "The audit log only grows; it holds '
            'no plate and no number."}}',
            'confirmed', '个人信息保护法第54条、网络安全法')
    """,
]

DOWN: list[str] = [
    "DROP TABLE retention_rule",
    "DROP TABLE consent",
    "DROP TABLE consent_text",
    "DROP TABLE barrier_payment",
    "DROP TABLE licence_photo",
    "ALTER TABLE vehicle_binding DROP COLUMN proof",
    "DROP TABLE driver_session",
    "DROP TABLE phone_code",
    "DROP TABLE driver_phone",
    "UPDATE user_account SET password_hash = '!' WHERE password_hash IS NULL",
    "ALTER TABLE user_account DROP COLUMN closed_at, ALTER COLUMN password_hash SET NOT NULL",
    "DROP TABLE clue_evidence",
    "DROP FUNCTION clue_evidence_never_changes()",
    "DROP TABLE clue",
    "DROP FUNCTION clue_says_what_it_said()",
    "DROP TABLE clue_kind",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
