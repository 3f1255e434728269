-- Bodies are whatever the application stored, encrypted ones too: what is no JSON gives no rows, never an error. A NUL in
-- a text, which PostgreSQL cannot show, becomes U+FFFD.

CREATE FUNCTION {schema}.turn_messages(p_body bytea)
RETURNS TABLE (r_position bigint, r_role text, r_text text, r_json json)
LANGUAGE plpgsql STABLE AS $function$
DECLARE
    source text;
    messages json;
BEGIN
    source := convert_from(p_body, 'UTF8');
    IF strpos(source, '\u0000') > 0 THEN
        -- After an even number of backslashes only: \\u0000 is a backslash and a word.
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
