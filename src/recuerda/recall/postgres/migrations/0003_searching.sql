-- What a search reads, in one trip. Compiling a query of some milliseconds would cost many times as much as it saves.

-- The first row has in how many of the scope's documents each term occurs; the others are documents: the best, those
-- nearest in meaning, those of the periods, and what stands up to `p_reach` before and after them.
CREATE OR REPLACE FUNCTION {schema}.recall_candidates(
    p_scope text, p_terms text[], p_starts bigint[], p_ends bigint[], p_limit integer, p_reach integer,
    p_near bigint[], p_similarities real[]
) RETURNS TABLE (
    frequencies bigint[], key bigint, thread_id text, turn bigint, role text, speaker text, created_us bigint,
    traits integer, size integer, terms integer[], ranks real[], similarity real
)
LANGUAGE plpgsql STABLE SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    v_scope bigint;
    v_documents bigint;
    -- Read once: as a text, a query would be parsed again for each document.
    v_queries tsquery[] := p_terms::tsquery[];
    v_frequencies bigint[];
    v_terms integer[];
    v_met bigint[];
    v_ranks real[];
    v_keys bigint[];
BEGIN
    SELECT s.key, s.documents INTO v_scope, v_documents FROM {schema}.recall_scopes s WHERE s.id = p_scope;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    -- The index of terms alone, term by term: their mark of the scope leads to the scope's documents, and comparing the
    -- scope sees to it that marks need not be unique.
    SELECT array_agg(a.n::integer), array_agg(d.key), array_agg(ts_rank('{{1,1,1,1}}', d.terms, a.term))
    INTO v_terms, v_met, v_ranks
    FROM unnest(v_queries) WITH ORDINALITY AS a (term, n)
    CROSS JOIN LATERAL (
        SELECT d.key, d.terms FROM {schema}.recall_documents d WHERE d.terms @@ a.term AND d.scope + 0 = v_scope OFFSET 0
    ) d;

    SELECT array_agg(coalesce(f.documents, 0) ORDER BY n) INTO v_frequencies
    FROM generate_subscripts(p_terms, 1) AS n
    LEFT JOIN (SELECT term, count(*) AS documents FROM unnest(v_terms) AS term GROUP BY term) f ON f.term = n;

    SELECT array_agg(DISTINCT c.key + step) INTO v_keys
    FROM (
        (
            SELECT m.key FROM unnest(v_terms, v_met, v_ranks) AS m (term, key, rank) GROUP BY m.key
            ORDER BY sum(
                m.rank * ln(
                    1 + (greatest(v_documents, v_frequencies[m.term]) - v_frequencies[m.term] + 0.5::float8)
                    / (v_frequencies[m.term] + 0.5::float8)
                )
            ) DESC, m.key DESC LIMIT p_limit
        ) UNION (
            SELECT v.key FROM unnest(p_near, p_similarities) AS v (key, similarity)
            ORDER BY v.similarity DESC LIMIT p_limit
        ) UNION (
            SELECT d.key FROM unnest(p_starts, p_ends) AS p (start, until)
            CROSS JOIN LATERAL (
                SELECT d.key FROM {schema}.recall_documents d
                WHERE d.scope = v_scope AND d.created_us >= p.start AND d.created_us < p.until
                ORDER BY d.created_us DESC LIMIT p_limit
            ) d
        )
    ) c CROSS JOIN generate_series(-p_reach, p_reach) AS step;

    frequencies := coalesce(v_frequencies, '{{}}');
    RETURN NEXT;
    -- Planned for these very arrays: with a guess at their length, the joins of some hundreds would be nested loops.
    RETURN QUERY EXECUTE '
        SELECT NULL::bigint[], d.key, t.id, d.turn, d.role, d.speaker, d.created_us, d.traits, d.size, m.terms, m.ranks,
            v.similarity
        FROM {schema}.recall_documents d
        JOIN {schema}.recall_threads t ON t.key = d.key >> 32
        LEFT JOIN (
            SELECT m.key, array_agg(m.term) AS terms, array_agg(m.rank) AS ranks
            FROM unnest($1, $2, $3) AS m (term, key, rank) WHERE m.key = ANY ($6) GROUP BY m.key
        ) m ON m.key = d.key
        LEFT JOIN unnest($4, $5) AS v (key, similarity) ON v.key = d.key
        WHERE d.key = ANY ($6) AND d.scope + 0 = $7'
    USING v_terms, v_met, v_ranks, p_near, p_similarities, v_keys, v_scope;
END $$;
