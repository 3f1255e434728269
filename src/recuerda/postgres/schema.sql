-- The schema of version 1. `{schema}` stands for its name.
--
-- Ids are compared as bytes (COLLATE "C"): the order is the same on every server, whatever its locale, and indexes stay
-- valid when a locale changes.

-- TABLES --------------------------------------------------------------------------------------------------------------

CREATE TABLE {schema}.schema_version (
    version integer NOT NULL
);

CREATE TABLE {schema}.threads (
    -- A key is never given twice, so it tells a thread's incarnations apart. The order of turns does not depend on it.
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision bigint NOT NULL,
    first bigint NOT NULL,
    turns bigint NOT NULL,
    messages bigint NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    id text COLLATE "C" NOT NULL UNIQUE,
    user_id text COLLATE "C",
    -- JSON strings and objects may contain \u0000, which text and jsonb cannot.
    title json,
    metadata json NOT NULL DEFAULT '{{}}'
);

-- Every turn leaves one dead row in this table. Clean up after 2 % of them and not after 20 %, so that listings stay
-- fast.
ALTER TABLE {schema}.threads SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.05
);

-- The records of the threads: turns (whose kind is NULL), undos, trims and summaries. The target of an undo is the turn
-- that it takes back, of a trim the first turn that stays, of a summary the last turn that it covers.
-- There is no foreign key: the functions that write here hold the thread's row, and its check would cost each turn a
-- look-up.
CREATE TABLE {schema}.turns (
    thread_key bigint NOT NULL,
    number bigint NOT NULL,
    created_us bigint NOT NULL,
    target bigint,
    message_count integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text,
    body bytea NOT NULL,
    PRIMARY KEY (thread_key, number)
);

-- The steps of unfinished turns.
CREATE TABLE {schema}.drafts (
    thread_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    turn_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_us bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (thread_id, number)
);

CREATE TABLE {schema}.leases (
    thread_id text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL
);

-- INDEXES -------------------------------------------------------------------------------------------------------------

