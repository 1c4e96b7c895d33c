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
        ('abandoned_vehicle', '{"zh-CN": "长期停放的废弃车辆（僵尸车）", "en": "Abandoned vehicle"}', true, 4,
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
        CONSTRAINT ck_clue_state CHECK (state in ('received')),
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
        code_hash BYTEA NOT NULL,
        tries INTEGER DEFAULT '0' NOT NULL,
        sent_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT pk_phone_code PRIMARY KEY (phone_hash),
        CONSTRAINT ck_phone_code_tries CHECK (tries >= 0)
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
]

DOWN: list[str] = [
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
