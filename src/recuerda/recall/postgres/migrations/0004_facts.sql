-- Facts that a model found in what was said. The log does not have them, so they outlive whatever is made anew.

CREATE TABLE IF NOT EXISTS {schema}.recall_facts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    valid_from_us bigint NOT NULL,
    valid_until_us bigint,
    superseded_by bigint,
    scope text COLLATE "C" NOT NULL,
    text text NOT NULL
);

CREATE INDEX IF NOT EXISTS recall_facts_by_scope ON {schema}.recall_facts (scope, valid_from_us);
CREATE INDEX IF NOT EXISTS recall_facts_by_successor ON {schema}.recall_facts (superseded_by)
    WHERE superseded_by IS NOT NULL;

CREATE TABLE IF NOT EXISTS {schema}.recall_fact_sources (
    fact bigint NOT NULL REFERENCES {schema}.recall_facts ON DELETE CASCADE,
    turn bigint NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    PRIMARY KEY (fact, thread_id, incarnation, turn)
);

CREATE INDEX IF NOT EXISTS recall_fact_sources_by_thread ON {schema}.recall_fact_sources (thread_id);

CREATE TABLE IF NOT EXISTS {schema}.recall_fact_progress (
    through bigint NOT NULL,
    thread_id text COLLATE "C" PRIMARY KEY,
    incarnation text COLLATE "C" NOT NULL
);

-- Take in what was found in a turn, unless the turn is gone or was looked at before.
CREATE OR REPLACE FUNCTION {schema}.recall_add_facts(
    p_lock_timeout_ms integer, p_thread_id text, p_scope text, p_incarnation text, p_turn bigint,
    p_texts text[], p_valid_from bigint[], p_confirms bigint[], p_replaces text[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_thread bigint;
    v_fact bigint;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT t.key INTO v_thread FROM {schema}.recall_threads t
    WHERE t.id = p_thread_id AND t.incarnation = p_incarnation FOR UPDATE;
    PERFORM FROM {schema}.recall_scopes s WHERE s.id = p_scope FOR UPDATE;
    IF NOT EXISTS (
        SELECT FROM {schema}.recall_documents d
        WHERE d.key >= v_thread << 32 AND d.key < (v_thread + 1) << 32 AND d.turn = p_turn
    ) OR EXISTS (
        SELECT FROM {schema}.recall_fact_progress p
        WHERE p.thread_id = p_thread_id AND p.incarnation = p_incarnation AND p.through >= p_turn
    ) THEN
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(p_texts) LOOP
        SELECT f.id INTO v_fact FROM {schema}.recall_facts f WHERE f.id = p_confirms[i] AND f.scope = p_scope;
        IF v_fact IS NULL THEN
            INSERT INTO {schema}.recall_facts (scope, text, valid_from_us)
            VALUES (p_scope, p_texts[i], p_valid_from[i]) RETURNING id INTO v_fact;
        END IF;
        INSERT INTO {schema}.recall_fact_sources (fact, thread_id, incarnation, turn)
        VALUES (v_fact, p_thread_id, p_incarnation, p_turn) ON CONFLICT DO NOTHING;
        UPDATE {schema}.recall_facts f SET valid_until_us = p_valid_from[i], superseded_by = v_fact
        WHERE f.id = ANY (p_replaces[i]::bigint[]) AND f.scope = p_scope AND f.superseded_by IS NULL AND f.id <> v_fact;
    END LOOP;
    INSERT INTO {schema}.recall_fact_progress (thread_id, incarnation, through)
    VALUES (p_thread_id, p_incarnation, p_turn)
    ON CONFLICT (thread_id) DO UPDATE SET incarnation = excluded.incarnation, through = excluded.through;
END $$;

-- Remove facts all of whose turns are gone; what they had replaced holds again. Of turns behind the revision nothing is
-- known yet. No incarnation: the thread is gone.
CREATE OR REPLACE FUNCTION {schema}.recall_remove_orphans(
    p_thread_id text, p_thread bigint, p_incarnation text, p_revision bigint
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_facts bigint[];
BEGIN
    WITH gone AS (
        DELETE FROM {schema}.recall_fact_sources s
        WHERE s.thread_id = p_thread_id AND (
            p_incarnation IS NULL OR s.incarnation <> p_incarnation OR s.turn <= p_revision AND NOT EXISTS (
                SELECT FROM {schema}.recall_documents d
                WHERE d.key >= p_thread << 32 AND d.key < (p_thread + 1) << 32 AND d.turn = s.turn
            )
        )
        RETURNING s.fact
    )
    SELECT array_agg(DISTINCT g.fact) INTO v_facts FROM gone g;
    IF p_incarnation IS NULL THEN
        DELETE FROM {schema}.recall_fact_progress p WHERE p.thread_id = p_thread_id;
    END IF;
    IF v_facts IS NULL THEN
        RETURN;
    END IF;
    WITH gone AS (
        DELETE FROM {schema}.recall_facts f
        WHERE f.id = ANY (v_facts)
            AND NOT EXISTS (SELECT FROM {schema}.recall_fact_sources s WHERE s.fact = f.id)
        RETURNING f.id
    )
    SELECT array_agg(g.id) INTO v_facts FROM gone g;
    UPDATE {schema}.recall_facts f SET valid_until_us = NULL, superseded_by = NULL WHERE f.superseded_by = ANY (v_facts);
END $$;
