-- The schema of version 1. `{schema}` stands for its name.
--
-- Ids are compared as bytes (COLLATE "C"): the order is the same on every server, whatever its locale, and indexes stay
-- valid when a locale changes.

-- TABLES --------------------------------------------------------------------------------------------------------------

CREATE TABLE {schema}.schema_version (
    version integer NOT NULL
);

CREATE TABLE {schema}.threads (
    -- Walks go by key, because it never changes.
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision bigint NOT NULL,
    edits bigint NOT NULL DEFAULT 0,
    rewritten bigint NOT NULL DEFAULT 0,
    first bigint NOT NULL,
    turns bigint NOT NULL,
    messages bigint NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    has_draft boolean NOT NULL DEFAULT false, -- whether `drafts` has steps of the thread
    has_blobs boolean NOT NULL DEFAULT false, -- whether a turn has ever named a blob
    call bigint, -- the random number of the last call that changed the settings or bodies, or dropped the draft
    -- A random value, not the key: a restored dump gives the same keys again.
    incarnation text COLLATE "C" NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    id text COLLATE "C" NOT NULL UNIQUE,
    record_id text COLLATE "C" NOT NULL DEFAULT '',
    -- JSON strings and objects may contain \u0000, which text and jsonb cannot.
    metadata json NOT NULL DEFAULT '{{}}',
    title json,
    title_turn bigint,
    user_id text COLLATE "C",
    parent json, -- for a fork, the thread from which it was begun
    archived boolean NOT NULL DEFAULT false,
    tags json NOT NULL DEFAULT '[]'
);

-- Every turn leaves one dead row in this table. Clean up after 2 % of them and not after 20 %, so that listings stay
-- fast.
ALTER TABLE {schema}.threads SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.05
);

-- The threads of each user, for walks. An index of `threads` would get a new entry with each turn.
CREATE TABLE {schema}.owners (
    user_id text COLLATE "C" NOT NULL,
    thread_key bigint NOT NULL,
    PRIMARY KEY (user_id, thread_key)
);

-- The records of the threads: turns (whose kind is NULL), undos, trims and summaries. The target of an undo is the turn
-- that it takes back, of a trim the first turn that stays, of a summary the last turn that it covers, of a turn the turn
-- that it replaced.
-- There is no foreign key: the functions that write here hold the thread's row, and its check would cost each turn a
-- look-up.
CREATE TABLE {schema}.turns (
    thread_key bigint NOT NULL,
    number bigint NOT NULL,
    created_us bigint NOT NULL,
    committed_us bigint, -- NULL if it equals created_us
    target bigint,
    call bigint, -- the random number of the append; NULL if the id was drawn at random for it
    message_count integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text,
    body bytea NOT NULL,
    PRIMARY KEY (thread_key, number)
);

-- The ids of the newest removed records. A retry must not repeat a turn that a trim or a limit has dropped. The id of an
-- undone turn may be used again, and so may be removed again.
CREATE TABLE {schema}.removed (
    thread_key bigint NOT NULL,
    number bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    is_dropped_turn boolean NOT NULL,
    PRIMARY KEY (thread_key, id, number)
);

-- The bytes of files, such as pictures, each once for a thread. Most formats of files are compressed, so the server does
-- not compress the bytes again.
CREATE TABLE {schema}.blobs (
    thread_key bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (thread_key, digest)
);

ALTER TABLE {schema}.blobs ALTER COLUMN data SET STORAGE EXTERNAL;

-- The turns that name each blob. A blob goes when its last row here goes.
CREATE TABLE {schema}.turn_blobs (
    thread_key bigint NOT NULL,
    number bigint NOT NULL,
    place integer NOT NULL,
    digest text COLLATE "C" NOT NULL,
    PRIMARY KEY (thread_key, number, place)
);

-- The steps of unfinished turns.
CREATE TABLE {schema}.drafts (
    thread_key bigint NOT NULL,
    number integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    turn_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_us bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (thread_key, number)
);

CREATE TABLE {schema}.leases (
    thread_id text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    taken timestamptz NOT NULL,
    until timestamptz NOT NULL
);

-- INDEXES -------------------------------------------------------------------------------------------------------------

CREATE INDEX drafts_by_time ON {schema}.drafts (created_us) WHERE number = 1;
CREATE INDEX threads_by_time ON {schema}.threads (updated_us, id, archived);
CREATE INDEX threads_by_user ON {schema}.threads (user_id, updated_us, id, archived) WHERE user_id IS NOT NULL;
CREATE INDEX threads_by_parent ON {schema}.threads ((parent ->> 'thread_id') COLLATE "C") WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX turns_by_id ON {schema}.turns (thread_key, id);
CREATE INDEX turn_blobs_by_digest ON {schema}.turn_blobs (thread_key, digest);

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
-- Every function that writes to a thread locks the thread's row first, and only that row, before it touches anything
-- else of the thread. So functions wait for each other at this row alone, and cannot deadlock. Each also changes this
-- row when it changes anything else of the thread. So a transaction that cannot see the change, because its isolation
-- level is higher, fails and is tried again.
--
-- One statement may append to several threads. It locks their rows in the order of their ids, and waits for a lock only
-- for a moment.
--
-- A function that is refused says so in r_outcome: 'owner' (the thread is another user's), 'conflict' (the thread is not
-- in the expected state; its revision comes too), 'dropped' (the thread dropped the turn of this id).
--
-- The lengths of threads differ by orders of magnitude. By default the server would plan each statement anew for each
-- thread, which costs more than running it. The plan is the same anyway, by index (force_generic_plan).

-- Check the conditions of an operation: NULL if the thread meets them, otherwise 'owner' or 'conflict'. A thread that
-- does not exist is a row of NULLs.
CREATE FUNCTION {schema}.refusal(
    p_thread {schema}.threads,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint
)
RETURNS text
LANGUAGE sql IMMUTABLE AS $function$
    SELECT CASE
        WHEN p_user_id <> p_thread.user_id THEN 'owner'
        WHEN p_revision <> coalesce(p_thread.revision, 0)
            OR p_incarnation <> coalesce(p_thread.incarnation, 'no thread')
            OR p_record_id <> coalesce(p_thread.record_id, '')
            OR p_edits <> coalesce(p_thread.edits, 0)
        THEN 'conflict'
    END
$function$;

-- Return the information about a thread as JSON, in the order that the client expects. It costs half as much as
-- row_to_json, which looks up the name and the type of every value; in an array the type is looked up once.
--
-- The planner puts this expression into the statement that calls the function.
CREATE FUNCTION {schema}.info(p_thread {schema}.threads)
RETURNS text
LANGUAGE sql STABLE AS $function$
    SELECT json_build_array(
        ARRAY[
            p_thread.revision,
            p_thread.edits,
            p_thread.rewritten,
            p_thread.first,
            p_thread.turns,
            p_thread.messages,
            p_thread.created_us,
            p_thread.updated_us,
            p_thread.title_turn,
            p_thread.archived::integer
        ],
        p_thread.id,
        p_thread.incarnation,
        p_thread.record_id,
        p_thread.user_id,
        p_thread.title,
        p_thread.metadata,
        p_thread.parent,
        p_thread.tags
    )::text
$function$;

