-- The index of memories. `{schema}` stands for the name of its schema.
--
-- A new shape of the index drops the tables that can be made anew from the log, and runs this file again. So the
-- statements for everything else allow for what is there already.
--
-- Ids are compared as bytes (COLLATE "C"): the order is the same on every server, whatever its locale, and indexes stay
-- valid when a locale changes.

-- TABLES THAT CAN BE MADE ANEW FROM THE LOG ---------------------------------------------------------------------------

CREATE TABLE {schema}.recall_state (
    is_the_only_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_one),
    -- Another number each time that the memories are made anew, so that processes which know the old ones notice.
    epoch bigint NOT NULL,
    -- Which tables and terms these are.
    shape integer NOT NULL,
    -- The last thread that was compared with the storage without being searched.
    checked text COLLATE "C" NOT NULL DEFAULT ''
);

-- Every turn leaves a dead row in this table and in `recall_threads`: the fill factor keeps room in the page for the
-- next one.
CREATE TABLE {schema}.recall_scopes (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    documents bigint NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0,
    -- The number of its documents that are in `recall_pending`.
    waiting bigint NOT NULL DEFAULT 0,
    -- The number of blocks that were given to its threads.
    blocks bigint NOT NULL DEFAULT 0,
    id text COLLATE "C" NOT NULL UNIQUE
) WITH (fillfactor = 60);

-- A key is never given twice: the key of a deleted thread never names the documents of another one.
CREATE TABLE {schema}.recall_threads (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope bigint NOT NULL REFERENCES {schema}.recall_scopes,
    revision bigint NOT NULL,
    -- The place of its next document.
    next bigint NOT NULL,
    -- Its last block.
    block bigint NOT NULL DEFAULT 0,
    edits bigint NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL UNIQUE
) WITH (fillfactor = 60);

-- The key packs the thread's key and the place in the thread, so neighbours are found without an index. The postings
-- name a document by its number. `terms` is the number of its terms, by which a removal knows that it found all of them.
-- Its indexes fill their pages to the end, because keys and times mostly ascend.
-- `turn_id` is '' in all documents of a turn but the first one, and `speaker` is '' without a speaker: a row without a
-- NULL is smaller. `digest` is of the text, and `data` is the compressed text; see `texts.py`. The scope is
-- that of the thread.
CREATE TABLE {schema}.recall_documents (
    key bigint PRIMARY KEY WITH (fillfactor = 100),
    created_us bigint NOT NULL,
    digest integer NOT NULL,
    number integer NOT NULL,
    turn integer NOT NULL,
    position integer NOT NULL,
    size smallint NOT NULL,
    terms smallint NOT NULL,
    traits smallint NOT NULL,
    is_answer boolean NOT NULL,
    speaker text COLLATE "C" NOT NULL,
    turn_id text COLLATE "C" NOT NULL,
    data bytea NOT NULL
);

ALTER TABLE {schema}.recall_documents ALTER COLUMN data SET STORAGE EXTERNAL;

-- A block of 16 numbers, the key of the document that has the first of them, and bounds of the times of its documents. A
-- block keeps its bounds when a document is removed.
CREATE TABLE {schema}.recall_blocks (
    scope integer NOT NULL,
    block integer NOT NULL,
    first_key bigint NOT NULL,
    oldest_us bigint NOT NULL,
    newest_us bigint NOT NULL,
    PRIMARY KEY (scope, block)
) WITH (fillfactor = 90);

-- A row has several chunks of postings; see `packing.py`. It grows in place while its page has room.
CREATE TABLE {schema}.recall_postings (
    scope bigint NOT NULL,
    first integer NOT NULL,
    term text COLLATE "C" NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (scope, term, first)
) WITH (fillfactor = 80);

ALTER TABLE {schema}.recall_postings ALTER COLUMN data SET STORAGE PLAIN;

-- The documents that are not in the postings yet. `counts` is a JSON object with the count of each term. It is a text,
-- because a `jsonb` of a message takes more than twice the space.
CREATE TABLE {schema}.recall_pending (
    scope bigint NOT NULL,
    number integer NOT NULL,
    counts text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, number)
);

-- The documents that a transaction has removed, until it has taken their terms out of the postings. After a transaction,
-- the table is empty; so it needs no log.
CREATE UNLOGGED TABLE {schema}.recall_leaving (
    scope bigint NOT NULL,
    number integer NOT NULL,
    terms integer NOT NULL,
    created_us bigint NOT NULL,
    speaker text COLLATE "C" NOT NULL,
    data bytea NOT NULL
);

CREATE TABLE {schema}.recall_speakers (
    scope bigint NOT NULL REFERENCES {schema}.recall_scopes ON DELETE CASCADE,
    documents bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, name)
);

-- Vectors have a byte for each dimension, as in `recall/vectors.py`. The process that searches compares them.
CREATE TABLE {schema}.recall_vectors (
    document bigint PRIMARY KEY REFERENCES {schema}.recall_documents ON DELETE CASCADE,
    scope bigint NOT NULL,
    scale real NOT NULL,
    model text COLLATE "C" NOT NULL,
    data bytea NOT NULL
);

ALTER TABLE {schema}.recall_vectors ALTER COLUMN data SET STORAGE EXTERNAL;

-- The number of a scope's vectors of each model. If they are many, one model has the centre as seen from which the signs are.
CREATE TABLE {schema}.recall_models (
    scope bigint NOT NULL REFERENCES {schema}.recall_scopes ON DELETE CASCADE,
    vectors bigint NOT NULL DEFAULT 0,
    model text COLLATE "C" NOT NULL,
    centre real[],
    PRIMARY KEY (scope, model)
);

-- The signs of the vectors that have the dimension of the centre; see `recall/vectors.py`.
CREATE TABLE {schema}.recall_signs (
    document bigint PRIMARY KEY REFERENCES {schema}.recall_vectors ON DELETE CASCADE,
    scope bigint NOT NULL,
    data bit varying NOT NULL
);

-- TABLES THAT OUTLIVE A CHANGE OF SHAPE: the log does not have their contents -----------------------------------------

-- The turns that were forgotten on request.
CREATE TABLE IF NOT EXISTS {schema}.recall_forgotten (
    first bigint NOT NULL,
    last bigint NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    PRIMARY KEY (thread_id, incarnation, first, last)
);

-- Facts that a model found in the messages.
CREATE TABLE IF NOT EXISTS {schema}.recall_facts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    valid_from_us bigint NOT NULL,
    valid_until_us bigint,
    superseded_by bigint,
    scope text COLLATE "C" NOT NULL,
    text text NOT NULL
);

CREATE TABLE IF NOT EXISTS {schema}.recall_fact_sources (
    fact bigint NOT NULL REFERENCES {schema}.recall_facts ON DELETE CASCADE,
    turn bigint NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    -- A digest of the id and the texts of the turn. Another text has another mark.
    mark text COLLATE "C" NOT NULL,
    PRIMARY KEY (fact, thread_id, incarnation, turn)
);

-- The facts that are corrections. Those of a message have the message, and its words.
CREATE TABLE IF NOT EXISTS {schema}.recall_corrections (
    fact bigint PRIMARY KEY REFERENCES {schema}.recall_facts ON DELETE CASCADE,
    turn bigint,
    created_us bigint,
    position integer,
    thread_id text COLLATE "C",
    turn_id text COLLATE "C",
    role text COLLATE "C",
    speaker text COLLATE "C",
    said text
);

-- How far a thread has been searched for facts.
CREATE TABLE IF NOT EXISTS {schema}.recall_fact_progress (
    through bigint NOT NULL,
    thread_id text COLLATE "C" PRIMARY KEY,
    incarnation text COLLATE "C" NOT NULL,
    mark text COLLATE "C" NOT NULL
);

-- INDEXES -------------------------------------------------------------------------------------------------------------

CREATE INDEX recall_threads_by_scope ON {schema}.recall_threads (scope);

-- It finds the copies of a turn in forks, which have its time and its texts, by the time and some bits of the digest in one
-- number. An index of the ids would take far more space.
CREATE INDEX recall_documents_by_turn ON {schema}.recall_documents (((created_us << 12) | (digest & 4095)))
    WITH (fillfactor = 100) WHERE turn_id <> '';
CREATE INDEX recall_vectors_by_scope ON {schema}.recall_vectors (scope, model);
CREATE INDEX recall_signs_by_scope ON {schema}.recall_signs (scope);
CREATE INDEX IF NOT EXISTS recall_facts_by_scope ON {schema}.recall_facts (scope, valid_from_us);
CREATE INDEX IF NOT EXISTS recall_facts_by_successor ON {schema}.recall_facts (superseded_by)
    WHERE superseded_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS recall_fact_sources_by_thread ON {schema}.recall_fact_sources (thread_id, turn);
