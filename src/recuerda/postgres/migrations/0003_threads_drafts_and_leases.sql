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

CREATE FUNCTION {schema}.delete_thread(p_thread_id text, p_lock_timeout_ms integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $function$
DECLARE
    gone bigint;
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    -- The row first: a turn that is being appended holds it, and is there to be deleted afterwards.
    DELETE FROM {schema}.threads AS t WHERE t.id = p_thread_id RETURNING t.key INTO gone;
    DELETE FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id;
    DELETE FROM {schema}.turns AS t WHERE t.thread_key = gone;
    RETURN gone IS NOT NULL;
END
$function$;

CREATE FUNCTION {schema}.save_draft(
    p_thread_id text, p_number integer, p_turn_id text, p_revision bigint, p_body bytea, p_lock_timeout_ms integer
)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $function$
BEGIN
    PERFORM pg_catalog.set_config('lock_timeout', p_lock_timeout_ms::text, true);
    IF p_number = 1 THEN
        DELETE FROM {schema}.drafts AS d WHERE d.thread_id = p_thread_id;
    END IF;
    -- A step that is there already was saved by the first try of a retry.
    INSERT INTO {schema}.drafts (thread_id, number, turn_id, revision, body)
    VALUES (p_thread_id, p_number, p_turn_id, p_revision, p_body)
    ON CONFLICT (thread_id, number) DO UPDATE
    SET turn_id = excluded.turn_id, revision = excluded.revision, body = excluded.body;
END
$function$;

-- As in an append, the thread's row is held: nothing is appended or deleted meanwhile.
CREATE FUNCTION {schema}.rewrite_turns(
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
    WHERE t.thread_key = locked_key AND t.number = given.number AND t.kind IS NULL;
END
$function$;

-- By the server's clock: the holders' own may differ.
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
