-- Memories by scope. All of it but `recall_forgotten` can be made anew from the log.
-- Ids are compared as bytes (COLLATE "C"): the same order on every server, whatever its locale, and stable indexes.

CREATE TABLE {schema}.recall_state (
    is_the_only_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_one),
    -- Another number whenever the memories were emptied, so that processes which know them notice.
    epoch bigint NOT NULL,
    -- Of which version the terms in `recall_documents` are.
    terms integer NOT NULL
);

-- Every turn leaves a dead row here and in `recall_threads`: room in the page for the next one.
CREATE TABLE {schema}.recall_scopes (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    documents bigint NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0,
    id text COLLATE "C" NOT NULL UNIQUE
) WITH (fillfactor = 60);

-- A key is never given twice: one that was used for a deleted thread never names another one's documents.
CREATE TABLE {schema}.recall_threads (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope bigint NOT NULL REFERENCES {schema}.recall_scopes,
    revision bigint NOT NULL,
    -- The place of its next document.
    next bigint NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL UNIQUE
) WITH (fillfactor = 60);

CREATE INDEX recall_threads_by_scope ON {schema}.recall_threads (scope);

-- The key packs the thread's key and the place in the thread, so neighbours are found without an index.
-- Each lexeme of `terms` begins with a mark of the scope, and has as many positions as it occurs times.
CREATE TABLE {schema}.recall_documents (
    key bigint PRIMARY KEY,
    scope bigint NOT NULL,
    turn bigint NOT NULL,
    created_us bigint NOT NULL,
    position integer NOT NULL,
    traits integer NOT NULL,
    size integer NOT NULL,
    role text COLLATE "C" NOT NULL,
    speaker text COLLATE "C",
    turn_id text COLLATE "C" NOT NULL,
    terms tsvector NOT NULL,
    text text NOT NULL
);

-- A list of pending entries would be read by every search, and it is everybody's.
CREATE INDEX recall_documents_by_term ON {schema}.recall_documents USING gin (terms) WITH (fastupdate = off);
CREATE INDEX recall_documents_by_time ON {schema}.recall_documents (scope, created_us);

CREATE TABLE {schema}.recall_speakers (
    scope bigint NOT NULL REFERENCES {schema}.recall_scopes ON DELETE CASCADE,
    documents bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, name)
);

-- Plain numbers, which pgvector compares where it is installed: so the table is the same with and without it.
CREATE TABLE {schema}.recall_vectors (
    document bigint PRIMARY KEY REFERENCES {schema}.recall_documents ON DELETE CASCADE,
    scope bigint NOT NULL,
    model text COLLATE "C" NOT NULL,
    data real[] NOT NULL
);

ALTER TABLE {schema}.recall_vectors ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX recall_vectors_by_scope ON {schema}.recall_vectors (scope, model);

-- What was forgotten on request. It outlives the documents, and whatever else is made anew.
CREATE TABLE IF NOT EXISTS {schema}.recall_forgotten (
    first bigint NOT NULL,
    last bigint NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    PRIMARY KEY (thread_id, incarnation, first, last)
);
