-- The functions of 0002 once more, under other names. An append: only a turn removes the draft; so does the replay of the
-- turn that the draft is of. A read: with the part 'summary' if it was asked for, and only turns after what that covers.

CREATE FUNCTION {schema}.append_record_2(
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
    -- For this transaction alone: a pooler may give the connection to somebody else afterwards.
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
        -- Made by somebody else after the look-up: it may have the record by now.
        CONTINUE WHEN FOUND AND p_may_exist AND locked_key IS NULL;
        IF p_expected <> coalesce(r_number, 0) THEN
            r_outcome := 'conflict';
            r_number := coalesce(r_number, 0);
            RETURN NEXT;
            RETURN;
        END IF;
        -- If somebody else makes it in between, the next round finds theirs.
        INSERT INTO {schema}.threads (id, revision, first, turns, messages, created_us, updated_us)
        VALUES (p_thread_id, 0, 1, 0, 0, p_created_us, p_created_us)
        ON CONFLICT (id) DO NOTHING;
    END LOOP;

    INSERT INTO {schema}.turns (thread_key, number, created_us, target, message_count, id, kind, body)
    VALUES (
        thread.key, thread.revision, p_created_us, p_target, p_message_count, p_id, nullif(p_kind, 'turn'), p_body
    );
    IF p_kind = 'turn' THEN
        -- Who saves the first steps of a new thread found no row of it to hold.
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

CREATE FUNCTION {schema}.append_records_2(
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

CREATE FUNCTION {schema}.read_thread_2(
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
    -- A declared cursor is planned for its first rows, and fetches one at a time: the index is walked backwards, and
    -- what is outside of the window is never read.
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