CREATE INDEX IF NOT EXISTS recall_fact_sources_by_mark ON {schema}.recall_fact_sources (mark);

-- FUNCTIONS THAT READ -------------------------------------------------------------------------------------------------

-- Another number when the memories were made anew, and when the server was restarted: then the last additions may be lost.
CREATE OR REPLACE FUNCTION {schema}.recall_epoch() RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT st.epoch # (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint FROM {schema}.recall_state st
$$;

-- A row with the epoch alone, the positions of threads in rows with a `thread_id`, and a row for each of the scopes.
CREATE OR REPLACE FUNCTION {schema}.recall_overview(p_thread_ids text[], p_scopes text[])
RETURNS TABLE (
    epoch bigint, scope text, thread_id text, incarnation text, revision bigint, record_id text, edits bigint,
    documents bigint, size bigint, names text[], has_corrections boolean
)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    v_epoch bigint := {schema}.recall_epoch();
BEGIN
    RETURN QUERY
        SELECT
            v_epoch, NULL, NULL, NULL, NULL::bigint, NULL, NULL::bigint, NULL::bigint, NULL::bigint, NULL::text[],
            NULL::boolean;
    RETURN QUERY
        SELECT
            v_epoch, s.id, t.id, t.incarnation, t.revision, t.record_id, t.edits, NULL::bigint, NULL::bigint, NULL::text[],
            NULL::boolean
        FROM {schema}.recall_threads t JOIN {schema}.recall_scopes s ON s.key = t.scope WHERE t.id = ANY (p_thread_ids);
    RETURN QUERY
        SELECT
            v_epoch, a.id, NULL, NULL, NULL::bigint, NULL, NULL::bigint, s.documents, s.size,
            ARRAY(SELECT p.name FROM {schema}.recall_speakers p WHERE p.scope = s.key),
            EXISTS (
                SELECT FROM {schema}.recall_corrections c JOIN {schema}.recall_facts f ON f.id = c.fact
                WHERE f.scope = s.id
            )
        FROM unnest(p_scopes) AS a (id) LEFT JOIN {schema}.recall_scopes s ON s.id = a.id;
END $$;

-- The rows that have postings of terms, and the pending documents that have one of them. `n` is 1 for a row, 0 for a
-- pending document, whose number is `first`, and -1 for the number of the scope's documents.
CREATE OR REPLACE FUNCTION {schema}.recall_postings_of(p_scope text, p_terms text[], p_chunks integer)
RETURNS TABLE (n integer, first bigint, data bytea)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v_scope bigint;
    v_documents bigint;
BEGIN
    SELECT s.key, s.documents INTO v_scope, v_documents FROM {schema}.recall_scopes s WHERE s.id = p_scope;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT -1, v_documents, NULL::bytea;
    RETURN QUERY
        SELECT 0, w.number::bigint, convert_to(w.counts, 'UTF8') FROM {schema}.recall_pending w
        WHERE w.scope = v_scope AND EXISTS (
            SELECT FROM unnest(p_terms) AS a (term) WHERE strpos(w.counts, to_json(a.term)::text || ':') > 0
        );
    RETURN QUERY
        SELECT 1, NULL::bigint, p.data FROM unnest(p_terms) AS a (term)
        CROSS JOIN LATERAL (
            (
                SELECT p.data FROM {schema}.recall_postings p WHERE p.scope = v_scope AND p.term = a.term
                ORDER BY p.first DESC LIMIT p_chunks
            ) UNION ALL (
                SELECT p.data FROM {schema}.recall_postings p WHERE p.scope = v_scope AND p.term < a.term
                ORDER BY p.term DESC, p.first DESC LIMIT 1
            )
        ) p;
END $$;

-- The rows that have the terms with these starts or these terms, if the scope has them, and the pending documents, which
-- are few. At most `p_rows` rows of each start are returned.
CREATE OR REPLACE FUNCTION {schema}.recall_terms_like(p_scope text, p_starts text[], p_terms text[], p_rows integer)
RETURNS TABLE (is_waiting boolean, data bytea)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v_scope bigint := (SELECT s.key FROM {schema}.recall_scopes s WHERE s.id = p_scope);
BEGIN
    RETURN QUERY
        SELECT true, convert_to(w.counts, 'UTF8') FROM {schema}.recall_pending w
        WHERE w.scope = v_scope;
    RETURN QUERY
        SELECT false, p.data FROM unnest(p_starts) AS a (start)
        CROSS JOIN LATERAL (
            SELECT p.data FROM {schema}.recall_postings p
            WHERE p.scope = v_scope AND p.term >= a.start AND p.term < a.start || chr(1114111)
            ORDER BY p.term, p.first LIMIT p_rows
        ) p;
    RETURN QUERY
        -- Most of the terms would stand in the same few rows.
        SELECT DISTINCT ON (p.term, p.first) false, p.data FROM unnest(p_starts || p_terms) AS a (term)
        CROSS JOIN LATERAL (
            SELECT p.term, p.first, p.data FROM {schema}.recall_postings p WHERE p.scope = v_scope AND p.term <= a.term
            ORDER BY p.term DESC, p.first DESC LIMIT 1
        ) p;
END $$;

