-- Summaries are records of the kind 'summary', whose target is the last number that they cover. A step of a draft is
-- accepted only if it is the next one.

-- Finds a thread's newest summary, or that it has none, in one step; and costs turns nothing.
CREATE INDEX turns_summaries ON {schema}.turns (thread_key, number) WHERE kind = 'summary';

ALTER TABLE {schema}.drafts ADD COLUMN created_us bigint NOT NULL DEFAULT 0;

-- As before; and an undo, whose range is one number and which leaves p_first, also takes the summaries of its turn. Under
-- its old name, so that processes of the version before do so as well.
CREATE OR REPLACE FUNCTION {schema}.delete_turns(p_thread_key bigint, p_low bigint, p_high bigint, p_first bigint)
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

-- Steps of a draft are saved one after the other, also before there is a thread.
CREATE FUNCTION {schema}.lock_draft(p_thread_id text)
RETURNS void
LANGUAGE sql VOLATILE AS $function$
    SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('recuerda draft of ' || p_thread_id, 0))
$function$;

-- A turn that is in the thread already needs no draft.
CREATE FUNCTION {schema}.end_draft(p_thread_id text, p_turn_ids text[])
RETURNS void
LANGUAGE sql VOLATILE AS $function$
    DELETE FROM {schema}.drafts AS d
    WHERE d.thread_id = p_thread_id AND EXISTS (
        SELECT FROM {schema}.drafts AS f
        WHERE f.thread_id = p_thread_id AND f.number = 1 AND f.turn_id = ANY (p_turn_ids)
    )
$function$;

-- r_outcome is 'saved', 'conflict' when the step does not continue the draft, or would begin one beside another turn's of
-- the same revision, or 'moved' when it would begin one on another revision than the thread's, which is r_revision.
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
    -- The thread's row before the draft, as in an append; and once more, because it may have been made meanwhile.
    PERFORM FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR SHARE;
    PERFORM {schema}.lock_draft(p_thread_id);
    SELECT t.revision INTO r_revision FROM {schema}.threads AS t WHERE t.id = p_thread_id FOR SHARE;
    r_revision := coalesce(r_revision, 0);
    r_outcome := 'saved';

    -- Held, so that an append which deletes it comes before or after, whatever the isolation level.
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

-- As in an append, the thread's row is held: nothing is appended or deleted meanwhile.
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