CREATE INDEX threads_by_time ON {schema}.threads (updated_us, id);
CREATE INDEX threads_by_user ON {schema}.threads (user_id, updated_us, id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX turns_by_id ON {schema}.turns (thread_key, id);

-- It finds a thread's newest summary, or tells that there is none, in one step. Turns do not enter it.
CREATE INDEX turns_summaries ON {schema}.turns (thread_key, number) WHERE kind = 'summary';

-- FUNCTIONS -----------------------------------------------------------------------------------------------------------
--
-- Whatever has to happen in one step happens in one function: one statement, one round trip, one transaction. Each
-- statement of a VOLATILE function sees everything that was committed before the statement began. So the statements
-- after the lock on a thread's row see everything that earlier holders of the lock wrote. A STABLE function sees the
-- database as its caller does, at one moment. That makes a read consistent.
-- https://www.postgresql.org/docs/current/xfunc-volatility.html
--
-- The lengths of threads differ by orders of magnitude. By default the server would plan each statement anew for each
-- thread, which costs more than running it. The plan is the same anyway, by index (force_generic_plan).

-- Read a thread. The rows are of six parts: 'draft' (the thread has a draft), 'info' (the thread), 'found' (the turn
-- that was asked for by id), 'summary' (the newest one, if it was asked for; then only turns after its target follow),
-- 'record' (the newest first), and 'start' (every record from r_number on is among the rows).
CREATE FUNCTION {schema}.read_thread(
    p_thread_id text,
    p_after bigint,
    p_incarnation text,
    p_last_messages bigint,
    p_last_turns bigint,
    p_turn_id text,
    p_with_summary boolean
)
RETURNS TABLE (
    r_part text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea,
    r_info text
)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
    -- A declared cursor is planned for its first rows, and fetches one at a time: it walks backwards through the index,
    -- and never reads a record outside of the window.
    newest CURSOR (k bigint, low bigint, all_kinds boolean) FOR
        SELECT t.number, t.id, t.created_us, t.message_count, t.kind, t.target, t.body FROM {schema}.turns AS t
        WHERE t.thread_key = k AND t.number >= low AND (all_kinds OR t.kind IS NULL) ORDER BY t.number DESC;
    summary {schema}.turns%ROWTYPE;
    known bigint := p_after;
    lowest bigint;
    messages bigint := 0;
    turns bigint := 0;
BEGIN
    IF EXISTS (SELECT FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id) THEN
        r_part := 'draft';
        RETURN NEXT;
    END IF;
    SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    r_part := 'info';
    r_info := row_to_json(thread)::text;
    RETURN NEXT;
    r_info := NULL;
    IF p_turn_id IS NOT NULL THEN
        RETURN QUERY
            SELECT 'found', t.number, t.id, t.created_us, t.message_count, t.kind, t.target, t.body, NULL
            FROM {schema}.turns AS t WHERE t.thread_key = thread.key AND t.id = p_turn_id;
    END IF;
    IF p_incarnation <> thread.key::text THEN
        known := 0;
    END IF;
    IF p_with_summary AND known = 0 THEN
        SELECT * INTO summary FROM {schema}.turns AS t
        WHERE t.thread_key = thread.key AND t.kind = 'summary' ORDER BY t.number DESC LIMIT 1;
        IF FOUND THEN
            r_part := 'summary';
            r_number := summary.number;
            r_id := summary.id;
            r_created_us := summary.created_us;
            r_message_count := summary.message_count;
            r_kind := summary.kind;
            r_target := summary.target;
            r_body := summary.body;
            RETURN NEXT;
        END IF;
    END IF;
    r_part := 'start';
    IF p_last_turns = 0 OR known >= thread.revision THEN
        r_number := greatest(known, thread.revision) + 1;
        RETURN NEXT;
        RETURN;
    END IF;
    lowest := greatest(known + 1, thread.first, summary.target + 1);
    FOR one IN newest (thread.key, lowest, known > 0) LOOP
        messages := messages + one.message_count;
        turns := turns + (one.kind IS NULL)::integer;
        IF turns > p_last_turns OR (messages > p_last_messages AND turns > 1) THEN
            lowest := one.number + 1;
            EXIT;
        END IF;
        r_part := 'record';
        r_number := one.number;
        r_id := one.id;
        r_created_us := one.created_us;
        r_message_count := one.message_count;
        r_kind := one.kind;
        r_target := one.target;
        r_body := one.body;
        RETURN NEXT;
    END LOOP;
    RETURN QUERY SELECT 'start', lowest, NULL, NULL::bigint, NULL::integer, NULL, NULL::bigint, NULL::bytea, NULL;
END
$function$;

-- Append a record. r_outcome is 'created' (the thread's first record), 'appended', 'replayed' (the thread has a record
-- of this id: it comes in the other columns) or 'conflict' (the thread's revision, in r_number, is not p_expected).
CREATE FUNCTION {schema}.append_record(
    p_thread_id text,
    p_expected bigint,
    p_may_exist boolean,
    p_id text,
    p_created_us bigint,
    p_message_count integer,
    p_body bytea,
    p_kind text,
    p_target bigint,
    p_keep_messages bigint,
    p_user_id text,
    p_title json,
    p_lock_timeout_ms integer
)
RETURNS TABLE (
    r_outcome text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
    oldest CURSOR (k bigint, low bigint) FOR
        SELECT t.number, t.message_count FROM {schema}.turns AS t
        WHERE t.thread_key = k AND t.number >= low ORDER BY t.number;
    locked_key bigint;
    new_first bigint;
    remaining bigint;
BEGIN
    -- For this transaction alone: a pooler may lend the connection to another client afterwards.
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);

    LOOP
        IF p_may_exist THEN
            SELECT t.key INTO locked_key FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
            RETURN QUERY
                SELECT 'replayed', t.number, t.id, t.created_us, t.message_count, t.kind, t.target, t.body
                FROM {schema}.turns AS t WHERE t.thread_key = locked_key AND t.id = p_id;
            IF FOUND THEN
                PERFORM {schema}.end_draft(p_thread_id, ARRAY[p_id]);
                RETURN;
            END IF;
        END IF;
        UPDATE {schema}.threads AS t
        SET revision = t.revision + 1,
            turns = t.turns + (p_kind = 'turn')::integer,
            messages = t.messages + p_message_count,
            updated_us = p_created_us,
            user_id = CASE WHEN t.revision = 0 THEN coalesce(t.user_id, p_user_id) ELSE t.user_id END,
            title = CASE WHEN t.revision = 0 THEN coalesce(t.title, p_title) ELSE t.title END
        WHERE t.id = p_thread_id
            AND (p_expected IS NULL OR t.revision = p_expected)
            AND (NOT p_may_exist OR t.key = locked_key)
        RETURNING * INTO thread;
        EXIT WHEN FOUND;
        SELECT t.revision INTO r_number FROM {schema}.threads AS t WHERE t.id = p_thread_id;
        -- Another writer made the thread after the look-up: it may have the record by now.
        CONTINUE WHEN FOUND AND p_may_exist AND locked_key IS NULL;
        IF p_expected <> coalesce(r_number, 0) THEN
            r_outcome := 'conflict';
            r_number := coalesce(r_number, 0);
            RETURN NEXT;
            RETURN;
        END IF;
        -- If another writer makes the thread first, the next round finds it.
        INSERT INTO {schema}.threads (id, revision, first, turns, messages, created_us, updated_us)
        VALUES (p_thread_id, 0, 1, 0, 0, p_created_us, p_created_us)
        ON CONFLICT (id) DO NOTHING;
    END LOOP;

    INSERT INTO {schema}.turns (thread_key, number, created_us, target, message_count, id, kind, body)
    VALUES (
        thread.key, thread.revision, p_created_us, p_target, p_message_count, p_id, nullif(p_kind, 'turn'), p_body
    );
    IF p_kind = 'turn' THEN
        -- A writer that saves the first steps of a new thread found no row of the thread to hold.
        IF thread.revision = 1 THEN
            PERFORM {schema}.lock_draft(p_thread_id);
        END IF;
        DELETE FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id;
    END IF;

    IF p_kind = 'undo' THEN
        PERFORM {schema}.delete_turns(thread.key, p_target, p_target, thread.first);
    ELSIF p_kind = 'trim' THEN
        PERFORM {schema}.delete_turns(thread.key, thread.first, p_target - 1, p_target);
    ELSIF thread.messages > p_keep_messages THEN
        new_first := thread.first;
        remaining := thread.messages;
        FOR aged IN oldest (thread.key, thread.first) LOOP
            new_first := aged.number;
            EXIT WHEN remaining <= greatest(p_keep_messages, p_message_count);
            remaining := remaining - aged.message_count;
        END LOOP;
        PERFORM {schema}.delete_turns(thread.key, thread.first, new_first - 1, new_first);
    END IF;

    r_outcome := CASE WHEN thread.revision = 1 THEN 'created' ELSE 'appended' END;
    r_number := thread.revision;
    RETURN NEXT;
END
$function$;

-- Append many turns of one thread in one trip; no two have the same id. The rows are those of append_record, one for
-- each turn, or one alone with a conflict. The thread's row is written once: a transaction that wrote it for each turn
-- would walk through all of its versions each time.
CREATE FUNCTION {schema}.append_records(
    p_thread_id text,
    p_expected bigint,
    p_ids text[],
    p_created_us bigint[],
    p_message_counts integer[],
    p_bodies bytea[],
    p_user_id text,
    p_title json,
    p_lock_timeout_ms integer
)
RETURNS TABLE (
    r_outcome text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    LOOP
        SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
        IF p_expected <> coalesce(thread.revision, 0) AND NOT EXISTS (
            SELECT FROM {schema}.turns AS t WHERE t.thread_key = thread.key AND t.id = p_ids[1]
        ) THEN
            r_outcome := 'conflict';
            r_number := coalesce(thread.revision, 0);
            RETURN NEXT;
            RETURN;
        END IF;
        EXIT WHEN thread.key IS NOT NULL;
        INSERT INTO {schema}.threads (id, revision, first, turns, messages, created_us, updated_us)
        VALUES (p_thread_id, 0, 1, 0, 0, p_created_us[1], p_created_us[1])
        ON CONFLICT (id) DO NOTHING
        RETURNING * INTO thread;
        EXIT WHEN thread.key IS NOT NULL;
    END LOOP;

    INSERT INTO {schema}.turns (thread_key, number, created_us, message_count, id, body)
    SELECT
        thread.key,
        thread.revision + row_number() OVER (ORDER BY given.place),
        given.created_us,
        given.message_count,
        given.id,
        given.body
    FROM unnest(p_ids, p_created_us, p_message_counts, p_bodies) WITH ORDINALITY
        AS given (id, created_us, message_count, body, place)
    WHERE NOT EXISTS (SELECT FROM {schema}.turns AS t WHERE t.thread_key = thread.key AND t.id = given.id);

    IF FOUND THEN
        UPDATE {schema}.threads AS t
        SET revision = t.revision + added.turns,
            turns = t.turns + added.turns,
            messages = t.messages + added.messages,
            updated_us = added.updated_us,
            user_id = CASE WHEN thread.revision = 0 THEN coalesce(t.user_id, p_user_id) ELSE t.user_id END,
            title = CASE WHEN thread.revision = 0 THEN coalesce(t.title, p_title) ELSE t.title END
        FROM (
            SELECT
                count(*) AS turns,
                sum(n.message_count) AS messages,
                (array_agg(n.created_us ORDER BY n.number DESC))[1] AS updated_us
            FROM {schema}.turns AS n
            WHERE n.thread_key = thread.key AND n.number > thread.revision
        ) AS added
        WHERE t.key = thread.key;
        IF thread.revision = 0 THEN
            PERFORM {schema}.lock_draft(p_thread_id);
        END IF;
        DELETE FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id;
    ELSE
        PERFORM {schema}.end_draft(p_thread_id, p_ids);
    END IF;

    RETURN QUERY
        SELECT
            CASE WHEN t.number <= thread.revision THEN 'replayed' WHEN t.number = 1 THEN 'created' ELSE 'appended' END,
            t.number,
            t.id,
            t.created_us,
            t.message_count,
            t.kind,
            t.target,
            CASE WHEN t.number <= thread.revision THEN t.body END
        FROM unnest(p_ids) WITH ORDINALITY AS given (id, place)
        JOIN {schema}.turns AS t ON t.thread_key = thread.key AND t.id = given.id
        ORDER BY given.place;
END
$function$;

-- Delete the records p_low to p_high of a thread, whose first number is p_first afterwards. An undo, whose range is one
-- number and which leaves p_first, also deletes the summaries that cover its turn.
CREATE FUNCTION {schema}.delete_turns(p_thread_key bigint, p_low bigint, p_high bigint, p_first bigint)
RETURNS void
LANGUAGE sql VOLATILE AS $function$
    DELETE FROM {schema}.turns AS t
    WHERE p_low = p_high AND p_first <= p_low
        AND t.thread_key = p_thread_key AND t.kind = 'summary' AND t.number > p_low AND t.target >= p_low;

    WITH gone AS (
        DELETE FROM {schema}.turns AS t
        WHERE t.thread_key = p_thread_key AND t.number BETWEEN p_low AND p_high
        RETURNING t.kind, t.message_count
    ),
    counts AS (
        SELECT count(*) FILTER (WHERE gone.kind IS NULL) AS turns, coalesce(sum(gone.message_count), 0) AS messages
        FROM gone
    )
    UPDATE {schema}.threads AS t
    SET first = p_first, turns = t.turns - counts.turns, messages = t.messages - counts.messages
    FROM counts WHERE t.key = p_thread_key
$function$;

-- Let the writers of a draft wait for one another, also before there is a thread.
CREATE FUNCTION {schema}.lock_draft(p_thread_id text)
RETURNS void
LANGUAGE sql VOLATILE AS $function$
    SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('recuerda draft of ' || p_thread_id, 0))
$function$;

-- Delete the draft of a turn that is already in the thread.
CREATE FUNCTION {schema}.end_draft(p_thread_id text, p_turn_ids text[])
RETURNS void
LANGUAGE sql VOLATILE AS $function$
    DELETE FROM {schema}.drafts AS d
    WHERE d.thread_id = p_thread_id AND EXISTS (
        SELECT FROM {schema}.drafts AS f
        WHERE f.thread_id = p_thread_id AND f.number = 1 AND f.turn_id = ANY (p_turn_ids)
    )
$function$;

-- Save a step of a draft. r_outcome is 'saved'; or 'conflict', if the step is not the draft's next one, or would begin a
-- draft beside the draft that another turn has on the same revision; or 'moved', if it would begin a draft on another
-- revision than the thread's, which is r_revision.
CREATE FUNCTION {schema}.save_step(
    p_thread_id text,
    p_number integer,
    p_turn_id text,
    p_revision bigint,
    p_body bytea,
    p_created_us bigint,
    p_lock_timeout_ms integer
)
RETURNS TABLE (r_outcome text, r_revision bigint)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    same {schema}.drafts%ROWTYPE;
    is_same_turn boolean;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    -- Lock the thread's row before the draft, as an append does; then read the row again, because another writer may
    -- have made it meanwhile.
    PERFORM FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR SHARE;
    PERFORM {schema}.lock_draft(p_thread_id);
    SELECT t.revision INTO r_revision FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR SHARE;
    r_revision := coalesce(r_revision, 0);
    r_outcome := 'saved';

    -- Hold the first step, so that an append which deletes it comes before or after, at every isolation level.
    PERFORM FROM {schema}.drafts AS d
    WHERE d.thread_id = p_thread_id AND d.number = 1 AND d.turn_id = p_turn_id FOR UPDATE;
    is_same_turn := FOUND;
    IF p_number = 1 AND NOT is_same_turn THEN
        IF p_revision <> r_revision THEN
            r_outcome := 'moved';
            RETURN NEXT;
            RETURN;
        END IF;
        IF EXISTS (
            SELECT FROM {schema}.drafts AS d
            WHERE d.thread_id = p_thread_id AND d.number = 1 AND d.revision = r_revision
        ) THEN
            r_outcome := 'conflict';
            RETURN NEXT;
            RETURN;
        END IF;
        DELETE FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id;
    ELSE
        SELECT * INTO same FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id AND d.number = p_number;
        IF FOUND AND is_same_turn AND (same.revision, same.body) = (p_revision, p_body) THEN
            RETURN NEXT;
            RETURN;
        END IF;
        IF FOUND OR NOT is_same_turn OR NOT EXISTS (
            SELECT FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id AND d.number = p_number - 1
        ) THEN
            r_outcome := 'conflict';
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    INSERT INTO {schema}.drafts (thread_id, number, turn_id, revision, body, created_us)
    VALUES (p_thread_id, p_number, p_turn_id, p_revision, p_body, p_created_us);
    RETURN NEXT;
END
$function$;

-- Change a thread's user, title or metadata; make the thread if it is missing. Returns the thread as JSON.
CREATE FUNCTION {schema}.update_thread(
    p_thread_id text,
    p_now_us bigint,
    p_sets_user boolean,
    p_user_id text,
    p_sets_title boolean,
    p_title json,
    p_sets_metadata boolean,
    p_metadata json,
    p_lock_timeout_ms integer
)
RETURNS text
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    INSERT INTO {schema}.threads AS t
        (id, revision, first, turns, messages, created_us, updated_us, user_id, title, metadata)
    VALUES (p_thread_id, 0, 1, 0, 0, p_now_us, p_now_us, p_user_id, p_title, coalesce(p_metadata, '{{}}'))
    ON CONFLICT (id) DO UPDATE SET
        updated_us = p_now_us,
        user_id = CASE WHEN p_sets_user THEN p_user_id ELSE t.user_id END,
        title = CASE WHEN p_sets_title THEN p_title ELSE t.title END,
        metadata = CASE WHEN p_sets_metadata THEN p_metadata ELSE t.metadata END
    RETURNING * INTO thread;
    RETURN row_to_json(thread)::text;
END
$function$;

-- Delete a thread; returns whether there was one.
CREATE FUNCTION {schema}.delete_thread(p_thread_id text, p_lock_timeout_ms integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    gone bigint;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    -- The row first: an append under way holds it, and its turn is there to be deleted afterwards.
    DELETE FROM {schema}.threads AS t WHERE t.id = p_thread_id RETURNING t.key INTO gone;
    DELETE FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id;
    DELETE FROM {schema}.turns AS t WHERE t.thread_key = gone;
    RETURN gone IS NOT NULL;
END
$function$;

-- Replace the bodies of turns and summaries. As in an append, the thread's row is held: nothing is appended or deleted
-- meanwhile.
CREATE FUNCTION {schema}.rewrite_records(
    p_thread_id text, p_numbers bigint[], p_bodies bytea[], p_lock_timeout_ms integer
)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    locked_key bigint;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT t.key INTO locked_key FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
    UPDATE {schema}.turns AS t
    SET body = given.body
    FROM unnest(p_numbers, p_bodies) AS given (number, body)
    WHERE t.thread_key = locked_key AND t.number = given.number AND (t.kind IS NULL OR t.kind = 'summary');
END
$function$;

-- Take or prolong a lease; returns whether p_holder has it. Times are by the server's clock, because the holders' clocks
-- may differ.
CREATE FUNCTION {schema}.take_lease(p_thread_id text, p_holder text, p_ttl_us bigint, p_lock_timeout_ms integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    present timestamptz := clock_timestamp();
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    INSERT INTO {schema}.leases AS l (thread_id, holder, until)
    VALUES (p_thread_id, p_holder, present + p_ttl_us * interval '1 microsecond')
    ON CONFLICT (thread_id) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE l.holder = p_holder OR l.until <= present;
    RETURN FOUND;
END
$function$;

-- VIEWS ---------------------------------------------------------------------------------------------------------------

-- Return the messages of a body. A body is any bytes that the application stored, perhaps encrypted ones: a body that is
-- not JSON gives no rows and never an error. A NUL in a text, which PostgreSQL cannot show, becomes U+FFFD.
CREATE FUNCTION {schema}.turn_messages(p_body bytea)
RETURNS TABLE (r_position bigint, r_role text, r_text text, r_json json)
LANGUAGE plpgsql STABLE AS $function$
DECLARE
    source text;
    messages json;
BEGIN
    source := convert_from(p_body, 'UTF8');
    IF strpos(source, '\u0000') > 0 THEN
        -- Only after an even number of backslashes: \\u0000 is a backslash and the word u0000.
        source := regexp_replace(source, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g');
    END IF;
    messages := source::json -> 'messages';
    IF json_typeof(messages) <> 'array' THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT
            message.ordinality,
            message.value ->> 'role',
            CASE json_typeof(message.value -> 'content')
                WHEN 'string' THEN message.value ->> 'content'
                WHEN 'array' THEN (
                    SELECT string_agg(part.value ->> 'text', '' ORDER BY part.ordinality)
                    FROM json_array_elements(message.value -> 'content') WITH ORDINALITY AS part
                    WHERE part.value ->> 'type' = 'text'
                )
            END,
            message.value
        FROM json_array_elements(messages) WITH ORDINALITY AS message;
EXCEPTION
    WHEN data_exception OR program_limit_exceeded OR untranslatable_character THEN
        RETURN;
END
$function$;

CREATE VIEW {schema}.messages AS
SELECT
    threads.id AS thread_id,
    threads.user_id AS user_id,
    turns.number AS turn,
    turns.id AS turn_id,
    message.r_position AS position,
    message.r_role AS role,
    message.r_text AS text,
    to_timestamp(turns.created_us / 1000000.0) AS created_at,
    message.r_json AS json
FROM {schema}.threads
JOIN {schema}.turns ON turns.thread_key = threads.key AND turns.kind IS NULL
CROSS JOIN LATERAL {schema}.turn_messages(turns.body) AS message;