-- The values of a stored vector.
CREATE OR REPLACE FUNCTION {schema}.recall_values_of(p_scale real, p_data bytea) RETURNS real[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg((p_scale * ((get_byte(p_data, i) # 128) - 128))::real ORDER BY i)
    FROM generate_series(0, length(p_data) - 1) AS i
$$;

-- The signs of a vector as seen from a centre of the same dimension, one bit for each.
CREATE OR REPLACE FUNCTION {schema}.recall_signs_of(p_vector real[], p_centre real[]) RETURNS bit varying
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(CASE WHEN u.value > u.middle THEN '1' ELSE '0' END, '' ORDER BY u.n)::bit varying
    FROM unnest(p_vector, p_centre) WITH ORDINALITY AS u (value, middle, n)
$$;

-- The vectors of a scope that may be the nearest: all of them if they are few, otherwise those that share most signs. They are
-- in one row, because rows take longer to read than their vectors. `heads` has the document and the scale of each.
CREATE OR REPLACE FUNCTION {schema}.recall_near(
    p_scope text, p_model text, p_vector real[], p_few bigint, p_limit integer
) RETURNS TABLE (are_all boolean, heads bytea, data bytea)
LANGUAGE plpgsql STABLE SET jit = off SET work_mem = '32MB' AS $$
#variable_conflict use_column
DECLARE
    v_scope bigint;
    v_vectors bigint;
    v_centre real[];
    v_signs bit varying;
    v_alike bigint[];
BEGIN
    SELECT s.key, m.vectors, m.centre INTO v_scope, v_vectors, v_centre
    FROM {schema}.recall_scopes s JOIN {schema}.recall_models m ON m.scope = s.key
    WHERE s.id = p_scope AND m.model = p_model;
    IF v_vectors > p_few AND cardinality(v_centre) = cardinality(p_vector) THEN
        v_signs := {schema}.recall_signs_of(p_vector, v_centre);
        -- A join would read all vectors.
        v_alike := ARRAY(
            SELECT g.document FROM {schema}.recall_signs g WHERE g.scope = v_scope
            ORDER BY bit_count(g.data # v_signs) LIMIT p_limit
        );
        RETURN QUERY
            SELECT false, string_agg(int8send(v.document) || float4send(v.scale), ''), string_agg(v.data, '')
            FROM {schema}.recall_vectors v WHERE v.document = ANY (v_alike) AND v.model = p_model;
    ELSE
        RETURN QUERY
            SELECT true, string_agg(int8send(v.document) || float4send(v.scale), ''), string_agg(v.data, '')
            FROM {schema}.recall_vectors v
            WHERE v.scope = v_scope AND v.model = p_model AND length(v.data) = cardinality(p_vector);
    END IF;
END $$;

-- Documents without a vector of a model, those of the newest blocks first. Nothing is looked for if no vector is missing.
-- OFFSET 0 keeps the planner from joining all documents before it takes the first ones.
CREATE OR REPLACE FUNCTION {schema}.recall_unembedded(p_scope text, p_model text, p_limit integer)
RETURNS TABLE (key bigint, data bytea)
LANGUAGE plpgsql STABLE SET jit = off SET enable_seqscan = off SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
    v_scope bigint;
    v_missing bigint;
BEGIN
    SELECT s.key, s.documents - coalesce(m.vectors, 0) INTO v_scope, v_missing
    FROM {schema}.recall_scopes s LEFT JOIN {schema}.recall_models m ON m.scope = s.key AND m.model = p_model
    WHERE s.id = p_scope;
    IF v_missing > 0 THEN
        RETURN QUERY
            SELECT d.key, d.data FROM {schema}.recall_blocks b CROSS JOIN LATERAL (
                SELECT d.key, d.data FROM {schema}.recall_documents d LEFT JOIN LATERAL (
                    SELECT true AS is_there FROM {schema}.recall_vectors v WHERE v.document = d.key AND v.model = p_model
                    OFFSET 0
                ) v ON true
                WHERE d.key BETWEEN b.first_key AND b.first_key + 15 AND v.is_there IS NULL
                OFFSET 0
            ) d
            WHERE b.scope = v_scope ORDER BY b.block DESC LIMIT least(p_limit, v_missing);
    END IF;
END $$;

-- The keys of the newest documents of a period. Only the blocks that may have one of them are read.
CREATE OR REPLACE FUNCTION {schema}.recall_newest_within(p_scope bigint, p_start bigint, p_until bigint, p_limit integer)
RETURNS bigint[]
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_block record;
    v_keys bigint[] := '{{}}';
    v_times bigint[] := '{{}}';
BEGIN
    FOR v_block IN
        SELECT b.first_key, b.newest_us FROM {schema}.recall_blocks b
        WHERE b.scope = p_scope AND b.newest_us >= p_start AND b.oldest_us < p_until ORDER BY b.newest_us DESC
    LOOP
        EXIT WHEN v_times[p_limit] >= v_block.newest_us;
        SELECT array_agg(f.key), array_agg(f.created_us) INTO v_keys, v_times
        FROM (
            SELECT f.key, f.created_us FROM (
                SELECT d.key, d.created_us FROM {schema}.recall_documents d
                WHERE d.key BETWEEN v_block.first_key AND v_block.first_key + 15
                    AND d.created_us >= p_start AND d.created_us < p_until
                UNION ALL SELECT * FROM unnest(v_keys, v_times)
            ) f ORDER BY f.created_us DESC, f.key DESC LIMIT p_limit
        ) f;
    END LOOP;
    RETURN v_keys;
END $$;

-- The keys, and those of the neighbours at one step of as many of the first keys as the first number says, at two steps of as
-- many as the second one says, and so on.
CREATE OR REPLACE FUNCTION {schema}.recall_with_neighbours(p_keys bigint[], p_neighbours integer[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_keys || ARRAY(
        SELECT p_keys[place] + way * n.step
        FROM unnest(p_neighbours) WITH ORDINALITY AS n (best, step)
        CROSS JOIN LATERAL generate_series(1, least(n.best, cardinality(p_keys))) AS place
        CROSS JOIN unnest(ARRAY[-1, 1]) AS way
    )
$$;

-- The documents of the given numbers, the given nearest in meaning, and the newest of the periods, with their neighbours; their
-- speakers and threads; and the vectors of `p_size` dimensions of those that are not among the nearest, unless it is 0. All of
-- it is one row, and a document is 28 bytes, because hundreds of rows take longer to send and to read.
CREATE OR REPLACE FUNCTION {schema}.recall_candidates(
    p_scope text, p_numbers integer[], p_starts bigint[], p_ends bigint[], p_limit integer,
    p_neighbours integer[], p_near bigint[], p_model text, p_size integer
) RETURNS TABLE (
    documents bytea, spoken bigint[], speakers text[], threads bigint[], thread_ids text[], heads bytea, data bytea
)
LANGUAGE plpgsql STABLE SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    v_scope bigint := (SELECT s.key FROM {schema}.recall_scopes s WHERE s.id = p_scope);
    v_hits bigint[] := ARRAY(
        SELECT b.first_key + (n.number & 15) FROM unnest(p_numbers) WITH ORDINALITY AS n (number, place)
        JOIN {schema}.recall_blocks b ON b.scope = v_scope AND b.block = n.number >> 4
        ORDER BY n.place
    );
    v_keys bigint[] := {schema}.recall_with_neighbours(v_hits, p_neighbours)
        || {schema}.recall_with_neighbours(p_near, p_neighbours);
BEGIN
    FOR i IN 1 .. cardinality(p_starts) LOOP
        v_keys := v_keys || {schema}.recall_with_neighbours(
            {schema}.recall_newest_within(v_scope, p_starts[i], p_ends[i], p_limit), p_neighbours
        );
    END LOOP;
    -- The keys are all of threads of the scope: numbers and vectors are the scope's own, and neighbours are in their thread.
    SELECT
        string_agg(
            int8send(d.key) || int8send(d.created_us) || int8send((d.number::bigint << 32) | d.turn)
                || int4send((d.size::integer << 16) | (d.traits << 1) | d.is_answer::integer),
            ''
        ),
        array_agg(d.key) FILTER (WHERE d.speaker <> ''), array_agg(d.speaker) FILTER (WHERE d.speaker <> ''),
        array_agg(DISTINCT d.key >> 32)
    INTO documents, spoken, speakers, threads FROM {schema}.recall_documents d WHERE d.key = ANY (v_keys);
    SELECT array_agg(t.key), array_agg(t.id) INTO threads, thread_ids FROM {schema}.recall_threads t
    WHERE t.key = ANY (threads) AND t.scope = v_scope;
    IF p_size > 0 THEN
        SELECT string_agg(int8send(v.document) || float4send(v.scale), ''), string_agg(v.data, '') INTO heads, data
        FROM {schema}.recall_vectors v
        WHERE v.document = ANY (ARRAY(SELECT unnest(v_keys) EXCEPT SELECT unnest(p_near)))
            AND v.model = p_model AND length(v.data) = p_size;
    END IF;
    RETURN NEXT;
END $$;

-- The documents of the given keys, each with the id of its turn, and the position of its thread.
CREATE OR REPLACE FUNCTION {schema}.recall_documents_of(p_keys bigint[])
RETURNS TABLE (
    key bigint, thread_id text, turn integer, turn_id text, "position" integer, is_answer boolean, speaker text,
    created_us bigint, data bytea, scope text, incarnation text, revision bigint, record_id text, edits bigint
)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT
            d.key, t.id, d.turn,
            CASE WHEN d.turn_id <> '' THEN d.turn_id ELSE (
                SELECT f.turn_id FROM {schema}.recall_documents f WHERE f.key < d.key AND f.turn_id <> ''
                ORDER BY f.key DESC LIMIT 1
            ) END,
            d.position, d.is_answer, d.speaker, d.created_us, d.data, s.id, t.incarnation, t.revision, t.record_id,
            t.edits
        FROM {schema}.recall_documents d JOIN {schema}.recall_threads t ON t.key = d.key >> 32
        JOIN {schema}.recall_scopes s ON s.key = t.scope
        WHERE d.key = ANY (p_keys);
END $$;

-- The threads of a turn's scope that hold the turn. An application may use an id in two threads, so the time and the text
-- are compared.
CREATE OR REPLACE FUNCTION {schema}.recall_holders(p_thread_id text, p_turn bigint)
RETURNS TABLE (thread_id text, incarnation text, turn integer)
LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    SELECT DISTINCT o.id, o.incarnation, c.turn
    FROM {schema}.recall_threads t
    CROSS JOIN LATERAL (
        SELECT * FROM {schema}.recall_documents f
        WHERE f.key >= t.key << 32 AND f.key < (t.key + 1) << 32 AND f.turn = p_turn AND f.turn_id <> '' LIMIT 1
    ) d
    JOIN {schema}.recall_documents c
        ON ((c.created_us << 12) | (c.digest & 4095)) = ((d.created_us << 12) | (d.digest & 4095))
        AND c.created_us = d.created_us AND c.digest = d.digest AND c.turn_id = d.turn_id AND c.turn_id <> ''
        AND c.position = d.position
    JOIN {schema}.recall_threads o ON o.key = c.key >> 32 AND o.scope = t.scope
    WHERE t.id = p_thread_id
$$;

-- The rows of postings that have the chunks of each term with numbers from `p_firsts` to `p_lasts`, or would have them. A
-- row that several terms share is returned for each of them.
CREATE OR REPLACE FUNCTION {schema}.recall_rows_between(
    p_scope bigint, p_terms text[], p_firsts integer[], p_lasts integer[]
) RETURNS TABLE (term text, first integer, data bytea)
LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    SELECT r.* FROM unnest(p_terms, p_firsts, p_lasts) AS a (term, first, last)
    CROSS JOIN LATERAL (
        (
            SELECT p.term, p.first, p.data FROM {schema}.recall_postings p
            WHERE p.scope = p_scope AND (p.term, p.first) <= (a.term COLLATE "C", a.first)
            ORDER BY p.term DESC, p.first DESC LIMIT 1
        ) UNION ALL (
            SELECT p.term, p.first, p.data FROM {schema}.recall_postings p
            WHERE a.last > a.first AND p.scope = p_scope AND p.term = a.term AND p.first > a.first AND p.first <= a.last
        )
    ) r
$$;

-- FUNCTIONS THAT WRITE ------------------------------------------------------------------------------------------------
--
-- A function that changes a thread's documents locks the row of the thread, and then the row of its scope.

-- Take in the changes of a thread. Returns the scope, the number of its pending documents, and the places in the arrays
-- and the numbers of the new documents; no row if another process has followed the thread meanwhile, or if not
-- `p_is_current`. With `p_counts`, the new documents are pending. Without, the same transaction must enter their terms.
CREATE OR REPLACE FUNCTION {schema}.recall_apply(
    p_is_current boolean, p_shape integer, p_lock_timeout_ms integer, p_thread_id text,
    p_known_scope text, p_known_incarnation text, p_known_revision bigint, p_known_record_id text, p_known_edits bigint,
    p_scope text, p_incarnation text, p_revision bigint, p_record_id text, p_edits bigint,
    p_is_fresh boolean, p_first bigint, p_undone bigint[], p_forgotten bigint[],
    p_turns bigint[], p_positions integer[], p_created bigint[], p_traits integer[], p_sizes integer[],
    p_terms integer[], p_are_answers boolean[], p_speakers text[], p_turn_ids text[], p_digests integer[],
    p_counts text[], p_data bytea[]
) RETURNS TABLE (scope bigint, waiting bigint, places bigint[], numbers integer[])
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_known record;
    v_scope bigint;
    v_blocks bigint;
    v_thread bigint;
    v_next bigint := 0;
    v_block bigint := 0;
    v_given bigint;
    v_turn bigint;
    v_removed bigint := 0;
    v_added bigint;
    v_size bigint;
    v_places bigint[];
    v_numbers integer[];
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    PERFORM FROM {schema}.recall_state WHERE shape = p_shape;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the index of memories has another shape' USING ERRCODE = 'RC001';
    END IF;
    IF NOT p_is_current THEN
        RETURN;
    END IF;
    SELECT t.key, t.scope, t.next, t.block, s.id AS scope_id, t.incarnation, t.revision, t.record_id, t.edits INTO v_known
    FROM {schema}.recall_threads t JOIN {schema}.recall_scopes s ON s.key = t.scope
    WHERE t.id = p_thread_id FOR UPDATE OF t;
    IF ROW(v_known.scope_id, v_known.incarnation, v_known.revision, v_known.record_id, v_known.edits)
        IS DISTINCT FROM ROW(p_known_scope, p_known_incarnation, p_known_revision, p_known_record_id, p_known_edits) THEN
        RETURN;
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
        RETURN QUERY SELECT v_known.scope, 0::bigint, v_places, v_numbers;
        RETURN;
    END IF;

    SELECT s.key, s.blocks INTO v_scope, v_blocks FROM {schema}.recall_scopes s WHERE s.id = p_scope FOR UPDATE;
    IF v_scope IS NULL THEN
        INSERT INTO {schema}.recall_scopes AS s (id) VALUES (p_scope)
        ON CONFLICT (id) DO UPDATE SET size = s.size RETURNING s.key, s.blocks INTO v_scope, v_blocks;
    END IF;
    IF v_known.key IS NULL THEN
        INSERT INTO {schema}.recall_threads (id, scope, incarnation, revision, record_id, edits, next)
        VALUES (p_thread_id, v_scope, p_incarnation, p_revision, p_record_id, p_edits, 0)
        ON CONFLICT (id) DO NOTHING RETURNING recall_threads.key INTO v_thread;
        IF v_thread IS NULL THEN
            RETURN;
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
        v_block := v_known.block;
    END IF;
    v_given := (v_next + 15) >> 4;
    IF cardinality(p_forgotten) > 0 THEN
        INSERT INTO {schema}.recall_forgotten (thread_id, incarnation, first, last)
        SELECT p_thread_id, p_incarnation, min(n.turn), max(n.turn) FROM (
            SELECT a.turn, a.turn - row_number() OVER (ORDER BY a.turn) AS gap
            FROM unnest(p_forgotten) AS a (turn) WHERE NOT EXISTS (
                SELECT FROM {schema}.recall_forgotten f
                WHERE f.thread_id = p_thread_id AND f.incarnation = p_incarnation AND a.turn BETWEEN f.first AND f.last
            )
        ) n GROUP BY n.gap ON CONFLICT DO NOTHING;
    END IF;

    WITH wanted AS (
        SELECT a.*, v_next + row_number() OVER (ORDER BY a.n) - 1 AS place
        FROM unnest(
            p_turns, p_positions, p_created, p_traits, p_sizes, p_terms, p_are_answers, p_speakers, p_turn_ids,
            p_digests, p_counts, p_data
        ) WITH ORDINALITY AS a (
            turn, position, created_us, traits, size, terms, is_answer, speaker, turn_id, digest, counts, data, n
        )
        WHERE NOT EXISTS (
            SELECT FROM {schema}.recall_forgotten f
            WHERE f.thread_id = p_thread_id AND f.incarnation = p_incarnation AND a.turn BETWEEN f.first AND f.last
        )
    ), placed AS (
        SELECT w.*, CASE WHEN w.place >> 4 < v_given THEN v_block ELSE v_blocks + (w.place >> 4) - v_given END AS block
        FROM wanted w
    ), numbered AS (
        SELECT w.*, ((w.block << 4) + (w.place & 15))::integer AS number FROM placed w
    ), added AS (
        INSERT INTO {schema}.recall_documents
            (key, created_us, digest, number, turn, position, size, terms, traits, is_answer, speaker, turn_id, data)
        SELECT (v_thread << 32) + w.place, w.created_us, w.digest, w.number, w.turn, w.position, w.size, w.terms,
            w.traits, w.is_answer, w.speaker, w.turn_id, w.data
        FROM numbered w ORDER BY w.n
        RETURNING speaker
    ), pending AS (
        INSERT INTO {schema}.recall_pending (scope, number, counts)
        SELECT v_scope, w.number, w.counts FROM numbered w WHERE p_counts IS NOT NULL
    ), blocks AS (
        INSERT INTO {schema}.recall_blocks AS b (scope, block, first_key, oldest_us, newest_us)
        SELECT v_scope, w.block, (v_thread << 32) + (min(w.place) >> 4 << 4), min(w.created_us), max(w.created_us)
        FROM numbered w GROUP BY w.block
        ON CONFLICT (scope, block) DO UPDATE SET
            oldest_us = least(b.oldest_us, excluded.oldest_us), newest_us = greatest(b.newest_us, excluded.newest_us)
    ), named AS (
        INSERT INTO {schema}.recall_speakers AS s (scope, name, documents)
        SELECT v_scope, a.speaker, count(*) FROM added a WHERE a.speaker <> '' GROUP BY a.speaker
        ON CONFLICT (scope, name) DO UPDATE SET documents = s.documents + excluded.documents
    )
    SELECT count(*), coalesce(sum(w.size), 0), array_agg(w.n), array_agg(w.number)
    INTO v_added, v_size, v_places, v_numbers FROM numbered w;
    IF v_added > 0 THEN
        IF (v_next + v_added - 1) >> 4 >= v_given THEN
            v_block := v_blocks + ((v_next + v_added - 1) >> 4) - v_given;
            v_blocks := v_block + 1;
        END IF;
        UPDATE {schema}.recall_scopes s
        SET documents = s.documents + v_added, size = s.size + v_size, blocks = v_blocks,
            waiting = s.waiting + CASE WHEN p_counts IS NULL THEN 0 ELSE v_added END
        WHERE s.key = v_scope;
    END IF;
    UPDATE {schema}.recall_threads t
    SET revision = p_revision, record_id = p_record_id, edits = p_edits, next = v_next + v_added, block = v_block
    WHERE t.key = v_thread;
    IF v_known.scope_id <> p_scope THEN
        v_removed := v_removed
            + {schema}.recall_move_facts(p_thread_id, v_known.incarnation, v_known.scope_id, p_scope);
    END IF;
    IF EXISTS (SELECT FROM {schema}.recall_fact_progress p WHERE p.thread_id = p_thread_id)
        OR EXISTS (SELECT FROM {schema}.recall_fact_sources s WHERE s.thread_id = p_thread_id) THEN
        PERFORM {schema}.recall_remove_changed(p_thread_id, v_thread, p_turns);
    END IF;
    IF v_added > 0 AND EXISTS (SELECT FROM {schema}.recall_facts f WHERE f.scope = p_scope) THEN
        INSERT INTO {schema}.recall_fact_sources (fact, thread_id, incarnation, turn, mark)
        SELECT DISTINCT s.fact, p_thread_id, p_incarnation, m.turn, m.mark
        FROM (SELECT a.turn, {schema}.recall_mark(v_thread, a.turn) AS mark FROM unnest(p_turns) AS a (turn)) m
        JOIN {schema}.recall_fact_sources s ON s.mark = m.mark
        JOIN {schema}.recall_facts f ON f.id = s.fact AND f.scope = p_scope
        ON CONFLICT DO NOTHING;
    END IF;
    IF v_removed > 0 OR p_is_fresh THEN
        PERFORM {schema}.recall_remove_orphans(p_thread_id, v_thread, p_incarnation, p_revision);
    END IF;
    IF v_removed = 0 THEN
        -- After a crash of the server, an addition is made again from the log. So it does not wait for the disk.
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    RETURN QUERY SELECT s.key, s.waiting, v_places, v_numbers FROM {schema}.recall_scopes s WHERE s.key = v_scope;
END $$;

-- Delete the documents of the turns p_first to p_last; returns the number of documents. The transaction must then take
-- their terms out of the postings: see `recall_take_leaving`.
CREATE OR REPLACE FUNCTION {schema}.recall_remove(p_thread bigint, p_first bigint, p_last bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_scope bigint;
    v_numbers integer[];
    v_waiting bigint;
BEGIN
    SELECT t.scope INTO v_scope FROM {schema}.recall_threads t WHERE t.key = p_thread;
    -- Vectors are counted in one statement, and under the lock that those who add vectors take first.
    PERFORM FROM {schema}.recall_models m WHERE m.scope = v_scope FOR UPDATE;
    IF FOUND THEN
        DELETE FROM {schema}.recall_vectors v USING {schema}.recall_documents d
        WHERE d.key >= p_thread << 32 AND d.key < (p_thread + 1) << 32 AND d.turn BETWEEN p_first AND p_last
            AND v.document = d.key;
    END IF;
    WITH gone AS (
        DELETE FROM {schema}.recall_documents d
        WHERE d.key >= p_thread << 32 AND d.key < (p_thread + 1) << 32 AND d.turn BETWEEN p_first AND p_last
        RETURNING d.speaker, d.size, d.number, d.terms, d.created_us, d.data
    ), leaving AS (
        INSERT INTO {schema}.recall_leaving (scope, number, terms, created_us, speaker, data)
        SELECT v_scope, g.number, g.terms, g.created_us, g.speaker, g.data FROM gone g
        WHERE NOT EXISTS (SELECT FROM {schema}.recall_pending w WHERE w.scope = v_scope AND w.number = g.number)
    ), counted AS (
        UPDATE {schema}.recall_scopes s SET documents = s.documents - g.documents, size = s.size - g.size
        FROM (SELECT count(*) AS documents, sum(size) AS size FROM gone HAVING count(*) > 0) g WHERE s.key = v_scope
    ), named AS (
        UPDATE {schema}.recall_speakers s SET documents = s.documents - g.documents
        FROM (SELECT speaker, count(*) AS documents FROM gone GROUP BY speaker) g
        WHERE s.scope = v_scope AND s.name = g.speaker
    )
    SELECT array_agg(g.number) INTO v_numbers FROM gone g;
    IF v_numbers IS NULL THEN
        RETURN 0;
    END IF;
    DELETE FROM {schema}.recall_speakers s WHERE s.scope = v_scope AND s.documents < 1;
    DELETE FROM {schema}.recall_pending w WHERE w.scope = v_scope AND w.number = ANY (v_numbers);
    GET DIAGNOSTICS v_waiting = ROW_COUNT;
    UPDATE {schema}.recall_scopes s SET waiting = s.waiting - v_waiting WHERE s.key = v_scope AND v_waiting > 0;
    DELETE FROM {schema}.recall_blocks b
    WHERE b.scope = v_scope AND b.block IN (SELECT DISTINCT n >> 4 FROM unnest(v_numbers) AS n)
        AND NOT EXISTS (
            SELECT FROM {schema}.recall_documents d WHERE d.key BETWEEN b.first_key AND b.first_key + 15
        );
    RETURN cardinality(v_numbers);
END $$;

-- Return the documents that this transaction has removed, and whose terms are in the postings, and forget them. If a scope
-- has no document left, its postings are deleted at once.
CREATE OR REPLACE FUNCTION {schema}.recall_take_leaving()
RETURNS TABLE (scope bigint, number integer, terms integer, created_us bigint, speaker text, data bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    WITH emptied AS (
        DELETE FROM {schema}.recall_leaving l
        WHERE NOT EXISTS (SELECT FROM {schema}.recall_scopes s WHERE s.key = l.scope AND s.documents > 0)
        RETURNING l.scope
    )
    DELETE FROM {schema}.recall_postings p WHERE p.scope IN (SELECT e.scope FROM emptied e);
    RETURN QUERY DELETE FROM {schema}.recall_leaving l RETURNING l.scope, l.number, l.terms, l.created_us, l.speaker, l.data;
END $$;

-- Lock a scope, and return its pending documents. No other process then enters them or removes documents.
CREATE OR REPLACE FUNCTION {schema}.recall_lock_pending(
    p_shape integer, p_lock_timeout_ms integer, p_scope bigint, p_limit integer
) RETURNS TABLE (number integer, counts text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    PERFORM FROM {schema}.recall_state WHERE shape = p_shape;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the index of memories has another shape' USING ERRCODE = 'RC001';
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM FROM {schema}.recall_scopes s WHERE s.key = p_scope FOR UPDATE;
    RETURN QUERY SELECT w.number, w.counts FROM {schema}.recall_pending w WHERE w.scope = p_scope LIMIT p_limit;
END $$;

-- Note that documents are not pending any more.
CREATE OR REPLACE FUNCTION {schema}.recall_note_entered(p_scope bigint, p_numbers integer[]) RETURNS void
LANGUAGE sql AS $$
    DELETE FROM {schema}.recall_pending w WHERE w.scope = p_scope AND w.number = ANY (p_numbers);
    UPDATE {schema}.recall_scopes s SET waiting = greatest(0, s.waiting - cardinality(p_numbers)) WHERE s.key = p_scope;
$$;

-- Write rows of postings, and delete others.
CREATE OR REPLACE FUNCTION {schema}.recall_write_rows(
    p_scope bigint, p_gone_terms text[], p_gone_firsts integer[], p_terms text[], p_firsts integer[], p_data bytea[]
) RETURNS void
LANGUAGE sql SET enable_seqscan = off AS $$
    DELETE FROM {schema}.recall_postings p USING unnest(p_gone_terms, p_gone_firsts) AS g (term, first)
    WHERE p.scope = p_scope AND p.term = g.term AND p.first = g.first;
    INSERT INTO {schema}.recall_postings (scope, term, first, data)
    SELECT p_scope, a.term, a.first, a.data FROM unnest(p_terms, p_firsts, p_data) AS a (term, first, data)
    ON CONFLICT (scope, term, first) DO UPDATE SET data = excluded.data;
$$;

-- The digest of a turn's id and texts.
CREATE OR REPLACE FUNCTION {schema}.recall_mark(p_thread bigint, p_turn bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT md5(coalesce(string_agg(md5(d.turn_id) || d.digest, ' ' ORDER BY d.key), ''))
    FROM {schema}.recall_documents d
    WHERE d.key >= p_thread << 32 AND d.key < (p_thread + 1) << 32 AND d.turn = p_turn
$$;

-- Delete the facts that came from one of these turns when it had another id or another text: a body was rewritten, or
-- the storage was put back. The thread is then searched for facts again.
CREATE OR REPLACE FUNCTION {schema}.recall_remove_changed(p_thread_id text, p_thread bigint, p_turns bigint[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_changed bigint[];
    v_facts bigint[];
BEGIN
    SELECT array_agg(DISTINCT m.turn) INTO v_changed
    FROM (
        SELECT s.turn, s.mark FROM {schema}.recall_fact_sources s
        WHERE s.thread_id = p_thread_id AND s.turn = ANY (p_turns)
        UNION SELECT p.through, p.mark FROM {schema}.recall_fact_progress p
        WHERE p.thread_id = p_thread_id AND p.through = ANY (p_turns)
    ) m WHERE m.mark <> {schema}.recall_mark(p_thread, m.turn);
    IF v_changed IS NULL THEN
        RETURN;
    END IF;
    UPDATE {schema}.recall_fact_progress p SET through = 0, mark = '' WHERE p.thread_id = p_thread_id;
    WITH gone AS (
        DELETE FROM {schema}.recall_fact_sources s WHERE s.thread_id = p_thread_id AND s.turn = ANY (v_changed)
        RETURNING s.fact
    )
    SELECT array_agg(DISTINCT g.fact) INTO v_facts FROM gone g;
    PERFORM {schema}.recall_remove_facts(v_facts);
END $$;

-- Delete those of the facts that have no source left; returns the number of deleted facts. The facts that they had
-- replaced are valid again, or are replaced by what had replaced the deleted facts.
CREATE OR REPLACE FUNCTION {schema}.recall_remove_facts(p_facts bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_gone bigint[];
    v_successors bigint[];
    v_until bigint[];
BEGIN
    WITH gone AS (
        DELETE FROM {schema}.recall_facts f
        WHERE f.id = ANY (p_facts)
            AND NOT EXISTS (SELECT FROM {schema}.recall_fact_sources s WHERE s.fact = f.id)
        RETURNING f.id, f.superseded_by, f.valid_until_us
    )
    SELECT array_agg(g.id), array_agg(g.superseded_by), array_agg(g.valid_until_us) INTO v_gone, v_successors, v_until
    FROM gone g;
    FOR i IN 1 .. coalesce(cardinality(v_gone), 0) LOOP  -- a deleted fact may have been replaced by another one
        UPDATE {schema}.recall_facts f
        SET superseded_by = g.successor,
            valid_until_us = CASE WHEN g.successor IS NOT NULL THEN greatest(f.valid_from_us, g.until_us) END
        FROM unnest(v_gone, v_successors, v_until) AS g (id, successor, until_us) WHERE f.superseded_by = g.id;
        EXIT WHEN NOT FOUND;
    END LOOP;
    -- A corrected message is named by one of the threads that hold its turn. Now another one takes its place.
    UPDATE {schema}.recall_corrections c SET thread_id = s.thread_id, turn = s.turn
    FROM {schema}.recall_fact_sources s
    WHERE c.fact = ANY (p_facts) AND s.fact = c.fact AND c.thread_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM {schema}.recall_fact_sources o
        WHERE o.fact = c.fact AND o.thread_id = c.thread_id AND o.turn = c.turn
    );
    RETURN coalesce(cardinality(v_gone), 0);
END $$;

-- Delete the facts of which every turn is gone; the facts that they had replaced hold again. Turns after p_revision are
-- not followed yet and count as present. Without p_incarnation, the thread is gone.
CREATE OR REPLACE FUNCTION {schema}.recall_remove_orphans(
    p_thread_id text, p_thread bigint, p_incarnation text, p_revision bigint
) RETURNS bigint
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
        RETURN 0;
    END IF;
    RETURN {schema}.recall_remove_facts(v_facts);
END $$;

-- Let the facts of a thread come along to another scope; returns the number of facts that the first scope loses. A fact that
-- comes from another thread, too, stays there, and the new scope gets a copy. A fact that the new scope has already gets
-- only the sources. What replaced a fact and does not come along leaves the fact valid.
CREATE OR REPLACE FUNCTION {schema}.recall_move_facts(p_thread_id text, p_incarnation text, p_scope text, p_to text)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_old bigint[] := ARRAY[]::bigint[];
    v_new bigint[] := ARRAY[]::bigint[];
    v_found record;
    v_copy bigint;
    v_successor bigint;
    v_until bigint;
BEGIN
    FOR v_found IN
        SELECT f.id, f.text, f.valid_from_us, c.said
        FROM {schema}.recall_facts f LEFT JOIN {schema}.recall_corrections c ON c.fact = f.id
        WHERE f.scope = p_scope AND EXISTS (
            SELECT FROM {schema}.recall_fact_sources s
            WHERE s.fact = f.id AND s.thread_id = p_thread_id AND s.incarnation = p_incarnation
        ) ORDER BY f.id
    LOOP
        SELECT g.id INTO v_copy
        FROM {schema}.recall_fact_sources own
        JOIN {schema}.recall_fact_sources other ON other.mark = own.mark
        JOIN {schema}.recall_facts g ON g.id = other.fact
        LEFT JOIN {schema}.recall_corrections c ON c.fact = g.id
        WHERE own.fact = v_found.id AND own.thread_id = p_thread_id AND g.scope = p_to AND g.text = v_found.text
            AND g.valid_from_us = v_found.valid_from_us AND c.said IS NOT DISTINCT FROM v_found.said
        LIMIT 1;
        IF v_copy IS NULL THEN
            INSERT INTO {schema}.recall_facts (scope, text, valid_from_us)
            VALUES (p_to, v_found.text, v_found.valid_from_us) RETURNING id INTO v_copy;
            INSERT INTO {schema}.recall_corrections
                (fact, turn, created_us, position, thread_id, turn_id, role, speaker, said)
            SELECT v_copy, CASE WHEN c.said IS NOT NULL THEN s.turn END, c.created_us, c.position,
                CASE WHEN c.said IS NOT NULL THEN p_thread_id END, c.turn_id, c.role, c.speaker, c.said
            FROM {schema}.recall_corrections c JOIN {schema}.recall_fact_sources s
            ON s.fact = c.fact AND s.thread_id = p_thread_id AND s.incarnation = p_incarnation
            WHERE c.fact = v_found.id ORDER BY s.turn LIMIT 1;
        END IF;
        INSERT INTO {schema}.recall_fact_sources (fact, thread_id, incarnation, turn, mark)
        SELECT v_copy, s.thread_id, s.incarnation, s.turn, s.mark FROM {schema}.recall_fact_sources s
        WHERE s.fact = v_found.id AND s.thread_id = p_thread_id AND s.incarnation = p_incarnation
        ON CONFLICT DO NOTHING;
        v_old := v_old || v_found.id;
        v_new := v_new || v_copy;
    END LOOP;
    FOR i IN 1 .. cardinality(v_old) LOOP
        SELECT f.superseded_by, f.valid_until_us INTO v_successor, v_until
        FROM {schema}.recall_facts f WHERE f.id = v_old[i];
        WHILE v_successor IS NOT NULL AND array_position(v_old, v_successor) IS NULL LOOP
            SELECT f.superseded_by, f.valid_until_us INTO v_successor, v_until
            FROM {schema}.recall_facts f WHERE f.id = v_successor;
        END LOOP;
        UPDATE {schema}.recall_facts f
        SET superseded_by = v_new[array_position(v_old, v_successor)], valid_until_us = greatest(f.valid_from_us, v_until)
        WHERE f.id = v_new[i] AND f.superseded_by IS NULL AND v_successor IS NOT NULL;
    END LOOP;
    -- The newer one of two valid corrections of one message replaces the older one.
    FOREACH v_copy IN ARRAY v_new LOOP
        UPDATE {schema}.recall_facts older SET superseded_by = newer.id, valid_until_us = newer.valid_from_us
        FROM {schema}.recall_corrections its, {schema}.recall_corrections other, {schema}.recall_facts newer
        WHERE its.fact = older.id AND newer.id = other.fact AND v_copy IN (older.id, newer.id)
            AND older.scope = newer.scope AND older.superseded_by IS NULL AND newer.superseded_by IS NULL
            AND (older.valid_from_us, older.id) < (newer.valid_from_us, newer.id)
            AND (its.turn_id, its.position, its.created_us, its.said)
                = (other.turn_id, other.position, other.created_us, other.said);
    END LOOP;
    DELETE FROM {schema}.recall_fact_sources s USING {schema}.recall_facts f
    WHERE f.id = s.fact AND f.scope = p_scope AND s.thread_id = p_thread_id;
    RETURN {schema}.recall_remove_facts(v_old);
END $$;

CREATE OR REPLACE FUNCTION {schema}.recall_drop_scope_if_unused(p_scope bigint) RETURNS void
LANGUAGE sql AS $$
    DELETE FROM {schema}.recall_scopes s
    WHERE s.key = p_scope AND NOT EXISTS (SELECT FROM {schema}.recall_threads t WHERE t.scope = p_scope)
$$;

-- Count the vectors of each model, whatever statement adds, replaces or removes them.
CREATE OR REPLACE FUNCTION {schema}.recall_count_vectors() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE {schema}.recall_models m SET vectors = m.vectors - r.vectors
        FROM (SELECT v.scope, v.model, count(*) AS vectors FROM removed v GROUP BY v.scope, v.model) r
        WHERE m.scope = r.scope AND m.model = r.model;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO {schema}.recall_models AS m (scope, model, vectors)
        SELECT v.scope, v.model, count(*) FROM added v GROUP BY v.scope, v.model
        ON CONFLICT (scope, model) DO UPDATE SET vectors = m.vectors + excluded.vectors;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM {schema}.recall_models m USING removed v
        WHERE m.scope = v.scope AND m.model = v.model AND m.vectors < 1;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER recall_vectors_added AFTER INSERT ON {schema}.recall_vectors
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.recall_count_vectors();
CREATE OR REPLACE TRIGGER recall_vectors_replaced AFTER UPDATE ON {schema}.recall_vectors
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.recall_count_vectors();
CREATE OR REPLACE TRIGGER recall_vectors_removed AFTER DELETE ON {schema}.recall_vectors
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION {schema}.recall_count_vectors();

-- Keep vectors of documents that are still there, in place of vectors of another model, and their signs if there are more
-- than p_few of them.
CREATE OR REPLACE FUNCTION {schema}.recall_add_vectors(
    p_lock_timeout_ms integer, p_scope text, p_model text, p_documents bigint[], p_scales real[], p_data bytea[],
    p_few bigint
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_scope bigint;
    v_vectors bigint;
    v_centre real[];
    v_changed bigint[] := p_documents;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT s.key INTO v_scope FROM {schema}.recall_scopes s WHERE s.id = p_scope;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO {schema}.recall_models (scope, model) VALUES (v_scope, p_model) ON CONFLICT DO NOTHING;
    PERFORM FROM {schema}.recall_models m WHERE m.scope = v_scope FOR UPDATE;
    INSERT INTO {schema}.recall_vectors (document, scope, model, scale, data)
    SELECT d.key, s.key, p_model, v.scale, v.data
    FROM unnest(p_documents, p_scales, p_data) AS v (document, scale, data)
    JOIN {schema}.recall_documents d ON d.key = v.document
    JOIN {schema}.recall_threads t ON t.key = d.key >> 32
    JOIN {schema}.recall_scopes s ON s.key = t.scope AND s.id = p_scope
    ORDER BY d.key FOR KEY SHARE OF d
    ON CONFLICT (document) DO UPDATE SET model = excluded.model, scale = excluded.scale, data = excluded.data;

    SELECT m.vectors, m.centre INTO v_vectors, v_centre FROM {schema}.recall_models m
    WHERE m.scope = v_scope AND m.model = p_model;
    IF v_centre IS NULL AND v_vectors > p_few THEN
        SELECT array_agg(c.middle ORDER BY c.n) INTO v_centre FROM (
            SELECT u.n, avg(u.value)::real AS middle
            FROM {schema}.recall_vectors v
            CROSS JOIN unnest({schema}.recall_values_of(v.scale, v.data)) WITH ORDINALITY AS u (value, n)
            WHERE v.scope = v_scope AND v.model = p_model AND length(v.data) = (
                SELECT length(w.data) FROM {schema}.recall_vectors w
                WHERE w.scope = v_scope AND w.model = p_model
                GROUP BY length(w.data) ORDER BY count(*) DESC LIMIT 1
            )
            GROUP BY u.n
        ) c;
        UPDATE {schema}.recall_models m SET centre = CASE WHEN m.model = p_model THEN v_centre END
        WHERE m.scope = v_scope;
        DELETE FROM {schema}.recall_signs g WHERE g.scope = v_scope;
        v_changed := NULL;
    ELSE
        DELETE FROM {schema}.recall_signs g WHERE g.document = ANY (p_documents);
    END IF;
    IF v_centre IS NOT NULL THEN
        INSERT INTO {schema}.recall_signs (document, scope, data)
        SELECT v.document, v.scope, {schema}.recall_signs_of({schema}.recall_values_of(v.scale, v.data), v_centre)
        FROM {schema}.recall_vectors v
        WHERE (v_changed IS NULL OR v.document = ANY (v_changed)) AND v.scope = v_scope AND v.model = p_model
            AND length(v.data) = cardinality(v_centre);
    END IF;
END $$;

-- Take in the facts that were found in a turn, unless the turn is gone or has been searched before.
CREATE OR REPLACE FUNCTION {schema}.recall_add_facts(
    p_lock_timeout_ms integer, p_thread_id text, p_scope text, p_incarnation text, p_turn bigint,
    p_texts text[], p_valid_from bigint[], p_confirms bigint[], p_replaces text[], p_turn_id text
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_thread bigint;
    v_fact bigint;
    v_mark text;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT t.key INTO v_thread FROM {schema}.recall_threads t JOIN {schema}.recall_scopes s ON s.key = t.scope
    WHERE t.id = p_thread_id AND t.incarnation = p_incarnation AND s.id = p_scope FOR UPDATE OF t;
    PERFORM FROM {schema}.recall_scopes s WHERE s.id = p_scope FOR UPDATE;
    IF NOT EXISTS (
        SELECT FROM {schema}.recall_documents d
        WHERE d.key >= v_thread << 32 AND d.key < (v_thread + 1) << 32 AND d.turn = p_turn
            AND d.turn_id = coalesce(p_turn_id, d.turn_id)
    ) OR EXISTS (
        SELECT FROM {schema}.recall_fact_progress p
        WHERE p.thread_id = p_thread_id AND p.incarnation = p_incarnation AND p.through >= p_turn
    ) THEN
        RETURN;
    END IF;
    v_mark := {schema}.recall_mark(v_thread, p_turn);
    FOR i IN 1 .. cardinality(p_texts) LOOP
        SELECT f.id INTO v_fact FROM {schema}.recall_facts f WHERE f.id = p_confirms[i] AND f.scope = p_scope;
        IF v_fact IS NULL THEN
            INSERT INTO {schema}.recall_facts (scope, text, valid_from_us)
            VALUES (p_scope, p_texts[i], p_valid_from[i]) RETURNING id INTO v_fact;
        END IF;
        INSERT INTO {schema}.recall_fact_sources (fact, thread_id, incarnation, turn, mark)
        SELECT v_fact, h.thread_id, h.incarnation, h.turn, v_mark
        FROM {schema}.recall_holders(p_thread_id, p_turn) h ON CONFLICT DO NOTHING;
        UPDATE {schema}.recall_facts f
        SET valid_until_us = greatest(f.valid_from_us, p_valid_from[i]), superseded_by = v_fact
        WHERE f.id = ANY (p_replaces[i]::bigint[]) AND f.scope = p_scope AND f.superseded_by IS NULL AND f.id <> v_fact;
    END LOOP;
    INSERT INTO {schema}.recall_fact_progress (thread_id, incarnation, through, mark)
    VALUES (p_thread_id, p_incarnation, p_turn, v_mark)
    ON CONFLICT (thread_id)
    DO UPDATE SET incarnation = excluded.incarnation, through = excluded.through, mark = excluded.mark;
END $$;

-- Add a fact that replaces the words of a message, unless the message's turn is gone; returns the fact, or NULL. A
-- message that was corrected before has an earlier fact, which is replaced.
CREATE OR REPLACE FUNCTION {schema}.recall_correct_message(
    p_lock_timeout_ms integer, p_scope text, p_incarnation text, p_thread_id text, p_turn bigint, p_turn_id text,
    p_position integer, p_role text, p_speaker text, p_created_us bigint, p_said text, p_text text, p_at_us bigint
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_thread bigint;
    v_fact bigint;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT t.key INTO v_thread FROM {schema}.recall_threads t JOIN {schema}.recall_scopes s ON s.key = t.scope
    WHERE t.id = p_thread_id AND t.incarnation = p_incarnation AND s.id = p_scope FOR UPDATE OF t;
    PERFORM FROM {schema}.recall_scopes s WHERE s.id = p_scope FOR UPDATE;
    IF NOT EXISTS (
        SELECT FROM {schema}.recall_documents d
        WHERE d.key >= v_thread << 32 AND d.key < (v_thread + 1) << 32 AND d.turn = p_turn AND d.turn_id = p_turn_id
    ) THEN
        RETURN NULL;
    END IF;
    SELECT f.id INTO v_fact
    FROM {schema}.recall_facts f JOIN {schema}.recall_corrections c ON c.fact = f.id
    JOIN {schema}.recall_fact_sources s ON s.fact = f.id AND s.thread_id = p_thread_id AND s.turn = p_turn
    WHERE f.scope = p_scope AND f.superseded_by IS NULL
        AND c.turn_id = p_turn_id AND c.position = p_position AND c.said IS NOT NULL;
    IF v_fact IS NOT NULL THEN
        RETURN {schema}.recall_correct_fact(p_lock_timeout_ms, p_scope, v_fact, p_text, p_at_us);
    END IF;
    INSERT INTO {schema}.recall_facts (scope, text, valid_from_us) VALUES (p_scope, p_text, p_at_us)
    RETURNING id INTO v_fact;
    INSERT INTO {schema}.recall_fact_sources (fact, thread_id, incarnation, turn, mark)
    SELECT v_fact, h.thread_id, h.incarnation, h.turn, {schema}.recall_mark(v_thread, p_turn)
    FROM {schema}.recall_holders(p_thread_id, p_turn) h;
    INSERT INTO {schema}.recall_corrections (fact, turn, created_us, position, thread_id, turn_id, role, speaker, said)
    VALUES (v_fact, p_turn, p_created_us, p_position, p_thread_id, p_turn_id, p_role, p_speaker, p_said);
    RETURN v_fact;
END $$;

-- Add a fact that replaces a valid fact of the scope, and has its sources; returns the new fact, or NULL.
CREATE OR REPLACE FUNCTION {schema}.recall_correct_fact(
    p_lock_timeout_ms integer, p_scope text, p_fact bigint, p_text text, p_at_us bigint
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_fact bigint;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    PERFORM FROM {schema}.recall_scopes s WHERE s.id = p_scope FOR UPDATE;
    PERFORM FROM {schema}.recall_facts f WHERE f.id = p_fact AND f.scope = p_scope AND f.superseded_by IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO {schema}.recall_facts (scope, text, valid_from_us) VALUES (p_scope, p_text, p_at_us)
    RETURNING id INTO v_fact;
    INSERT INTO {schema}.recall_fact_sources (fact, thread_id, incarnation, turn, mark)
    SELECT v_fact, s.thread_id, s.incarnation, s.turn, s.mark
    FROM {schema}.recall_fact_sources s WHERE s.fact = p_fact;
    INSERT INTO {schema}.recall_corrections (fact, turn, created_us, position, thread_id, turn_id, role, speaker, said)
    SELECT v_fact, c.turn, c.created_us, c.position, c.thread_id, c.turn_id, c.role, c.speaker, c.said
    FROM (VALUES (1)) AS one LEFT JOIN {schema}.recall_corrections c ON c.fact = p_fact;
    UPDATE {schema}.recall_facts f SET valid_until_us = greatest(f.valid_from_us, p_at_us), superseded_by = v_fact
    WHERE f.id = p_fact;
    RETURN v_fact;
END $$;

-- Delete a correction that is valid; false if there is none.
CREATE OR REPLACE FUNCTION {schema}.recall_take_back(p_lock_timeout_ms integer, p_scope text, p_fact bigint)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    PERFORM FROM {schema}.recall_scopes s WHERE s.id = p_scope FOR UPDATE;
    IF NOT EXISTS (
        SELECT FROM {schema}.recall_facts f JOIN {schema}.recall_corrections c ON c.fact = f.id
        WHERE f.id = p_fact AND f.scope = p_scope AND f.superseded_by IS NULL
    ) THEN
        RETURN false;
    END IF;
    DELETE FROM {schema}.recall_fact_sources s WHERE s.fact = p_fact;
    RETURN {schema}.recall_remove_facts(ARRAY[p_fact]) > 0;
END $$;

-- Delete the documents of turns and remember that these were forgotten; returns the number of documents.
CREATE OR REPLACE FUNCTION {schema}.recall_forget(
    p_lock_timeout_ms integer, p_scopes text[], p_thread_ids text[], p_incarnations text[], p_firsts bigint[],
    p_lasts bigint[]
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_found record;
    v_count bigint := 0;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    -- All threads before any scope: in another order, a process that forgets and one that follows could wait for each
    -- other.
    PERFORM FROM {schema}.recall_threads t WHERE t.id = ANY (p_thread_ids) ORDER BY t.key FOR UPDATE;
    PERFORM FROM {schema}.recall_scopes s
    WHERE s.key IN (SELECT t.scope FROM {schema}.recall_threads t WHERE t.id = ANY (p_thread_ids))
    ORDER BY s.key FOR UPDATE;
    INSERT INTO {schema}.recall_forgotten (thread_id, incarnation, first, last)
    SELECT f.thread_id, f.incarnation, f.first, f.last
    FROM unnest(p_scopes, p_thread_ids, p_incarnations, p_firsts, p_lasts)
    AS f (scope, thread_id, incarnation, first, last)
    WHERE NOT EXISTS (
        SELECT FROM {schema}.recall_threads t JOIN {schema}.recall_scopes s ON s.key = t.scope
        WHERE t.id = f.thread_id AND s.id <> f.scope
    ) ON CONFLICT DO NOTHING;
    FOR v_found IN
        SELECT t.key, f.first, f.last, t.id, t.incarnation, t.revision
        FROM unnest(p_scopes, p_thread_ids, p_incarnations, p_firsts, p_lasts)
        AS f (scope, thread_id, incarnation, first, last)
        JOIN {schema}.recall_scopes s ON s.id = f.scope
        JOIN {schema}.recall_threads t ON t.id = f.thread_id AND t.incarnation = f.incarnation AND t.scope = s.key
    LOOP
        v_count := v_count + {schema}.recall_remove(v_found.key, v_found.first, v_found.last);
        PERFORM {schema}.recall_remove_orphans(v_found.id, v_found.key, v_found.incarnation, v_found.revision);
    END LOOP;
    RETURN v_count;
END $$;

-- The next ids of threads of which the index holds anything, in the order of ids.
CREATE OR REPLACE FUNCTION {schema}.recall_known_threads(p_after text, p_limit integer) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
    (SELECT t.id FROM {schema}.recall_threads t WHERE t.id > p_after COLLATE "C" ORDER BY t.id LIMIT p_limit)
    UNION (
        SELECT DISTINCT s.thread_id FROM {schema}.recall_fact_sources s WHERE s.thread_id > p_after COLLATE "C"
        ORDER BY s.thread_id LIMIT p_limit
    ) UNION (
        SELECT DISTINCT f.thread_id FROM {schema}.recall_forgotten f WHERE f.thread_id > p_after COLLATE "C"
        ORDER BY f.thread_id LIMIT p_limit
    )
    ORDER BY 1 LIMIT p_limit
$$;

-- The known threads that were returned least recently; the place is kept for the next call, of any process.
CREATE OR REPLACE FUNCTION {schema}.recall_next_to_check(p_limit integer) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    v_after text;
    v_ids text[];
BEGIN
    SELECT st.checked INTO v_after FROM {schema}.recall_state st FOR UPDATE;
    v_ids := ARRAY(SELECT * FROM {schema}.recall_known_threads(v_after, p_limit));
    IF cardinality(v_ids) < p_limit THEN
        v_ids := v_ids || ARRAY(
            SELECT k.id FROM {schema}.recall_known_threads('', p_limit - cardinality(v_ids)) AS k (id)
            WHERE k.id <> ALL (v_ids)
        );
    END IF;
    IF cardinality(v_ids) > 0 THEN
        UPDATE {schema}.recall_state SET checked = v_ids[cardinality(v_ids)];
    END IF;
    RETURN v_ids;
END $$;

-- Delete everything about threads and, unless it is NULL, about a scope; returns the number of documents and facts.
CREATE OR REPLACE FUNCTION {schema}.recall_erase(p_lock_timeout_ms integer, p_thread_ids text[], p_scope text)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_found record;
    v_ids text[];
    v_id text;
    v_facts bigint[];
    v_count bigint := 0;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
    v_ids := p_thread_ids || ARRAY(
        SELECT t.id FROM {schema}.recall_threads t JOIN {schema}.recall_scopes s ON s.key = t.scope WHERE s.id = p_scope
    );
    -- All threads before any scope, as in `recall_forget`.
    PERFORM FROM {schema}.recall_threads t WHERE t.id = ANY (v_ids) ORDER BY t.key FOR UPDATE;
    PERFORM FROM {schema}.recall_scopes s
    WHERE s.key IN (SELECT t.scope FROM {schema}.recall_threads t WHERE t.id = ANY (v_ids)) ORDER BY s.key FOR UPDATE;
    FOR v_found IN SELECT t.key, t.scope FROM {schema}.recall_threads t WHERE t.id = ANY (v_ids) LOOP
        v_count := v_count + {schema}.recall_remove(v_found.key, 0, 9223372036854775807);
        DELETE FROM {schema}.recall_threads t WHERE t.key = v_found.key;
        PERFORM {schema}.recall_drop_scope_if_unused(v_found.scope);
    END LOOP;
    FOREACH v_id IN ARRAY v_ids LOOP
        v_count := v_count + {schema}.recall_remove_orphans(v_id, NULL, NULL, NULL);
    END LOOP;
    DELETE FROM {schema}.recall_forgotten f WHERE f.thread_id = ANY (v_ids);
    UPDATE {schema}.recall_state SET checked = '' WHERE checked = ANY (v_ids);
    v_facts := ARRAY(SELECT f.id FROM {schema}.recall_facts f WHERE f.scope = p_scope);
    DELETE FROM {schema}.recall_fact_sources s WHERE s.fact = ANY (v_facts);
    RETURN v_count + {schema}.recall_remove_facts(v_facts);
END $$;