-- Read a thread. The rows are of these parts, in this order:
-- 'found': the turn that was asked for by id, or 'dropped': its number in r_number, if the thread dropped it;
-- 'thread': the thread's `info` in r_id; the number from which on every record is among the rows in r_number; the number
-- from which the records continue, or 0, in r_target; 1 in r_message_count if the thread has a draft;
-- 'summary': the newest one, if it was asked for; then only turns after its target follow;
-- 'record': the records, the newest first, all with numbers below p_before;
-- 'start': a better r_number than that of 'thread', if the window left out records.
-- 'name': a blob that a turn names (see `names_of`);
-- 'blob': a blob that was asked for: its digest in r_id, and its bytes in r_body.
-- If a second 'thread' comes, the read starts anew there: the first 'thread' and the rows before the second are void.
CREATE FUNCTION {schema}.read_thread(
    p_thread_id text,
    p_after bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_last_messages bigint,
    p_last_turns bigint,
    p_turn_id text,
    p_with_summary boolean,
    p_before bigint,
    p_blobs bigint,
    p_digests text[]
)
RETURNS TABLE (
    r_part text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_committed_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    its_key bigint;
    its_revision bigint;
    its_first bigint;
    its_incarnation text;
    its_record_id text;
    its_edits bigint;
    its_rewriting bigint;
    its_blobs boolean;
    lowest_shown bigint;
    -- A declared cursor is planned for its first rows, and fetches one at a time: it walks backwards through the index,
    -- and never reads a record outside of the window.
    newest CURSOR (k bigint, low bigint, high bigint, all_kinds boolean) FOR
        SELECT t.number, t.id, t.created_us, t.committed_us, t.message_count, t.kind, t.target, t.body
        FROM {schema}.turns AS t
        WHERE t.thread_key = k AND t.number BETWEEN low AND high AND (all_kinds OR t.kind IS NULL)
        ORDER BY t.number DESC;
    summary {schema}.turns%ROWTYPE;
    lowest bigint;
    highest bigint;
    messages bigint;
    turns bigint;
    is_known boolean := true;
BEGIN
    SELECT
        t.key,
        t.revision,
        t.first,
        t.incarnation,
        t.record_id,
        t.edits,
        t.rewritten,
        t.has_blobs,
        'thread',
        {schema}.info(t),
        t.has_draft::integer
    INTO
        its_key, its_revision, its_first, its_incarnation, its_record_id, its_edits, its_rewriting, its_blobs,
        r_part, r_id, r_message_count
    FROM {schema}.threads AS t WHERE t.id = p_thread_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF p_turn_id IS NOT NULL THEN
        RETURN QUERY
            SELECT 'found', t.number, t.id, t.created_us, t.committed_us, t.message_count, t.kind, t.target, t.body
            FROM {schema}.turns AS t WHERE t.thread_key = its_key AND t.id = p_turn_id;
        IF NOT FOUND THEN
            RETURN QUERY
                SELECT
                    'dropped', d.number, NULL, NULL::bigint, NULL::bigint, NULL::integer, NULL, NULL::bigint, NULL::bytea
                FROM {schema}.dropped_turn(its_key, p_turn_id) AS d (number) WHERE d.number IS NOT NULL;
        END IF;
    END IF;

    -- From here on, p_after is the number from which the records continue, or 0.
    IF p_after > 0 THEN
        IF p_incarnation <> its_incarnation
            OR p_edits NOT BETWEEN its_rewriting AND its_edits
            OR (p_after = its_revision AND p_record_id <> its_record_id)
        THEN
            p_after := 0;
        ELSIF p_after = its_revision THEN
            -- Usually a reader that knows the thread finds no news.
            r_number := p_after + 1;
            r_target := p_after;
            RETURN NEXT;
            RETURN;
        ELSIF p_record_id IS NOT NULL THEN
            IF p_after > its_revision THEN
                p_after := 0;
            ELSIF p_last_turns = 0 THEN
                IF NOT {schema}.is_known(its_key, p_after, p_record_id) THEN
                    p_after := 0;
                END IF;
            ELSE
                -- The scan of the records also meets the reader's record, which costs less than to look for it here.
                is_known := false;
            END IF;
        END IF;
    END IF;
    IF p_with_summary AND p_after = 0 THEN
        SELECT * INTO summary FROM {schema}.turns AS t
        WHERE t.thread_key = its_key AND t.kind = 'summary' ORDER BY t.number DESC LIMIT 1;
    END IF;
    r_target := p_after;
    IF p_last_turns = 0 OR p_after >= its_revision THEN
        r_number := greatest(p_after, its_revision) + 1;
        RETURN NEXT;
        IF summary.number IS NULL THEN
            IF its_blobs THEN
                RETURN QUERY SELECT * FROM {schema}.blobs_of(its_key, NULL, NULL, NULL, p_turn_id, p_digests);
            END IF;
            RETURN;
        END IF;
    ELSE
        r_number := greatest(p_after + 1, its_first, summary.target + 1);
        RETURN NEXT;
    END IF;

    lowest := CASE WHEN is_known THEN r_number ELSE p_after END;
    IF summary.number IS NOT NULL THEN
        r_part := 'summary';
        r_number := summary.number;
        r_id := summary.id;
        r_created_us := summary.created_us;
        r_committed_us := summary.committed_us;
        r_message_count := summary.message_count;
        r_kind := summary.kind;
        r_target := summary.target;
        r_body := summary.body;
        RETURN NEXT;
    END IF;
    r_part := 'record';
    messages := 0;
    turns := 0;
    highest := least(its_revision, p_before - 1);
    OPEN newest (its_key, lowest, highest, p_after > 0);
    LOOP
        -- A record that is fetched into the result costs half of one that is copied there value by value.
        FETCH newest INTO r_number, r_id, r_created_us, r_committed_us, r_message_count, r_kind, r_target, r_body;
        EXIT WHEN NOT FOUND;
        IF NOT is_known AND r_number = p_after THEN
            is_known := r_id = p_record_id;
            EXIT;
        END IF;
        messages := messages + r_message_count;
        turns := turns + (r_kind IS NULL)::integer;
        IF turns > p_last_turns OR (messages > p_last_messages AND turns > 1) THEN
            lowest := r_number + 1;
            r_part := 'start';
            r_number := lowest;
            r_body := NULL;
            RETURN NEXT;
            EXIT;
        END IF;
        RETURN NEXT;
        IF its_blobs AND (turns > p_blobs) IS NOT TRUE THEN
            lowest_shown := r_number;
        END IF;
    END LOOP;
    CLOSE newest;
    -- The scan did not meet the reader's record if the window ended before it, or if the record is removed.
    IF NOT is_known AND NOT {schema}.is_known(its_key, p_after, p_record_id) THEN
        RETURN QUERY SELECT * FROM {schema}.read_thread(
            p_thread_id,
            0,
            NULL,
            NULL,
            NULL,
            p_last_messages,
            p_last_turns,
            p_turn_id,
            p_with_summary,
            p_before,
            p_blobs,
            p_digests
        );
    ELSIF its_blobs THEN
        RETURN QUERY SELECT * FROM {schema}.blobs_of(
            its_key, greatest(lowest, p_after + 1), lowest_shown, highest, p_turn_id, p_digests
        );
    END IF;
END
$function$;

-- Return a row 'name' for each blob that turns of a thread name: the turn in r_number, the digest in r_id, and its place
-- among the turn's blobs in r_message_count.
CREATE FUNCTION {schema}.names_of(p_thread_key bigint, p_numbers bigint[])
RETURNS TABLE (
    r_part text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_committed_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE sql STABLE AS $function$
    SELECT 'name', n.number, n.digest, NULL::bigint, NULL::bigint, n.place, NULL, NULL::bigint, NULL::bytea
    FROM {schema}.turn_blobs AS n WHERE n.thread_key = p_thread_key AND n.number = ANY (p_numbers)
$function$;

-- Return the rows 'name' and 'blob' of a read: the names of the turns p_lowest_named to p_highest and of turn p_turn_id,
-- and the blobs that the turns p_lowest_shown to p_highest name, or that p_digests has.
CREATE FUNCTION {schema}.blobs_of(
    p_thread_key bigint,
    p_lowest_named bigint,
    p_lowest_shown bigint,
    p_highest bigint,
    p_turn_id text,
    p_digests text[]
)
RETURNS TABLE (
    r_part text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_committed_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $function$
BEGIN
    RETURN QUERY
        SELECT 'name', n.number, n.digest, NULL::bigint, NULL::bigint, n.place, NULL, NULL::bigint, NULL::bytea
        FROM {schema}.turn_blobs AS n WHERE n.thread_key = p_thread_key AND n.number BETWEEN p_lowest_named AND p_highest;
    IF p_turn_id IS NOT NULL THEN
        RETURN QUERY
            SELECT * FROM {schema}.names_of(
                p_thread_key,
                ARRAY(SELECT t.number FROM {schema}.turns AS t WHERE t.thread_key = p_thread_key AND t.id = p_turn_id)
            );
    END IF;
    RETURN QUERY
        SELECT 'blob', NULL::bigint, b.digest, NULL::bigint, NULL::bigint, NULL::integer, NULL, NULL::bigint, b.data
        FROM {schema}.blobs AS b
        WHERE b.thread_key = p_thread_key AND b.digest = ANY (
            p_digests || ARRAY(
                SELECT n.digest FROM {schema}.turn_blobs AS n
                WHERE n.thread_key = p_thread_key AND n.number BETWEEN p_lowest_shown AND p_highest
            )
        );
END
$function$;

-- Return true if the thread holds or remembers a record with this number and id.
CREATE FUNCTION {schema}.is_known(p_thread_key bigint, p_number bigint, p_id text)
RETURNS boolean
LANGUAGE sql STABLE AS $function$
    SELECT EXISTS (
        SELECT FROM {schema}.turns AS t WHERE t.thread_key = p_thread_key AND t.number = p_number AND t.id = p_id
    ) OR EXISTS (
        SELECT FROM {schema}.removed AS r WHERE r.thread_key = p_thread_key AND r.id = p_id AND r.number = p_number
    )
$function$;

-- Return true if a thread continues the history that a guard names; the thread may have more records since. It is the
-- counterpart of `check_history`.
CREATE FUNCTION {schema}.is_later(
    p_thread {schema}.threads, p_revision bigint, p_incarnation text, p_record_id text
)
RETURNS boolean
LANGUAGE sql STABLE AS $function$
    SELECT (p_incarnation = coalesce(p_thread.incarnation, 'no thread')) IS NOT FALSE
        AND (p_revision < coalesce(p_thread.revision, 0)) IS NOT FALSE
        AND (
            p_record_id IS NULL
            OR (p_revision = 0 AND p_record_id = '')
            OR {schema}.is_known(p_thread.key, p_revision, p_record_id)
        )
$function$;

-- Return the number of a dropped turn whose id the thread remembers.
CREATE FUNCTION {schema}.dropped_turn(p_thread_key bigint, p_turn_id text)
RETURNS bigint
LANGUAGE sql STABLE AS $function$
    SELECT r.number FROM {schema}.removed AS r
    WHERE r.thread_key = p_thread_key AND r.id = p_turn_id AND r.is_dropped_turn LIMIT 1
$function$;

-- Return the outcome of an append, from the number of the record and whether it was there before.
CREATE FUNCTION {schema}.outcome(p_number bigint, p_is_replay boolean)
RETURNS text
LANGUAGE sql IMMUTABLE AS $function$
    SELECT CASE WHEN p_is_replay THEN 'replayed' WHEN p_number = 1 THEN 'created' ELSE 'appended' END
$function$;

-- Append a record. r_outcome is 'created' (the thread's first record), 'appended', 'replayed' (the thread has a record
-- of this id: it comes in the other columns, and rows 'name' of its blobs follow), 'gone' (the thread holds no turn p_target to replace), 'draft' (its draft has another last step than p_last_step), or a refusal. A record with the same id and call was written by this call,
-- and the answer was lost: the outcome is the same as then.
CREATE FUNCTION {schema}.append_record(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_last_step text,
    p_may_exist boolean,
    p_call bigint,
    p_id text,
    p_created_us bigint,
    p_committed_us bigint,
    p_message_count integer,
    p_body bytea,
    p_kind text,
    p_target bigint,
    p_undo_id text,
    p_keep_messages bigint,
    p_title json,
    p_lock_timeout_ms integer
)
RETURNS TABLE (
    r_outcome text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_committed_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    its_key bigint;
    new_revision bigint;
    old_first bigint;
    its_messages bigint;
    its_draft boolean;
    thread {schema}.threads%ROWTYPE;
    oldest CURSOR (k bigint, low bigint) FOR
        SELECT t.number, t.message_count FROM {schema}.turns AS t
        WHERE t.thread_key = k AND t.number >= low ORDER BY t.number;
    new_first bigint;
    remaining bigint;
    is_replacement boolean := p_kind = 'turn' AND p_target IS NOT NULL;
BEGIN
    -- For this transaction alone: a pooler may lend the connection to another client afterwards.
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);

    -- Usually the id is new, the record has no time of its own, and the thread has records and keeps its title. Then one
    -- statement checks the conditions, as `refusal` does, and brings the thread's row up to the new record.
    IF NOT p_may_exist AND p_committed_us IS NULL AND NOT is_replacement THEN
        UPDATE {schema}.threads AS t
        SET revision = t.revision + 1,
            record_id = p_id,
            turns = t.turns + (p_kind = 'turn')::integer,
            messages = t.messages + p_message_count,
            updated_us = p_created_us
        WHERE t.id = p_thread_id
            AND (
                t.revision = 0
                OR t.title_turn = 0
                OR t.user_id <> p_user_id
                OR t.revision <> p_revision
                OR t.incarnation <> p_incarnation
                OR t.record_id <> p_record_id
                OR t.edits <> p_edits
                OR p_last_step <> ''
                OR (p_last_step = '' AND t.has_draft)
            ) IS NOT TRUE
        RETURNING t.key, t.revision, t.first, t.messages, t.has_draft
        INTO its_key, new_revision, old_first, its_messages, its_draft;
    END IF;

    WHILE its_key IS NULL LOOP
        SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
        r_outcome := {schema}.refusal(thread, p_user_id, p_revision, p_incarnation, p_record_id, p_edits);
        IF p_may_exist AND thread.key IS NOT NULL AND r_outcome IS DISTINCT FROM 'owner' THEN
            RETURN QUERY
                SELECT
                    {schema}.outcome(t.number, t.call IS DISTINCT FROM p_call),
                    t.number,
                    t.id,
                    t.created_us,
                    t.committed_us,
                    t.message_count,
                    t.kind,
                    t.target,
                    t.body
                FROM {schema}.turns AS t WHERE t.thread_key = thread.key AND t.id = p_id;
            IF FOUND THEN
                IF thread.has_blobs THEN
                    RETURN QUERY SELECT * FROM {schema}.names_of(
                        thread.key,
                        ARRAY(SELECT t.number FROM {schema}.turns AS t WHERE t.thread_key = thread.key AND t.id = p_id)
                    );
                END IF;
                PERFORM {schema}.end_draft(thread.key, ARRAY[p_id]);
                RETURN;
            END IF;
            IF thread.first > 1 THEN
                r_number := {schema}.dropped_turn(thread.key, p_id);
                IF r_number IS NOT NULL THEN
                    r_outcome := 'dropped';
                    RETURN NEXT;
                    RETURN;
                END IF;
            END IF;
        END IF;
        IF r_outcome IS NULL AND p_last_step <> {schema}.last_step(thread.key) THEN
            r_outcome := 'draft';
        END IF;
        IF r_outcome IS NULL AND is_replacement AND NOT EXISTS (
            SELECT FROM {schema}.turns AS t
            WHERE t.thread_key = thread.key AND t.number = p_target AND t.kind IS NULL
        ) THEN
            r_outcome := 'gone';
        END IF;
        IF r_outcome IS NOT NULL THEN
            r_number := coalesce(thread.revision, 0);
            RETURN NEXT;
            RETURN;
        END IF;
        IF thread.key IS NULL AND NOT {schema}.make_thread(p_thread_id, p_created_us) THEN
            CONTINUE; -- Another writer made it, and may have written to it.
        END IF;
        UPDATE {schema}.threads AS t
        SET revision = t.revision + 1 + is_replacement::integer,
            record_id = p_id,
            turns = t.turns + (p_kind = 'turn')::integer,
            messages = t.messages + p_message_count,
            updated_us = CASE
                WHEN p_committed_us IS NULL THEN p_created_us ELSE greatest(t.updated_us, p_created_us)
            END,
            user_id = CASE WHEN t.revision = 0 THEN coalesce(t.user_id, p_user_id) ELSE t.user_id END,
            title = coalesce(t.title, CASE WHEN t.revision = 0 OR t.title_turn = 0 THEN p_title END),
            title_turn = CASE
                WHEN t.title IS NULL AND p_title IS NOT NULL AND (t.revision = 0 OR t.title_turn = 0)
                THEN t.revision + 1 + is_replacement::integer
                ELSE t.title_turn
            END
        WHERE t.id = p_thread_id
        RETURNING t.key, t.revision, t.first, t.messages, t.has_draft
        INTO its_key, new_revision, old_first, its_messages, its_draft;
        IF new_revision = 1 THEN
            PERFORM {schema}.note_owner(its_key, thread.user_id, coalesce(thread.user_id, p_user_id));
        END IF;
    END LOOP;

    INSERT INTO {schema}.turns (
        thread_key, number, created_us, committed_us, target, call, message_count, id, kind, body
    )
    VALUES (
        its_key,
        new_revision,
        p_created_us,
        p_committed_us,
        p_target,
        p_call,
        p_message_count,
        p_id,
        nullif(p_kind, 'turn'),
        p_body
    );

    IF p_kind = 'turn' THEN
        IF its_draft THEN
            DELETE FROM {schema}.drafts AS d WHERE d.thread_key = its_key;
            UPDATE {schema}.threads AS t SET has_draft = false WHERE t.key = its_key;
        END IF;
        IF is_replacement THEN
            INSERT INTO {schema}.turns (thread_key, number, created_us, target, message_count, id, kind, body)
            VALUES (
                its_key,
                new_revision - 1,
                coalesce(p_committed_us, p_created_us),
                p_target,
                0,
                p_undo_id,
                'undo',
                ''
            );
            PERFORM {schema}.delete_records(its_key, p_target, p_target, old_first, new_revision, p_title);
            SELECT t.messages INTO its_messages FROM {schema}.threads AS t WHERE t.key = its_key;
        END IF;
        IF its_messages > p_keep_messages THEN
            new_first := old_first;
            remaining := its_messages;
            FOR aged IN oldest (its_key, old_first) LOOP
                new_first := aged.number;
                EXIT WHEN remaining <= greatest(p_keep_messages, p_message_count);
                remaining := remaining - aged.message_count;
            END LOOP;
            PERFORM {schema}.delete_records(its_key, old_first, new_first - 1, new_first, new_revision, p_title);
        END IF;
    ELSIF p_kind = 'undo' THEN
        PERFORM {schema}.delete_records(its_key, p_target, p_target, old_first, new_revision, NULL);
    ELSIF p_kind = 'trim' THEN
        PERFORM {schema}.delete_records(its_key, old_first, p_target - 1, p_target, new_revision, NULL);
    END IF;
    IF new_revision % 100 = 0 THEN
        PERFORM {schema}.forget_ids(its_key, new_revision);
    END IF;

    r_outcome := {schema}.outcome(new_revision, false);
    r_number := new_revision;
    RETURN NEXT;
END
$function$;

-- Append many turns of one thread in one trip; no two have the same id. The rows are those of append_record, one for
-- each turn, or one alone with a refusal. The thread's row is written once: a transaction that wrote it for each turn
-- would walk through all of its versions each time.
CREATE FUNCTION {schema}.append_records(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_calls bigint[],
    p_ids text[],
    p_created_us bigint[],
    p_committed_us bigint[],
    p_message_counts integer[],
    p_bodies bytea[],
    p_title json,
    p_lock_timeout_ms integer
)
RETURNS TABLE (
    r_outcome text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_committed_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
    dropped record;
    added record;
    new_user_id text;
    new_revision bigint;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    LOOP
        SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
        r_number := coalesce(thread.revision, 0);
        r_outcome := {schema}.refusal(thread, p_user_id, p_revision, p_incarnation, p_record_id, p_edits);
        IF r_outcome = 'conflict' AND EXISTS (
            SELECT FROM {schema}.turns AS t WHERE t.thread_key = thread.key AND t.id = p_ids[1]
        ) THEN
            r_outcome := NULL; -- The first turn is a retry.
        END IF;
        IF thread.first > 1 AND r_outcome IS DISTINCT FROM 'owner' THEN
            SELECT r.number, r.id INTO dropped
            FROM unnest(p_ids) WITH ORDINALITY AS given (id, place)
            JOIN {schema}.removed AS r ON r.thread_key = thread.key AND r.id = given.id AND r.is_dropped_turn
            WHERE r_outcome IS NULL OR given.place = 1
            ORDER BY given.place LIMIT 1;
            IF FOUND THEN
                r_outcome := 'dropped';
                r_number := dropped.number;
                r_id := dropped.id;
            END IF;
        END IF;
        IF r_outcome IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
        EXIT WHEN thread.key IS NOT NULL;
        PERFORM {schema}.make_thread(p_thread_id, p_created_us[1]);
    END LOOP;

    -- Each id is looked up on its own, here and below. A join might read all ids of the thread.
    --
    -- The newest turn that was said now gives the thread's time. Turns with a time of their own can only raise it.
    WITH written AS (
        INSERT INTO {schema}.turns AS w (thread_key, number, created_us, committed_us, call, message_count, id, body)
        SELECT
            thread.key,
            thread.revision + row_number() OVER (ORDER BY given.place),
            given.created_us,
            nullif(given.committed_us, given.created_us),
            given.call,
            given.message_count,
            given.id,
            given.body
        FROM unnest(p_calls, p_ids, p_created_us, p_committed_us, p_message_counts, p_bodies) WITH ORDINALITY
            AS given (call, id, created_us, committed_us, message_count, body, place)
        WHERE (SELECT t.number FROM {schema}.turns AS t WHERE t.thread_key = thread.key AND t.id = given.id) IS NULL
        RETURNING w.number, w.id, w.created_us, w.committed_us, w.message_count
    ),
    said_now AS MATERIALIZED (
        SELECT max(written.number) AS number FROM written WHERE written.committed_us IS NULL
    )
    SELECT
        count(*) AS turns,
        sum(written.message_count) AS messages,
        (array_agg(written.id ORDER BY written.number DESC))[1] AS record_id,
        max(written.created_us) FILTER (WHERE (written.number < said_now.number) IS NOT TRUE) AS latest,
        bool_or(said_now.number IS NOT NULL) AS has_now
    INTO added
    FROM written, said_now;

    IF added.turns > 0 THEN
        UPDATE {schema}.threads AS t
        SET revision = t.revision + added.turns,
            record_id = added.record_id,
            has_draft = false,
            turns = t.turns + added.turns,
            messages = t.messages + added.messages,
            updated_us = CASE WHEN added.has_now THEN added.latest ELSE greatest(t.updated_us, added.latest) END,
            user_id = CASE WHEN t.revision = 0 THEN coalesce(t.user_id, p_user_id) ELSE t.user_id END,
            title = coalesce(t.title, CASE WHEN t.revision = 0 OR t.title_turn = 0 THEN p_title END),
            title_turn = CASE
                WHEN t.title IS NULL AND p_title IS NOT NULL AND (t.revision = 0 OR t.title_turn = 0)
                THEN t.revision + 1
                ELSE t.title_turn
            END
        WHERE t.key = thread.key
        RETURNING t.user_id, t.revision INTO new_user_id, new_revision;
        PERFORM {schema}.note_owner(thread.key, thread.user_id, new_user_id);
        IF thread.revision / 100 < new_revision / 100 THEN
            PERFORM {schema}.forget_ids(thread.key, new_revision);
        END IF;
        IF thread.has_draft THEN
            DELETE FROM {schema}.drafts AS d WHERE d.thread_key = thread.key;
        END IF;
    ELSE
        PERFORM {schema}.end_draft(thread.key, p_ids);
    END IF;

    RETURN QUERY
        SELECT
            {schema}.outcome(t.number, t.number <= thread.revision AND t.call IS DISTINCT FROM given.call),
            t.number,
            t.id,
            t.created_us,
            t.committed_us,
            t.message_count,
            t.kind,
            t.target,
            CASE WHEN t.number <= thread.revision THEN t.body END
        FROM unnest(p_calls, p_ids) WITH ORDINALITY AS given (call, id, place)
        CROSS JOIN LATERAL (
            SELECT * FROM {schema}.turns AS own WHERE own.thread_key = thread.key AND own.id = given.id LIMIT 1
        ) AS t
        ORDER BY given.place;
    IF thread.has_blobs THEN
        RETURN QUERY SELECT * FROM {schema}.names_of(
            thread.key,
            ARRAY(SELECT t.number FROM {schema}.turns AS t WHERE t.thread_key = thread.key AND t.id = ANY (p_ids))
        );
    END IF;
END
$function$;

-- Append records, as append_records does, with their blobs: the blob p_digests[i] belongs to the record p_owners[i].
CREATE FUNCTION {schema}.append_records_with_blobs(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_calls bigint[],
    p_ids text[],
    p_created_us bigint[],
    p_committed_us bigint[],
    p_message_counts integer[],
    p_bodies bytea[],
    p_title json,
    p_lock_timeout_ms integer,
    p_owners text[],
    p_digests text[],
    p_data bytea[]
)
RETURNS TABLE (
    r_outcome text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_committed_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    row record;
BEGIN
    FOR row IN
        SELECT * FROM {schema}.append_records(
            p_thread_id, p_user_id, p_revision, p_incarnation, p_record_id, p_edits, p_calls, p_ids, p_created_us,
            p_committed_us, p_message_counts, p_bodies, p_title, p_lock_timeout_ms
        )
    LOOP
        r_outcome := row.r_outcome;
        r_number := row.r_number;
        r_id := row.r_id;
        r_created_us := row.r_created_us;
        r_committed_us := row.r_committed_us;
        r_message_count := row.r_message_count;
        r_kind := row.r_kind;
        r_target := row.r_target;
        r_body := row.r_body;
        RETURN NEXT;
        IF r_outcome IN ('created', 'appended') THEN
            PERFORM {schema}.write_blobs(p_thread_id, r_number, r_id, p_owners, p_digests, p_data);
        END IF;
    END LOOP;
END
$function$;

-- Append a record, as append_record does, with its blobs.
CREATE FUNCTION {schema}.append_record_with_blobs(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_last_step text,
    p_may_exist boolean,
    p_call bigint,
    p_id text,
    p_created_us bigint,
    p_committed_us bigint,
    p_message_count integer,
    p_body bytea,
    p_kind text,
    p_target bigint,
    p_undo_id text,
    p_keep_messages bigint,
    p_title json,
    p_lock_timeout_ms integer,
    p_digests text[],
    p_data bytea[]
)
RETURNS TABLE (
    r_outcome text,
    r_number bigint,
    r_id text,
    r_created_us bigint,
    r_committed_us bigint,
    r_message_count integer,
    r_kind text,
    r_target bigint,
    r_body bytea
)
LANGUAGE plpgsql VOLATILE AS $function$
BEGIN
    RETURN QUERY
        SELECT * FROM {schema}.append_record(
            p_thread_id, p_user_id, p_revision, p_incarnation, p_record_id, p_edits, p_last_step, p_may_exist, p_call, p_id,
            p_created_us, p_committed_us, p_message_count, p_body, p_kind, p_target, p_undo_id, p_keep_messages,
            p_title, p_lock_timeout_ms
        );
    -- The thread's row is locked. A turn that another call wrote has its blobs.
    PERFORM {schema}.write_blobs(
        p_thread_id, t.number, p_id, array_fill(p_id, ARRAY[cardinality(p_digests)]), p_digests, p_data
    )
    FROM {schema}.threads AS own JOIN {schema}.turns AS t ON t.thread_key = own.key AND t.id = p_id
    WHERE own.id = p_thread_id AND t.call IS NOT DISTINCT FROM p_call;
END
$function$;

-- Note that a turn names the blobs whose owner has its id, and write the bytes that the thread does not hold yet.
CREATE FUNCTION {schema}.write_blobs(
    p_thread_id text, p_number bigint, p_turn_id text, p_owners text[], p_digests text[], p_data bytea[]
)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    its_key bigint;
BEGIN
    UPDATE {schema}.threads AS t SET has_blobs = true WHERE t.id = p_thread_id AND NOT t.has_blobs;
    SELECT t.key INTO its_key FROM {schema}.threads AS t WHERE t.id = p_thread_id;
    INSERT INTO {schema}.blobs (thread_key, digest, data)
    SELECT its_key, p_digests[i], p_data[i] FROM generate_subscripts(p_digests, 1) AS i WHERE p_owners[i] = p_turn_id
    ON CONFLICT (thread_key, digest) DO NOTHING;
    INSERT INTO {schema}.turn_blobs (thread_key, number, place, digest)
    SELECT its_key, p_number, i, p_digests[i] FROM generate_subscripts(p_digests, 1) AS i WHERE p_owners[i] = p_turn_id
    ON CONFLICT (thread_key, number, place) DO NOTHING;
END
$function$;

-- Delete the blobs that only the turns p_low to p_high name.
CREATE FUNCTION {schema}.delete_blobs(p_thread_key bigint, p_low bigint, p_high bigint)
RETURNS void
LANGUAGE sql VOLATILE AS $function$
    WITH gone AS (
        DELETE FROM {schema}.turn_blobs AS n
        WHERE n.thread_key = p_thread_key AND n.number BETWEEN p_low AND p_high
        RETURNING n.digest
    )
    DELETE FROM {schema}.blobs AS b
    WHERE b.thread_key = p_thread_key AND b.digest IN (SELECT gone.digest FROM gone) AND NOT EXISTS (
        SELECT FROM {schema}.turn_blobs AS n
        WHERE n.thread_key = p_thread_key AND n.digest = b.digest AND n.number NOT BETWEEN p_low AND p_high
    )
$function$;

-- Put a blob in the place of another one. r_outcome is 'done', 'nothing' (the thread does not hold p_digest), or a
-- refusal.
CREATE FUNCTION {schema}.replace_blob(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_digest text,
    p_new_digest text,
    p_data bytea,
    p_lock_timeout_ms integer
)
RETURNS TABLE (r_outcome text, r_revision bigint)
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
    r_revision := coalesce(thread.revision, 0);
    r_outcome := {schema}.refusal(thread, p_user_id, p_revision, p_incarnation, p_record_id, p_edits);
    IF r_outcome IS NULL THEN
        DELETE FROM {schema}.blobs AS b WHERE b.thread_key = thread.key AND b.digest = p_digest;
        r_outcome := CASE WHEN FOUND THEN 'done' ELSE 'nothing' END;
    END IF;
    IF r_outcome = 'done' THEN
        INSERT INTO {schema}.blobs (thread_key, digest, data) VALUES (thread.key, p_new_digest, p_data)
        ON CONFLICT (thread_key, digest) DO UPDATE SET data = p_data;
        DELETE FROM {schema}.turn_blobs AS n
        WHERE n.thread_key = thread.key AND n.digest = p_digest AND p_digest <> p_new_digest AND EXISTS (
            SELECT FROM {schema}.turn_blobs AS o
            WHERE o.thread_key = n.thread_key AND o.number = n.number AND o.digest = p_new_digest
        );
        UPDATE {schema}.turn_blobs AS n SET digest = p_new_digest
        WHERE n.thread_key = thread.key AND n.digest = p_digest;
        -- A transaction of a higher isolation level that reads the thread's row must see the change, or fail.
        UPDATE {schema}.threads AS t SET has_blobs = true WHERE t.key = thread.key;
    END IF;
    RETURN NEXT;
END
$function$;

-- Make a thread without records and user; returns whether it was not there. The row is then locked.
CREATE FUNCTION {schema}.make_thread(p_thread_id text, p_now_us bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $function$
BEGIN
    INSERT INTO {schema}.threads (id, revision, first, turns, messages, created_us, updated_us)
    VALUES (p_thread_id, 0, 1, 0, 0, p_now_us, p_now_us)
    ON CONFLICT (id) DO NOTHING;
    RETURN FOUND;
END
$function$;

-- Note that a thread went from one user to another; NULL is no user.
CREATE FUNCTION {schema}.note_owner(p_thread_key bigint, p_old text, p_new text)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $function$
BEGIN
    IF p_old IS DISTINCT FROM p_new THEN
        DELETE FROM {schema}.owners AS o WHERE o.user_id = p_old AND o.thread_key = p_thread_key;
        INSERT INTO {schema}.owners (user_id, thread_key) SELECT p_new, p_thread_key WHERE p_new IS NOT NULL;
    END IF;
END
$function$;

-- Delete the records p_low to p_high of a thread, whose first number is p_first and whose revision is p_revision
-- afterwards, and remember the ids of the newest. An undo, whose range is one number and which leaves p_first, also
-- deletes the summaries that cover its turn. A title made of a deleted turn gives way to p_title.
CREATE FUNCTION {schema}.delete_records(
    p_thread_key bigint, p_low bigint, p_high bigint, p_first bigint, p_revision bigint, p_title json
)
RETURNS void
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    is_undo boolean := p_low = p_high AND p_first <= p_low;
    its_blobs boolean;
BEGIN
    IF is_undo THEN
        WITH gone AS (
            DELETE FROM {schema}.turns AS t
            WHERE t.thread_key = p_thread_key AND t.kind = 'summary' AND t.number > p_low AND t.target >= p_low
            RETURNING t.number, t.id
        )
        INSERT INTO {schema}.removed (thread_key, number, id, is_dropped_turn)
        SELECT p_thread_key, gone.number, gone.id, false FROM gone WHERE gone.number > p_revision - 1000;
    END IF;

    WITH gone AS (
        DELETE FROM {schema}.turns AS t
        WHERE t.thread_key = p_thread_key AND t.number BETWEEN p_low AND p_high
        RETURNING t.number, t.id, t.kind, t.message_count
    ),
    remembered AS (
        INSERT INTO {schema}.removed (thread_key, number, id, is_dropped_turn)
        SELECT p_thread_key, gone.number, gone.id, NOT is_undo AND gone.kind IS NULL
        FROM gone WHERE gone.number > p_revision - 1000
    ),
    counts AS (
        SELECT count(*) FILTER (WHERE gone.kind IS NULL) AS turns, coalesce(sum(gone.message_count), 0) AS messages
        FROM gone
    )
    UPDATE {schema}.threads AS t
    SET first = p_first,
        turns = t.turns - counts.turns,
        messages = t.messages - counts.messages,
        title = CASE WHEN t.title_turn BETWEEN p_low AND p_high THEN p_title ELSE t.title END,
        title_turn = CASE
            WHEN t.title_turn BETWEEN p_low AND p_high THEN CASE WHEN p_title IS NULL THEN 0 ELSE p_revision END
            ELSE t.title_turn
        END
    FROM counts WHERE t.key = p_thread_key
    RETURNING t.has_blobs INTO its_blobs;
    IF its_blobs THEN
        PERFORM {schema}.delete_blobs(p_thread_key, p_low, p_high);
    END IF;
END
$function$;

-- Forget the ids of removed records that are too old for a retry or a continued read. This is done every 100 records,
-- and reads about 1,100 ids at most.
CREATE FUNCTION {schema}.forget_ids(p_thread_key bigint, p_revision bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $function$
BEGIN
    DELETE FROM {schema}.removed AS r WHERE r.thread_key = p_thread_key AND r.number <= p_revision - 1000;
END
$function$;

-- Delete the draft of a turn that is already in the thread.
CREATE FUNCTION {schema}.end_draft(p_thread_key bigint, p_turn_ids text[])
RETURNS void
LANGUAGE sql VOLATILE AS $function$
    WITH gone AS (
        DELETE FROM {schema}.drafts AS d
        WHERE d.thread_key = p_thread_key AND EXISTS (
            SELECT FROM {schema}.drafts AS f
            WHERE f.thread_key = p_thread_key AND f.number = 1 AND f.turn_id = ANY (p_turn_ids)
        )
        RETURNING d.number
    )
    UPDATE {schema}.threads AS t SET has_draft = false WHERE t.key = p_thread_key AND EXISTS (SELECT FROM gone)
$function$;

-- Return the id of the last step of a thread's draft; '' without a draft.
CREATE FUNCTION {schema}.last_step(p_thread_key bigint)
RETURNS text
LANGUAGE sql STABLE AS $function$
    SELECT coalesce(
        (SELECT d.id FROM {schema}.drafts AS d WHERE d.thread_key = p_thread_key ORDER BY d.number DESC LIMIT 1), ''
    )
$function$;

-- Save a step of a draft. r_outcome is 'saved', and then r_incarnation is the thread's; or 'draft', if the step is not
-- the draft's next one, follows another step than p_previous, or would begin a draft beside the draft that another turn
-- has on the same revision, or in place of an ended draft that does not end with p_previous; or 'moved', if it would begin a draft on another revision than the thread's, which is
-- r_revision; or a refusal.
CREATE FUNCTION {schema}.save_step(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_number integer,
    p_id text,
    p_previous text,
    p_turn_id text,
    p_begun_on bigint,
    p_body bytea,
    p_created_us bigint,
    p_lock_timeout_ms integer
)
RETURNS TABLE (r_outcome text, r_revision bigint, r_incarnation text)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
    refused text;
    is_same_turn boolean;
    same {schema}.drafts%ROWTYPE;
    new_user_id text;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    LOOP
        SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
        r_revision := coalesce(thread.revision, 0);
        refused := {schema}.refusal(thread, p_user_id, p_revision, p_incarnation, p_record_id, p_edits);
        is_same_turn := EXISTS (
            SELECT FROM {schema}.drafts AS d
            WHERE d.thread_key = thread.key AND d.number = 1 AND d.turn_id = p_turn_id
        );
        r_outcome := CASE
            WHEN refused = 'owner' THEN 'owner'
            WHEN refused = 'conflict' AND NOT {schema}.is_later(thread, p_revision, p_incarnation, p_record_id)
                THEN 'conflict'
            WHEN p_number = 1 AND NOT is_same_turn THEN CASE
                WHEN p_begun_on <> r_revision THEN 'moved'
                WHEN EXISTS (
                    SELECT FROM {schema}.drafts AS d
                    WHERE d.thread_key = thread.key AND d.number = 1 AND d.revision = r_revision
                ) OR p_previous <> {schema}.last_step(thread.key) THEN 'draft'
                ELSE refused
            END
            WHEN NOT is_same_turn THEN 'draft'
        END;
        IF r_outcome IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
        EXIT WHEN thread.key IS NOT NULL;
        PERFORM {schema}.make_thread(p_thread_id, p_created_us);
    END LOOP;

    r_outcome := 'saved';
    r_incarnation := thread.incarnation;
    IF is_same_turn THEN
        SELECT * INTO same FROM {schema}.drafts AS d WHERE d.thread_key = thread.key AND d.number = p_number;
        IF FOUND OR NOT EXISTS (
            SELECT FROM {schema}.drafts AS d
            WHERE d.thread_key = thread.key AND d.number = p_number - 1 AND (d.id = p_previous) IS NOT FALSE
        ) THEN
            IF ((same.revision, same.body) = (p_begun_on, p_body)) IS NOT TRUE THEN
                r_outcome := 'draft';
            END IF;
            RETURN NEXT;
            RETURN;
        END IF;
    ELSE
        DELETE FROM {schema}.drafts AS d WHERE d.thread_key = thread.key;
    END IF;
    UPDATE {schema}.threads AS t
    SET has_draft = true,
        user_id = CASE WHEN t.revision = 0 AND p_number = 1 THEN coalesce(t.user_id, p_user_id) ELSE t.user_id END
    WHERE t.key = thread.key
    RETURNING t.user_id INTO new_user_id;
    PERFORM {schema}.note_owner(thread.key, thread.user_id, new_user_id);
    INSERT INTO {schema}.drafts (thread_key, number, id, turn_id, revision, body, created_us)
    VALUES (thread.key, p_number, p_id, p_turn_id, p_begun_on, p_body, p_created_us);
    RETURN NEXT;
END
$function$;

-- Delete the draft of a turn, or of any turn (NULL). r_outcome is 'done', 'nothing' (there was no such draft), 'draft'
-- (it has another last step than p_last_step), or a refusal.
CREATE FUNCTION {schema}.drop_draft(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_last_step text,
    p_turn_id text,
    p_call bigint,
    p_lock_timeout_ms integer
)
RETURNS TABLE (r_outcome text, r_revision bigint)
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
    r_revision := coalesce(thread.revision, 0);
    r_outcome := {schema}.refusal(thread, p_user_id, p_revision, p_incarnation, p_record_id, p_edits);
    IF thread.call = p_call THEN
        r_outcome := 'done'; -- This call did it, and its answer was lost.
    ELSIF r_outcome IS DISTINCT FROM 'owner' AND NOT EXISTS (
        SELECT FROM {schema}.drafts AS d
        WHERE d.thread_key = thread.key AND d.number = 1 AND (d.turn_id = p_turn_id) IS NOT FALSE
    ) THEN
        r_outcome := 'nothing';
    ELSIF r_outcome IS NULL AND p_last_step <> {schema}.last_step(thread.key) THEN
        r_outcome := 'draft';
    ELSIF r_outcome IS NULL THEN
        UPDATE {schema}.threads AS t SET call = p_call, has_draft = false WHERE t.key = thread.key;
        DELETE FROM {schema}.drafts AS d WHERE d.thread_key = thread.key;
        r_outcome := 'done';
    END IF;
    RETURN NEXT;
END
$function$;

-- Change a thread's settings; create the thread if it is missing. r_outcome is 'done', and then r_info is the thread's
-- `info`; or a refusal. A setting whose value is NULL stays, unless p_sets_ says that it is set to NULL. p_metadata has the keys to set; a key with null is removed.
CREATE FUNCTION {schema}.update_thread(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_call bigint,
    p_now_us bigint,
    p_sets_user boolean,
    p_new_user_id text,
    p_sets_title boolean,
    p_title json,
    p_title_turn bigint,
    p_metadata json,
    p_sets_parent boolean,
    p_parent json,
    p_archived boolean,
    p_tags json,
    p_changed_us bigint,
    p_lock_timeout_ms integer
)
RETURNS TABLE (r_outcome text, r_revision bigint, r_info text)
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
    old_user_id text;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    LOOP
        SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
        IF thread.call = p_call THEN
            r_outcome := 'done'; -- This call did it, and its answer was lost.
            r_info := {schema}.info(thread);
            RETURN NEXT;
            RETURN;
        END IF;
        r_revision := coalesce(thread.revision, 0);
        r_outcome := {schema}.refusal(thread, p_user_id, p_revision, p_incarnation, p_record_id, p_edits);
        IF r_outcome IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
        EXIT WHEN thread.key IS NOT NULL;
        PERFORM {schema}.make_thread(p_thread_id, coalesce(p_changed_us, p_now_us));
    END LOOP;
    old_user_id := thread.user_id;
    UPDATE {schema}.threads AS t
    SET updated_us = CASE WHEN p_changed_us IS NULL THEN p_now_us ELSE greatest(t.updated_us, p_changed_us) END,
        call = p_call,
        edits = greatest(t.edits + 1, p_now_us),
        user_id = CASE
            WHEN p_sets_user THEN p_new_user_id
            WHEN t.revision = 0 THEN coalesce(t.user_id, p_user_id)
            ELSE t.user_id
        END,
        title = CASE WHEN p_sets_title THEN p_title ELSE t.title END,
        title_turn = CASE WHEN p_sets_title THEN p_title_turn ELSE t.title_turn END,
        metadata = CASE WHEN p_metadata IS NULL THEN t.metadata ELSE {schema}.merge(t.metadata, p_metadata) END,
        -- A thread that is taken from its user forgets its parent.
        parent = CASE
            WHEN p_sets_parent THEN p_parent
            WHEN p_sets_user AND t.user_id IS DISTINCT FROM p_new_user_id AND t.user_id IS NOT NULL THEN NULL
            ELSE t.parent
        END,
        archived = coalesce(p_archived, t.archived),
        tags = coalesce(p_tags, t.tags)
    WHERE t.key = thread.key
    RETURNING * INTO thread;
    PERFORM {schema}.note_owner(thread.key, old_user_id, thread.user_id);
    r_outcome := 'done';
    r_info := {schema}.info(thread);
    RETURN NEXT;
END
$function$;

-- Set keys of a JSON object, and remove the keys with null.
CREATE FUNCTION {schema}.merge(p_old json, p_new json)
RETURNS json
LANGUAGE sql IMMUTABLE AS $function$
    SELECT coalesce(json_object_agg(merged.key, merged.value), '{{}}')
    FROM (
        SELECT o.key, o.value FROM json_each(p_old) AS o
        WHERE o.key NOT IN (SELECT json_object_keys(p_new))
        UNION ALL
        SELECT n.key, n.value FROM json_each(p_new) AS n WHERE json_typeof(n.value) <> 'null'
    ) AS merged
$function$;

-- Delete a thread. r_outcome is 'done', 'nothing' (there was no thread), or a refusal.
CREATE FUNCTION {schema}.delete_thread(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_lock_timeout_ms integer
)
RETURNS TABLE (r_outcome text, r_revision bigint)
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR UPDATE;
    r_revision := thread.revision;
    r_outcome := 'nothing';
    IF FOUND THEN
        r_outcome := {schema}.refusal(thread, p_user_id, p_revision, p_incarnation, p_record_id, p_edits);
    END IF;
    IF r_outcome IS NULL THEN
        DELETE FROM {schema}.threads AS t WHERE t.key = thread.key;
        PERFORM {schema}.note_owner(thread.key, thread.user_id, NULL);
        DELETE FROM {schema}.drafts AS d WHERE d.thread_key = thread.key;
        DELETE FROM {schema}.removed AS r WHERE r.thread_key = thread.key;
        DELETE FROM {schema}.turns AS t WHERE t.thread_key = thread.key;
        IF thread.has_blobs THEN
            DELETE FROM {schema}.turn_blobs AS n WHERE n.thread_key = thread.key;
            DELETE FROM {schema}.blobs AS b WHERE b.thread_key = thread.key;
        END IF;
        r_outcome := 'done';
    END IF;
    RETURN NEXT;
END
$function$;

-- Replace the bodies of turns and summaries. r_outcome is 'done', and then r_edits is the thread's number of edits (NULL
-- without a thread); or a refusal.
CREATE FUNCTION {schema}.rewrite_records(
    p_thread_id text,
    p_user_id text,
    p_revision bigint,
    p_incarnation text,
    p_record_id text,
    p_edits bigint,
    p_call bigint,
    p_numbers bigint[],
    p_bodies bytea[],
    p_released_numbers bigint[],
    p_released_digests text[],
    p_now_us bigint,
    p_lock_timeout_ms integer
)
RETURNS TABLE (r_outcome text, r_revision bigint, r_edits bigint)
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    thread {schema}.threads%ROWTYPE;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    SELECT * INTO thread FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR NO KEY UPDATE;
    r_revision := coalesce(thread.revision, 0);
    r_outcome := {schema}.refusal(thread, p_user_id, p_revision, p_incarnation, p_record_id, p_edits);
    IF thread.call = p_call THEN
        r_outcome := 'done'; -- This call did it, and its answer was lost.
        r_edits := thread.edits;
    ELSIF r_outcome IS NULL THEN
        UPDATE {schema}.threads AS t
        SET call = p_call,
            edits = greatest(t.edits + 1, p_now_us),
            rewritten = greatest(t.edits + 1, p_now_us)
        WHERE t.key = thread.key
        RETURNING t.edits INTO r_edits;
        UPDATE {schema}.turns AS t
        SET body = given.body
        FROM unnest(p_numbers, p_bodies) AS given (number, body)
        WHERE t.thread_key = thread.key AND t.number = given.number AND (t.kind IS NULL OR t.kind = 'summary');
        IF cardinality(p_released_numbers) > 0 THEN
            DELETE FROM {schema}.turn_blobs AS n
            USING unnest(p_released_numbers, p_released_digests) AS given (number, digest)
            WHERE n.thread_key = thread.key AND n.number = given.number AND n.digest = given.digest;
            DELETE FROM {schema}.blobs AS b
            WHERE b.thread_key = thread.key AND b.digest = ANY (p_released_digests) AND NOT EXISTS (
                SELECT FROM {schema}.turn_blobs AS n WHERE n.thread_key = thread.key AND n.digest = b.digest
            );
        END IF;
        r_outcome := 'done';
    END IF;
    RETURN NEXT;
END
$function$;

-- Take or prolong a lease. r_outcome is 'done', 'held' (another holder has it), or 'owner'.
--
-- Times are by the server's clock, because the holders' clocks may differ. This clock may be put back, too. Then a lease
-- that was taken later than now is void. A second is allowed, for small corrections of the clock. The clock is read
-- after the wait for another transaction that takes the lease, so its lease was not taken later than now.
CREATE FUNCTION {schema}.take_lease(
    p_thread_id text, p_user_id text, p_holder text, p_ttl_us bigint, p_lock_timeout_ms integer
)
RETURNS text
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    ttl interval := p_ttl_us * interval '1 microsecond';
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    IF EXISTS (SELECT FROM {schema}.threads AS t WHERE t.id = p_thread_id AND t.user_id <> p_user_id) THEN
        RETURN 'owner';
    END IF;
    INSERT INTO {schema}.leases AS l (thread_id, holder, taken, until)
    VALUES (p_thread_id, p_holder, clock_timestamp(), clock_timestamp() + ttl)
    ON CONFLICT (thread_id) DO UPDATE
    SET holder = excluded.holder, taken = clock_timestamp(), until = clock_timestamp() + ttl
    WHERE l.holder = p_holder
        OR l.until <= clock_timestamp()
        OR l.taken > clock_timestamp() + interval '1 second';
    RETURN CASE WHEN FOUND THEN 'done' ELSE 'held' END;
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
    to_timestamp(turns.created_us / 1000000.0) AS created_at, -- when the turn was said
    to_timestamp(coalesce(turns.committed_us, turns.created_us) / 1000000.0) AS committed_at,
    message.r_json AS json
FROM {schema}.threads
JOIN {schema}.turns ON turns.thread_key = threads.key AND turns.kind IS NULL
CROSS JOIN LATERAL {schema}.turn_messages(turns.body) AS message;
