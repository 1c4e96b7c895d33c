"""Ratings and scores."""

from __future__ import annotations

from alembic import op

revision = "20261126_6"
down_revision = "20261126_5"
branch_labels = None
depends_on = None

UP = [
    """
    CREATE TABLE ratings_formula (
        id UUID NOT NULL,
        effective_from DATE NOT NULL,
        formula JSONB NOT NULL,
        status TEXT NOT NULL,
        source TEXT NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        created_by UUID,
        CONSTRAINT pk_ratings_formula PRIMARY KEY (id),
        CONSTRAINT ck_ratings_formula_status CHECK (status in ('confirmed', 'unconfirmed')),
        CONSTRAINT ck_ratings_formula_source CHECK (source <> ''),
        CONSTRAINT uq_ratings_formula_effective_from UNIQUE (effective_from)
    )
    """,
    """
    CREATE TABLE rating (
        id UUID NOT NULL,
        stay_id UUID NOT NULL,
        user_id UUID,
        facility_id UUID NOT NULL,
        finding SMALLINT,
        number SMALLINT,
        price SMALLINT,
        payment SMALLINT,
        staff SMALLINT,
        text TEXT DEFAULT '' NOT NULL,
        published TEXT DEFAULT '' NOT NULL,
        found TEXT[] DEFAULT '{}' NOT NULL,
        language TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT DEFAULT '' NOT NULL,
        created_at timestamptz NOT NULL,
        changed_at timestamptz,
        decided_at timestamptz,
        decided_by UUID,
        reported_at timestamptz,
        reported_by UUID,
        reported_why TEXT DEFAULT '' NOT NULL,
        answer TEXT DEFAULT '' NOT NULL,
        answered_at timestamptz,
        answered_by UUID,
        CONSTRAINT pk_rating PRIMARY KEY (id),
        CONSTRAINT ck_rating_any_mark
            CHECK (coalesce(finding, number, price, payment, staff) is not null),
        CONSTRAINT ck_rating_marks
            CHECK (finding between 1 and 5 and number between 1 and 5
             and price between 1 and 5 and payment between 1 and 5 and staff between 1 and 5),
        CONSTRAINT ck_rating_length CHECK (length(text) <= 500 and length(answer) <= 500),
        CONSTRAINT ck_rating_state CHECK (state in ('shown', 'screened', 'hidden')),
        CONSTRAINT ck_rating_reason CHECK (state <> 'hidden' or reason <> ''),
        CONSTRAINT ck_rating_answered CHECK ((answer = '') = (answered_at is null)),
        CONSTRAINT ck_rating_reported CHECK ((reported_why = '') = (reported_at is null)),
        CONSTRAINT ck_rating_language CHECK (language in ('zh-CN', 'en')),
        CONSTRAINT uq_rating_stay_id UNIQUE (stay_id),
        CONSTRAINT fk_rating_stay_id FOREIGN KEY(stay_id) REFERENCES stay (id),
        CONSTRAINT fk_rating_user_id FOREIGN KEY(user_id) REFERENCES user_account (id),
        CONSTRAINT fk_rating_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    "CREATE INDEX ix_rating_facility_id ON rating (facility_id, created_at)",
    "CREATE INDEX ix_rating_reported ON rating (reported_at) WHERE reported_at is not null",
    "CREATE INDEX ix_rating_screened ON rating (created_at) WHERE state = 'screened'",
    "CREATE INDEX ix_rating_user_id ON rating (user_id, created_at)",
    """
    CREATE TABLE facility_data_day (
        facility_id UUID NOT NULL,
        day DATE NOT NULL,
        samples INTEGER NOT NULL,
        known INTEGER NOT NULL,
        spaces BIGINT NOT NULL,
        spaces_known BIGINT NOT NULL,
        CONSTRAINT pk_facility_data_day PRIMARY KEY (facility_id, day),
        CONSTRAINT ck_facility_data_day_samples CHECK (0 <= known and known <= samples),
        CONSTRAINT ck_facility_data_day_spaces CHECK (0 <= spaces_known and spaces_known <= spaces),
        CONSTRAINT fk_facility_data_day_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE TABLE facility_score (
        facility_id UUID NOT NULL,
        day DATE NOT NULL,
        score SMALLINT,
        low SMALLINT,
        high SMALLINT,
        stars SMALLINT,
        count INTEGER NOT NULL,
        made_at timestamptz NOT NULL,
        CONSTRAINT pk_facility_score PRIMARY KEY (facility_id),
        CONSTRAINT fk_facility_score_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id)
    )
    """,
    """
    CREATE TABLE facility_score_day (
        facility_id UUID NOT NULL,
        day DATE NOT NULL,
        score SMALLINT,
        low SMALLINT,
        high SMALLINT,
        formula_id UUID NOT NULL,
        inputs JSONB NOT NULL,
        made_at timestamptz NOT NULL,
        CONSTRAINT pk_facility_score_day PRIMARY KEY (facility_id, day),
        CONSTRAINT fk_facility_score_day_facility_id FOREIGN KEY(facility_id) REFERENCES facility (id),
        CONSTRAINT fk_facility_score_day_formula_id FOREIGN KEY(formula_id) REFERENCES ratings_formula (id)
    )
    """,
    """
    CREATE TABLE operator_ranking (
        quarter TEXT NOT NULL,
        formula_id UUID NOT NULL,
        trial BOOLEAN NOT NULL,
        lines JSONB NOT NULL,
        made_at timestamptz NOT NULL,
        CONSTRAINT pk_operator_ranking PRIMARY KEY (quarter),
        CONSTRAINT ck_operator_ranking_quarter CHECK (quarter ~ '^[0-9]{4}Q[1-4]$'),
        CONSTRAINT fk_operator_ranking_formula_id FOREIGN KEY(formula_id) REFERENCES ratings_formula (id)
    )
    """,
    """
    CREATE TABLE operator_standing (
        quarter TEXT NOT NULL,
        day DATE NOT NULL,
        formula_id UUID NOT NULL,
        trial BOOLEAN NOT NULL,
        lines JSONB NOT NULL,
        made_at timestamptz NOT NULL,
        CONSTRAINT pk_operator_standing PRIMARY KEY (quarter),
        CONSTRAINT fk_operator_standing_formula_id FOREIGN KEY(formula_id) REFERENCES ratings_formula (id)
    )
    """,
    """
    CREATE FUNCTION published_for_good() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER ratings_formula_for_good BEFORE UPDATE OR DELETE ON ratings_formula
        FOR EACH ROW EXECUTE FUNCTION published_for_good()
    """,
    """
    CREATE TRIGGER operator_ranking_for_good BEFORE UPDATE OR DELETE ON operator_ranking
        FOR EACH ROW EXECUTE FUNCTION published_for_good()
    """,
]

DOWN = [
    "DROP TABLE operator_standing, operator_ranking, facility_score_day, facility_score",
    "DROP TABLE facility_data_day, rating",
    "DROP TABLE ratings_formula",
    "DROP FUNCTION published_for_good",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
