-- What writes. Whoever changes a thread's documents holds the row of the thread, and then that of its scope.

CREATE OR REPLACE FUNCTION {schema}.recall_remove(p_thread bigint, p_first bigint, p_last bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH gone AS (
        DELETE FROM {schema}.recall_documents d
        WHERE d.key >= p_thread << 32 AND d.key < (p_thread + 1) << 32 AND d.turn BETWEEN p_first AND p_last
        RETURNING d.scope, d.speaker, d.size
    ), counted AS (
        UPDATE {schema}.recall_scopes s SET documents = s.documents - g.documents, size = s.size - g.size
        FROM (SELECT scope, count(*) AS documents, sum(size) AS size FROM gone GROUP BY scope) g WHERE s.key = g.scope
    ), named AS (
        UPDATE {schema}.recall_speakers s SET documents = s.documents - g.documents
        FROM (SELECT scope, speaker, count(*) AS documents FROM gone GROUP BY scope, speaker) g
        WHERE s.scope = g.scope AND s.name = g.speaker
    )
    SELECT count(*) INTO v_count FROM gone;
    DELETE FROM {schema}.recall_speakers s USING {schema}.recall_threads t
    WHERE t.key = p_thread AND s.scope = t.scope AND s.documents < 1 AND v_count > 0;
    RETURN v_count;
END $$;

CREATE OR REPLACE FUNCTION {schema}.recall_drop_scope_if_unused(p_scope bigint) RETURNS void
LANGUAGE sql AS $$
    DELETE FROM {schema}.recall_scopes s
    WHERE s.key = p_scope AND NOT EXISTS (SELECT FROM {schema}.recall_threads t WHERE t.scope = p_scope)
$$;

-- Take in what changed in a thread; false when somebody else has followed it meanwhile.
CREATE OR REPLACE FUNCTION {schema}.recall_apply(
    p_version integer, p_lock_timeout_ms integer, p_thread_id text,
    p_known_scope text, p_known_incarnation text, p_known_revision bigint,
    p_scope text, p_incarnation text, p_revision bigint,
    p_is_fresh boolean, p_first bigint, p_undone bigint[],
    p_turns bigint[], p_positions integer[], p_created bigint[], p_traits integer[], p_sizes integer[],
    p_roles text[], p_speakers text[], p_turn_ids text[], p_terms text[], p_texts text[]
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_known record;
    v_scope bigint;
    v_thread bigint;
    v_next bigint := 0;
    v_turn bigint;
    v_removed bigint := 0;
    v_added bigint;
    v_size bigint;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    PERFORM FROM {schema}.recall_state WHERE terms = p_version;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the memories are of another version' USING ERRCODE = 'RC001';
    END IF;
    SELECT t.key, t.scope, t.next, s.id AS scope_id, t.incarnation, t.revision INTO v_known
    FROM {schema}.recall_threads t JOIN {schema}.recall_scopes s ON s.key = t.scope
    WHERE t.id = p_thread_id FOR UPDATE OF t;
    IF ROW(v_known.scope_id, v_known.incarnation, v_known.revision)
        IS DISTINCT FROM ROW(p_known_scope, p_known_incarnation, p_known_revision) THEN
        RETURN false;
    END IF;

    IF v_known.key IS NOT NULL THEN
        PERFORM FROM {schema}.recall_scopes s WHERE s.key = v_known.scope FOR UPDATE;
        IF p_is_fresh OR p_scope IS NULL THEN
            v_removed := {schema}.recall_remove(v_known.key, 0, 9223372036854775807);
        ELSE
            IF p_first > 1 THEN
                v_removed := {schema}.recall_remove(v_known.key, 0, p_first - 1);
            END IF;
            FOREACH v_turn IN ARRAY p_undone LOOP
                v_removed := v_removed + {schema}.recall_remove(v_known.key, v_turn, v_turn);
            END LOOP;
        END IF;
    END IF;
    IF p_scope IS NULL THEN
        DELETE FROM {schema}.recall_threads t WHERE t.key = v_known.key;
        PERFORM {schema}.recall_remove_orphans(p_thread_id, NULL, NULL, NULL);
        PERFORM {schema}.recall_drop_scope_if_unused(v_known.scope);
        RETURN true;
    END IF;

    SELECT s.key INTO v_scope FROM {schema}.recall_scopes s WHERE s.id = p_scope FOR UPDATE;
    IF v_scope IS NULL THEN
        INSERT INTO {schema}.recall_scopes AS s (id) VALUES (p_scope)
        ON CONFLICT (id) DO UPDATE SET size = s.size RETURNING s.key INTO v_scope;
    END IF;
    IF v_known.key IS NULL THEN
        INSERT INTO {schema}.recall_threads (id, scope, incarnation, revision, next)
        VALUES (p_thread_id, v_scope, p_incarnation, p_revision, 0)
        ON CONFLICT (id) DO NOTHING RETURNING key INTO v_thread;
        IF v_thread IS NULL THEN
            RETURN false;
        END IF;
    ELSIF p_is_fresh THEN
        UPDATE {schema}.recall_threads t SET key = DEFAULT, scope = v_scope, incarnation = p_incarnation
        WHERE t.key = v_known.key RETURNING t.key INTO v_thread;
        IF v_scope <> v_known.scope THEN
            PERFORM {schema}.recall_drop_scope_if_unused(v_known.scope);
        END IF;
    ELSE
        v_thread := v_known.key;
        v_next := v_known.next;
    END IF;

    WITH wanted AS (
        SELECT a.*, row_number() OVER (ORDER BY a.n) - 1 AS place
        FROM unnest(
            p_turns, p_positions, p_created, p_traits, p_sizes, p_roles, p_speakers, p_turn_ids, p_terms, p_texts
        ) WITH ORDINALITY AS a (turn, position, created_us, traits, size, role, speaker, turn_id, terms, text, n)
        WHERE NOT EXISTS (
            SELECT FROM {schema}.recall_forgotten f
            WHERE f.thread_id = p_thread_id AND f.incarnation = p_incarnation AND a.turn BETWEEN f.first AND f.last
        )
    ), added AS (
        INSERT INTO {schema}.recall_documents
            (key, scope, turn, created_us, position, traits, size, role, speaker, turn_id, terms, text)
        SELECT (v_thread << 32) + v_next + w.place, v_scope, w.turn, w.created_us, w.position, w.traits, w.size,
            w.role, w.speaker, w.turn_id, w.terms::tsvector, w.text
        FROM wanted w ORDER BY w.n
        RETURNING speaker, size
    ), named AS (
        INSERT INTO {schema}.recall_speakers AS s (scope, name, documents)
        SELECT v_scope, a.speaker, count(*) FROM added a WHERE a.speaker IS NOT NULL GROUP BY a.speaker
        ON CONFLICT (scope, name) DO UPDATE SET documents = s.documents + excluded.documents
    )
    SELECT count(*), coalesce(sum(a.size), 0) INTO v_added, v_size FROM added a;
    IF v_added > 0 THEN
        UPDATE {schema}.recall_scopes s SET documents = s.documents + v_added, size = s.size + v_size
        WHERE s.key = v_scope;
    END IF;
    UPDATE {schema}.recall_threads t SET revision = p_revision, next = v_next + v_added WHERE t.key = v_thread;
    IF v_removed > 0 OR p_is_fresh THEN
        PERFORM {schema}.recall_remove_orphans(p_thread_id, v_thread, p_incarnation, p_revision);
    END IF;
    RETURN true;
END $$;

-- Delete the documents of turns, remember that they were forgotten, and return how many documents went.
CREATE OR REPLACE FUNCTION {schema}.recall_forget(
    p_lock_timeout_ms integer, p_thread_ids text[], p_incarnations text[], p_firsts bigint[], p_lasts bigint[]
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_found record;
    v_count bigint := 0;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    -- All threads before any scope: in another order, two that forget and follow could wait for each other.
    PERFORM FROM {schema}.recall_threads t WHERE t.id = ANY (p_thread_ids) ORDER BY t.key FOR UPDATE;
    PERFORM FROM {schema}.recall_scopes s
    WHERE s.key IN (SELECT t.scope FROM {schema}.recall_threads t WHERE t.id = ANY (p_thread_ids))
    ORDER BY s.key FOR UPDATE;
    INSERT INTO {schema}.recall_forgotten (thread_id, incarnation, first, last)
    SELECT * FROM unnest(p_thread_ids, p_incarnations, p_firsts, p_lasts) ON CONFLICT DO NOTHING;
    FOR v_found IN
        SELECT t.key, f.first, f.last, t.id, t.incarnation, t.revision
        FROM unnest(p_thread_ids, p_incarnations, p_firsts, p_lasts) AS f (thread_id, incarnation, first, last)
        JOIN {schema}.recall_threads t ON t.id = f.thread_id AND t.incarnation = f.incarnation
    LOOP
        v_count := v_count + {schema}.recall_remove(v_found.key, v_found.first, v_found.last);
        PERFORM {schema}.recall_remove_orphans(v_found.id, v_found.key, v_found.incarnation, v_found.revision);
    END LOOP;
    RETURN v_count;
END $$;

-- Keep vectors of documents that are still there, in place of those of another model.
CREATE OR REPLACE FUNCTION {schema}.recall_add_vectors(
    p_lock_timeout_ms integer, p_scope text, p_model text, p_documents bigint[], p_data text[]
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    INSERT INTO {schema}.recall_vectors (document, scope, model, data)
    SELECT d.key, d.scope, p_model, v.data::real[]
    FROM unnest(p_documents, p_data) AS v (document, data)
    JOIN {schema}.recall_documents d ON d.key = v.document
    JOIN {schema}.recall_scopes s ON s.key = d.scope AND s.id = p_scope
    ORDER BY d.key FOR KEY SHARE OF d
    ON CONFLICT (document) DO UPDATE SET model = excluded.model, data = excluded.data;
END $$;
