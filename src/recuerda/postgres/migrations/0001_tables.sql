-- Ids are compared as bytes (COLLATE "C"): the same order on every server, whatever its locale, and stable indexes.

CREATE TABLE {schema}.threads (
    -- Never given twice, so it tells a thread's incarnations apart. The order of turns does not depend on it.
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision bigint NOT NULL,
    first bigint NOT NULL,
    turns bigint NOT NULL,
    messages bigint NOT NULL,
    created_us bigint NOT NULL,
    updated_us bigint NOT NULL,
    id text COLLATE "C" NOT NULL UNIQUE,
    user_id text COLLATE "C",
    -- JSON strings and objects may say \u0000, which text and jsonb cannot.
    title json,
    metadata json NOT NULL DEFAULT '{{}}'
);

CREATE INDEX threads_by_time ON {schema}.threads (updated_us, id);
CREATE INDEX threads_by_user ON {schema}.threads (user_id, updated_us, id) WHERE user_id IS NOT NULL;

-- Every turn leaves one dead row here. Clean up after 2 % of them rather than after 20 %, so that listings stay fast.
ALTER TABLE {schema}.threads SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.05
);

-- No foreign key: the functions that write here hold the thread's row, and its check would cost a look-up a turn.
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

CREATE UNIQUE INDEX turns_by_id ON {schema}.turns (thread_key, id);

CREATE TABLE {schema}.drafts (
    thread_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    turn_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (thread_id, number)
);

CREATE TABLE {schema}.leases (
    thread_id text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL
);
