"""The reads of the index. Each is one statement, whose rows become the structs of the interface."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from struct import Struct

import msgspec

from recuerda._drivers.postgres.database import Row, composer, rows
from recuerda._drivers.postgres.pools import Connection
from recuerda.recall.facts import Fact, FactSource
from recuerda.recall.index import (
    HIGHEST_KEY,
    SAMPLED,
    Candidate,
    CandidateQuery,
    Candidates,
    Correction,
    Document,
    Forgetting,
    HeldDocuments,
    HeldTurn,
    IndexStats,
    Position,
    ScopeInfo,
    Unembedded,
)
from recuerda.recall.postgres.arrays import number_array, text_array
from recuerda.recall.postgres.packing import chunks_in, terms_in
from recuerda.recall.postgres.schema import ANSWER
from recuerda.recall.postgres.texts import original_text
from recuerda.recall.postings import MAX_CHUNKS, Matches, Postings
from recuerda.recall.similar_words import MAX_LOOKED_AT, similar_terms, to_look_up
from recuerda.recall.vectors import MAX_COMPARED, compared, packed, similarities, unpacked

_ROLES: dict[int, str] = {False: "user", True: ANSWER}

_PACKED = Struct(">qqiihH")
"""A document as `recall_candidates` packs it: its key, time, number, turn and size, and twice its traits, plus one for
an answer."""

_HEAD = Struct(">qf")
"""The document and the scale of a vector."""


class Searching:
    """The statements that read the tables of one schema.

    Each method runs on a connection and returns the rows, or the values made from them. The first value that
    `positions`, `followed`, `overview` and `scope_info` return is the epoch; see `prepare`.
    """

    def __init__(self, schema: str) -> None:
        composed = composer(schema)
        self._schema = schema
        self._followed = composed(
            "SELECT {schema}.recall_epoch(), t.* FROM {schema}.recall_state st LEFT JOIN ("
            "SELECT t.id, s.id AS scope, t.incarnation, t.revision, t.record_id, t.edits "
            "FROM {schema}.recall_threads t "
            "JOIN {schema}.recall_scopes s ON s.key = t.scope WHERE %s::text IS NULL OR s.id = %s) t ON true"
        )
        self._scopes = composed(
            "SELECT id FROM {schema}.recall_scopes WHERE id >= %(start)s AND id < %(end)s "
            "UNION SELECT scope FROM {schema}.recall_facts WHERE scope >= %(start)s AND scope < %(end)s"
        )
        self._known_threads = composed("SELECT {schema}.recall_known_threads(%s, %s::integer)")
        self._overview = composed("SELECT * FROM {schema}.recall_overview(%s::text[], %s::text[])")
        self._postings = composed("SELECT * FROM {schema}.recall_postings_of(%s, %s::text[], %s::integer)")
        self._terms_like = composed("SELECT * FROM {schema}.recall_terms_like(%s, %s::text[], %s::text[], %s::integer)")
        self._candidates = composed(
            "SELECT * FROM {schema}.recall_candidates("
            "%s, %s::integer[], %s::bigint[], %s::bigint[], %s::integer, %s::integer[], %s::bigint[], %s, %s::integer)"
        )
        self._documents = composed("SELECT * FROM {schema}.recall_documents_of(%s::bigint[])")
        self._held = composed(
            "SELECT DISTINCT d.key FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[]) "
            "AS f (scope, thread_id, incarnation, first, last) "
            "JOIN {schema}.recall_scopes s ON s.id = f.scope "
            "JOIN {schema}.recall_threads t "
            "ON t.id = f.thread_id AND t.incarnation = f.incarnation AND t.scope = s.key "
            "JOIN {schema}.recall_documents d ON d.key BETWEEN t.key << 32 AND (t.key << 32) + 4294967295 "
            "AND d.turn BETWEEN f.first AND f.last ORDER BY d.key"
        )
        self._newest = composed(
            "SELECT d.key FROM {schema}.recall_threads t JOIN {schema}.recall_scopes s ON s.key = t.scope "
            "CROSS JOIN LATERAL (SELECT d.key FROM {schema}.recall_documents d "
            "WHERE d.key BETWEEN t.key << 32 AND least((t.key << 32) + 4294967295, %(highest)s::bigint) "
            "ORDER BY d.key DESC LIMIT %(limit)s) d "
            "WHERE s.id = %(scope)s AND t.key <= %(highest)s::bigint >> 32 ORDER BY t.key DESC, d.key DESC "
            "LIMIT %(limit)s"
        )
        self._forgotten = composed(
            "SELECT f.thread_id, f.incarnation, f.first, f.last FROM {schema}.recall_threads t "
            "JOIN {schema}.recall_scopes s ON s.key = t.scope "
            "JOIN {schema}.recall_forgotten f ON f.thread_id = t.id AND f.incarnation = t.incarnation "
            "WHERE s.id = %s ORDER BY t.key DESC, f.first DESC, f.last LIMIT %s"
        )
        self._holders = composed("SELECT thread_id, incarnation, turn FROM {schema}.recall_holders(%s, %s::bigint)")
        self._copied_vectors = composed(
            "SELECT DISTINCT ON (d.key) d.key, v.scale, v.data FROM {schema}.recall_documents d "
            "JOIN {schema}.recall_threads t ON t.key = d.key >> 32 "
            "JOIN {schema}.recall_scopes s ON s.key = t.scope AND s.id = %s "
            "CROSS JOIN LATERAL (SELECT f.* FROM {schema}.recall_documents f "
            "WHERE f.key <= d.key AND f.turn_id <> '' ORDER BY f.key DESC LIMIT 1) f "
            "JOIN {schema}.recall_documents g "
            "ON ((g.created_us << 12) | (g.digest & 4095)) = ((f.created_us << 12) | (f.digest & 4095)) "
            "AND g.created_us = f.created_us AND g.digest = f.digest "
            "AND g.turn_id = f.turn_id AND g.turn_id <> '' AND g.key <> f.key "
            "JOIN {schema}.recall_threads o ON o.key = g.key >> 32 AND o.scope = s.key "
            "JOIN {schema}.recall_documents c ON c.key = g.key + d.key - f.key AND c.digest = d.digest "
            "JOIN {schema}.recall_vectors v ON v.document = c.key AND v.model = %s WHERE d.key = ANY (%s::bigint[])"
        )
        self._unembedded = composed("SELECT * FROM {schema}.recall_unembedded(%s, %s, %s::integer)")
        self._postings_and_near = composed(
            "SELECT n, first, data, NULL::bytea "
            "FROM {schema}.recall_postings_of(%s, %s::text[], %s::integer) "
            "UNION ALL SELECT 2, are_all::integer, heads, data "
            "FROM {schema}.recall_near(%s, %s, %s::real[], %s::bigint, %s::integer)"
        )
        self._vector_models = composed(
            "SELECT m.model, m.vectors FROM {schema}.recall_scopes s JOIN {schema}.recall_models m ON m.scope = s.key "
            "WHERE s.id = %s AND m.vectors > 0"
        )
        self._vector_dimensions = composed(
            "SELECT v.size FROM (SELECT length(v.data) AS size FROM {schema}.recall_scopes s "
            "JOIN {schema}.recall_vectors v ON v.scope = s.key WHERE s.id = %s AND v.model = %s LIMIT %s) v "
            "GROUP BY v.size ORDER BY count(*) DESC LIMIT 1"
        )
        self._facts_through = composed(
            "SELECT through FROM {schema}.recall_fact_progress WHERE thread_id = %s AND incarnation = %s"
        )
        self._facts = composed(
            "SELECT f.id, f.text, f.valid_from_us, f.valid_until_us, f.superseded_by, c.said, "
            "array_agg(s.thread_id ORDER BY s.thread_id, s.incarnation, s.turn), "
            "array_agg(s.turn ORDER BY s.thread_id, s.incarnation, s.turn) "
            "FROM {schema}.recall_facts f JOIN {schema}.recall_fact_sources s ON s.fact = f.id "
            "LEFT JOIN {schema}.recall_corrections c ON c.fact = f.id "
            "WHERE f.scope = %s AND (%s OR f.superseded_by IS NULL) GROUP BY f.id, c.fact "
            "ORDER BY f.valid_from_us, f.id"
        )
        self._corrections = composed(
            "SELECT f.id, f.text, f.valid_from_us, f.valid_until_us, f.superseded_by, c.said, "
            "array_agg(s.thread_id ORDER BY s.thread_id, s.incarnation, s.turn), "
            "array_agg(s.turn ORDER BY s.thread_id, s.incarnation, s.turn), "
            "c.thread_id, c.turn, c.turn_id, c.position, c.role, c.speaker, c.created_us "
            "FROM {schema}.recall_facts f JOIN {schema}.recall_corrections c ON c.fact = f.id "
            "JOIN {schema}.recall_fact_sources s ON s.fact = f.id "
            "WHERE f.scope = %s AND c.said IS NOT NULL GROUP BY f.id, c.fact ORDER BY f.id"
        )
        self._stats = composed(
            "SELECT (SELECT count(*) FROM {schema}.recall_scopes WHERE documents > 0), "
            "(SELECT count(*) FROM {schema}.recall_threads), "
            "(SELECT coalesce(sum(documents), 0)::bigint FROM {schema}.recall_scopes), "
            "(SELECT count(*) FROM {schema}.recall_vectors), (SELECT count(*) FROM {schema}.recall_forgotten), "
            "(SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname LIKE 'recall\\_%%' AND c.relkind = 'r')"
        )

    async def positions(self, thread_ids: Sequence[str], connection: Connection) -> tuple[int, dict[str, Position]]:
        epoch, (positions, _) = await self.overview(thread_ids, (), connection)
        return epoch, positions

    async def followed(self, scope: str | None, connection: Connection) -> tuple[int, dict[str, Position]]:
        return _positions(await rows(self._followed, (scope, scope), connection))

    async def scopes(self, start: str, end: str, connection: Connection) -> list[str]:
        return [scope for (scope,) in await rows(self._scopes, {"start": start, "end": end}, connection)]

    async def known_threads(self, after: str, limit: int, connection: Connection) -> list[str]:
        return [thread_id for (thread_id,) in await rows(self._known_threads, (after, limit), connection)]

    async def scope_info(self, scope: str, connection: Connection) -> tuple[int, ScopeInfo]:
        epoch, (_, infos) = await self.overview((), [scope], connection)
        return epoch, infos[scope]

    async def overview(
        self, thread_ids: Sequence[str], scopes: Sequence[str], connection: Connection
    ) -> tuple[int, tuple[dict[str, Position], dict[str, ScopeInfo]]]:
        epoch: int | None = 0
        positions: dict[str, Position] = {}
        infos = {scope: ScopeInfo() for scope in scopes}
        for row in await rows(self._overview, (text_array(thread_ids), text_array(scopes)), connection, prepare=True):
            epoch, scope, thread_id, incarnation, revision, record_id, edits, documents, size, names, corrected = row
            if thread_id is not None:
                positions[thread_id] = Position(
                    scope=scope, incarnation=incarnation, revision=revision, record_id=record_id, edits=edits
                )
            elif documents:
                infos[scope] = ScopeInfo(
                    documents=documents,
                    mean_size=max(1.0, size / documents),
                    speakers=tuple(names or ()),
                    has_corrections=corrected,
                )
        return epoch or 0, (positions, infos)

    async def candidates(self, query: CandidateQuery, connection: Connection) -> Candidates:
        limit = min(query.limit, 2**31 - 1)
        values = _of_terms(query)
        near: dict[int, float] = {}
        are_all = True
        if query.vector is None:
            found = await rows(self._postings, values, connection, prepare=True)
        else:
            nearest = (query.scope, query.model_id, number_array(query.vector), MAX_COMPARED, compared(limit))
            read = await rows(self._postings_and_near, (*values, *nearest), connection, prepare=True)
            *found, (_, are_all, *vectors) = read
            found = [row[:3] for row in found]
            near = _near(query.vector, *vectors)
        if not found:
            return Candidates(found={}, frequencies={}, threads={})
        documents, matches = found[0][1], _matches(query, found)
        similar = await self._similar(query, matches, connection)
        if similar:
            query = query.with_similar(similar)
            found = await rows(self._postings, _of_terms(query), connection, prepare=True)
            matches = _matches(query, found)
        candidates = await self._candidates_of(query, matches, documents, near, connection, has_more=not are_all)
        return msgspec.structs.replace(candidates, similar=similar)

    async def _similar(self, query: CandidateQuery, matches: Matches, connection: Connection) -> dict[str, str]:
        """Return the terms that stand for words of which no document has a term, each with its word."""
        words = query.unknown_words(matches.frequencies)
        if not words:
            return {}
        wanted = to_look_up({term for terms in words.values() for term in terms})
        values = (query.scope, text_array(wanted.starts), text_array(wanted.spellings), MAX_LOOKED_AT)
        known: set[str] = set()
        for is_waiting, data in await rows(self._terms_like, values, connection, prepare=True):
            terms = msgspec.json.decode(data, type=dict[str, int]) if is_waiting else terms_in(data)
            known.update(filter(wanted.has, terms))
        return {term: word for word, terms in words.items() for term in similar_terms(terms, known)}

    async def _candidates_of(
        self,
        query: CandidateQuery,
        matches: Matches,
        documents: int,
        near: Mapping[int, float],
        connection: Connection,
        *,
        has_more: bool,
    ) -> Candidates:
        """Return the candidates. With `has_more`, documents that are not in `near` may have a vector, too."""
        limit = min(query.limit, 2**31 - 1)
        best = matches.best(documents, limit)
        values = (
            query.scope,
            number_array(_side_by_side(best, query.neighbours)),
            [start for start, _ in query.periods],
            [until for _, until in query.periods],
            limit,
            number_array(query.neighbours),
            number_array(heapq.nlargest(limit, near, key=near.__getitem__)),
            query.model_id,
            len(query.vector or ()) if has_more else 0,
        )
        (row,) = await rows(self._candidates, values, connection, prepare=True)
        if query.vector is not None and has_more:
            near = {**_near(query.vector, *row[5:]), **near}
        return Candidates(
            found=_found(row[0] or b"", _paired(*row[1:3]), matches, near),
            frequencies=matches.frequencies,
            threads=_paired(*row[3:5]),
        )

    async def documents(
        self, keys: Sequence[int], connection: Connection
    ) -> tuple[dict[int, Document], dict[str, Position]]:
        """Return documents by key, and the positions of their threads."""
        documents: dict[int, Document] = {}
        positions: dict[str, Position] = {}
        for row in await rows(self._documents, (number_array(keys),), connection, prepare=True):
            key, thread_id, turn, turn_id, position, is_answer, speaker, created_us, data, *place = row
            documents[key] = Document(
                thread_id=thread_id, turn=turn, turn_id=turn_id, position=position, role=_ROLES[is_answer],
                speaker=speaker or None, created_us=created_us, text=original_text(data),
            )  # fmt: skip
            if thread_id not in positions:
                positions[thread_id] = _position(*place)
        return documents, positions

    async def held(self, turns: Sequence[Forgetting], limit: int, connection: Connection) -> HeldDocuments:
        columns = (
            [one.scope for one in turns],
            [one.thread_id for one in turns],
            [one.incarnation for one in turns],
            [one.first for one in turns],
            [one.last for one in turns],
        )
        keys = [key for (key,) in await rows(self._held, columns, connection)]
        found, _ = await self.documents(keys[:limit], connection)
        return HeldDocuments(count=len(keys), first=tuple(found[key] for key in keys[:limit] if key in found))

    async def newest(self, scope: str, before: int | None, limit: int, connection: Connection) -> list[int]:
        highest = HIGHEST_KEY if before is None else before - 1
        found = await rows(self._newest, {"scope": scope, "highest": highest, "limit": limit}, connection)
        return [key for (key,) in found]

    async def forgotten(self, scope: str, limit: int, connection: Connection) -> list[Forgetting]:
        found = await rows(self._forgotten, (scope, limit), connection)
        return [
            Forgetting(scope=scope, thread_id=thread_id, incarnation=incarnation, first=first, last=last)
            for thread_id, incarnation, first, last in found
        ]

    async def holders(self, thread_id: str, turn: int, connection: Connection) -> list[HeldTurn]:
        return [HeldTurn(*row) for row in await rows(self._holders, (thread_id, turn), connection)]

    async def copied_vectors(
        self, scope: str, model_id: str, keys: Sequence[int], connection: Connection
    ) -> dict[int, Sequence[float]]:
        found = await rows(self._copied_vectors, (scope, model_id, list(keys)), connection)
        return {key: unpacked(packed(scale, data)) for key, scale, data in found}

    async def unembedded(self, scope: str, model_id: str, limit: int, connection: Connection) -> list[Unembedded]:
        found = await rows(self._unembedded, (scope, model_id, limit), connection)
        return [Unembedded(key=key, text=original_text(data)) for key, data in found]

    async def vector_models(self, scope: str, connection: Connection) -> dict[str, int]:
        return dict(await rows(self._vector_models, (scope,), connection))

    async def vector_dimensions(self, scope: str, model_id: str, connection: Connection) -> int | None:
        found = await rows(self._vector_dimensions, (scope, model_id, SAMPLED), connection)
        return (found[0][0] or None) if found else None

    async def facts_through(self, thread_id: str, incarnation: str, connection: Connection) -> int | None:
        found = await rows(self._facts_through, (thread_id, incarnation), connection)
        return found[0][0] if found else None

    async def facts(self, scope: str, connection: Connection, *, has_history: bool) -> list[Fact]:
        return [_fact(row) for row in await rows(self._facts, (scope, has_history), connection)]

    async def corrections(self, scope: str, connection: Connection) -> list[Correction]:
        found = await rows(self._corrections, (scope,), connection)
        return [Correction(fact=_fact(row), message=_message(row[8:], row[5])) for row in found]

    async def stats(self, connection: Connection) -> IndexStats:
        (row,) = await rows(self._stats, (self._schema,), connection)
        return IndexStats(
            scopes=row[0], threads=row[1], documents=row[2], vectors=row[3], forgotten=row[4], size_bytes=row[5] or 0
        )


def _positions(found: Sequence[Row]) -> tuple[int, dict[str, Position]]:
    return found[0][0] if found else 0, {
        thread_id: _position(*place) for _, thread_id, *place in found if thread_id is not None
    }


def _position(scope: str, incarnation: str, revision: int, record_id: str, edits: int) -> Position:
    return Position(scope=scope, incarnation=incarnation, revision=revision, record_id=record_id, edits=edits)


def _fact(row: Row) -> Fact:
    number, text, valid_from_us, valid_until_us, superseded_by, said, threads, turns = row[:8]
    return Fact(
        id=number,
        text=text,
        valid_from_us=valid_from_us,
        valid_until_us=valid_until_us,
        superseded_by=superseded_by,
        sources=tuple(FactSource(thread_id=one, turn=turn) for one, turn in zip(threads, turns, strict=True)),
        corrects=said,
    )


def _message(row: Row, said: str) -> Document:
    thread_id, turn, turn_id, position, role, speaker, created_us = row
    return Document(
        thread_id=thread_id, turn=turn, turn_id=turn_id, position=position, role=role, speaker=speaker,
        created_us=created_us, text=said,
    )  # fmt: skip


def _of_terms(query: CandidateQuery) -> tuple[str, str, int]:
    """Return the parameters of `recall_postings_of`."""
    return query.scope, text_array(query.terms), MAX_CHUNKS


def _matches(query: CandidateQuery, found: Sequence[Row]) -> Matches:
    chunks: dict[str, dict[int, bytes]] = {term: {} for term in query.terms}
    waiting: dict[int, dict[str, int]] = {}
    for n, first, data in dict.fromkeys(found):  # a row comes once for each of the terms that share it
        if n > 0:
            for term, first_of_chunk, of_chunk in chunks_in(data, chunks):
                chunks[term][first_of_chunk] = of_chunk
        elif n == 0:
            counts: dict[str, int] = msgspec.json.decode(data, type=dict[str, int])
            if met := chunks.keys() & counts:
                waiting[first] = {term: counts[term] for term in met}
    postings = {term: Postings(sorted(of.items())[-MAX_CHUNKS:]) for term, of in chunks.items()}
    return Matches(postings, waiting, query.shares)


def _side_by_side(best: Sequence[int], neighbours: Sequence[int]) -> Iterator[int]:
    """Yield those documents in the order of their numbers that come with the same neighbours.

    The server reads documents faster that lie side by side.
    """
    for start, end in pairwise([0, *sorted(neighbours), len(best)]):
        yield from sorted(best[start:end])


def _near(vector: Sequence[float], heads: bytes | None, data: bytes | None) -> dict[int, float]:
    """Return the similarities of vectors that are one after the other, and so are the heads of them."""
    if heads is None or data is None:
        return {}
    keys, scales = zip(*_HEAD.iter_unpack(heads), strict=True)
    return dict(zip(keys, similarities(vector, scales, data), strict=True))


def _found(
    documents: bytes, speakers: Mapping[int, str], matches: Matches, similar: Mapping[int, float]
) -> dict[int, Candidate]:
    """Return the candidates of packed documents."""
    packs = list(_PACKED.iter_unpack(documents))
    met = matches.of([pack[2] for pack in packs])
    nothing: dict[str, int] = {}
    return {
        key: Candidate(
            key, turn, _ROLES[kind & 1], speakers.get(key), created_us, kind >> 1, size, met.get(number, nothing),
            similar.get(key),
        )
        for key, created_us, number, turn, size, kind in packs
    }  # fmt: skip


def _paired(keys: Sequence[int] | None, values: Sequence[str] | None) -> dict[int, str]:
    return dict(zip(keys or (), values or (), strict=True))
