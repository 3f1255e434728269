"""Memories in PostgreSQL: the same order as in SQLite, one trip an operation, a scope's cost, nothing left behind."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from psycopg.sql import SQL, Identifier

from recuerda import ChatMessage
from recuerda.errors import InvalidInput
from recuerda.postgres import PostgresStorage
from recuerda.recall import RecallIndex, RecallProvider, SQLiteRecallIndex
from recuerda.recall.checking import NEWEST_THREADS
from recuerda.recall.facts import NewFact
from recuerda.recall.index import THREAD_BITS, CandidateQuery, Candidates, Forgetting, ThreadUpdate
from recuerda.recall.postgres import PostgresRecallIndex, entering, packing
from recuerda.recall.postgres.entering import MANY, MAX_WAITING
from recuerda.recall.postgres.packing import MAX_ROW
from recuerda.recall.postgres.terms import HIGHEST_COUNT
from recuerda.recall.postings import MAX_CHUNK
from recuerda.sqlite import SQLiteStorage
from tests.recall.chats import CHATS, QUESTIONS
from tests.recall.postgres.memories import (
    DERIVED,
    KEPT,
    WORDS,
    Connection,
    counts,
    document,
    position,
    remember,
)
from tests.recall.talking import clock, pair, say
from tests.recall.test_meaning import Meanings
from tests.servers.transaction_pooler import transaction_pooler


def of_turns(thread_id: str, *, first: int, last: int) -> Forgetting:
    return Forgetting(scope="user:ana", thread_id=thread_id, incarnation="1", first=first, last=last)


async def found(index: RecallIndex, *words: str, scope: str = "user:ana", **options: Any) -> Candidates:
    return await index.candidates(CandidateQuery(scope=scope, terms=words, **options))


async def texts(index: RecallIndex, *words: str, scope: str = "user:ana") -> set[str]:
    candidates = await found(index, *words, scope=scope)
    keys = [key for key, candidate in candidates.found.items() if candidate.matches]
    return {kept.text for kept in (await index.documents(keys)).values()}


# -- the same as in SQLite ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_vectors", [False, True], ids=["words", "words and vectors"])
async def test_both_indexes_give_the_same_memories_in_the_same_order(
    storage: SQLiteStorage, index: PostgresRecallIndex, has_vectors: bool
) -> None:
    for number, (name, exchanges) in enumerate(CHATS.items()):
        for place, (question, answer) in enumerate(exchanges):
            at = datetime(2026, 1, 5 + 7 * number, tzinfo=UTC) + timedelta(minutes=3 * place)
            speaker = "Ana" if place % 2 else "Ben"
            messages = ChatMessage("user", question, author_name=speaker), ChatMessage("assistant", answer)
            await say(storage, name, *messages, at=at)
    embedder = Meanings() if has_vectors else None
    async with SQLiteRecallIndex(":memory:") as in_ram:
        recalls = [
            RecallProvider(one, storage=storage, user_id="ana", embedder=embedder, clock=clock)
            for one in (index, in_ram)
        ]
        for recall in recalls:
            await recall.catch_up()  # a search does not wait for many vectors
        asked = [question for question, *_ in QUESTIONS]
        for query in [*asked, "What did Ben say in January?", "hound", "ship dashboard", "2026-01-12", "the of and"]:
            mine, theirs = [await recall.search(query, limit=30) for recall in recalls]
            assert [memory.text for memory in mine] == [memory.text for memory in theirs]
            scores = [memory.score for memory in theirs]
            assert [memory.score for memory in mine] == pytest.approx(scores, rel=1e-5)
        for recall in recalls:
            await recall.close()


async def test_a_term_is_told_with_how_often_it_occurs(index: PostgresRecallIndex) -> None:
    often = [1, 2, 3, 10, 100, 255, 2_000]
    await remember(index, "one", [" ".join(["lantern"] * count) for count in often])
    candidates = await found(index, "lantern", "absent")
    by_turn = {candidate.turn: candidate.matches for candidate in candidates.found.values()}
    assert by_turn == {turn: {"lantern": count} for turn, count in enumerate(often, 1)}
    assert candidates.frequencies == {"lantern": len(often)}
    assert set(candidates.threads.values()) == {"one"}


async def test_an_overview_has_the_positions_and_the_statistics(index: PostgresRecallIndex) -> None:
    await remember(index, "one", ["a lantern", "a ribbon"])
    await remember(index, "two", ["velvet"], scope="user:ben")
    async with SQLiteRecallIndex(":memory:") as in_ram:
        await remember(in_ram, "one", ["a lantern", "a ribbon"])
        await remember(in_ram, "two", ["velvet"], scope="user:ben")
        asked = ["two", "absent", "one"], ["user:ana", "user:absent", "user:ben"]
        positions, infos = await index.overview(*asked)
        assert (positions, infos) == await in_ram.overview(*asked)
    assert set(positions) == {"one", "two"}
    assert {scope: info.documents for scope, info in infos.items()} == {"user:ana": 2, "user:absent": 0, "user:ben": 1}


async def test_neighbours_come_along_and_keys_follow_each_other(index: PostgresRecallIndex) -> None:
    await remember(index, "one", list(WORDS))
    await remember(index, "two", ["lantern", "other"])
    candidates = await found(index, "timber")
    assert [candidate.turn for _, candidate in sorted(candidates.found.items())] == [7, 8, 9, 10]
    keys = sorted(candidates.found)
    assert keys == list(range(keys[0], keys[0] + 4))
    assert [len(candidates.found[key].matches) for key in keys] == [0, 0, 1, 0]


async def test_the_newest_of_a_period_are_found_without_a_term(index: PostgresRecallIndex) -> None:
    await remember(index, "one", [f"{word} number" for word in WORDS])
    start = 4 * 60_000_000
    candidates = await found(index, periods=((start, start + 60_000_000),))
    assert sorted(candidate.turn for candidate in candidates.found.values()) == [2, 3, 4, 5, 6]


async def test_a_candidate_has_all_that_sqlite_tells_of_it(index: PostgresRecallIndex) -> None:
    speakers = ["Ana", None, "Zoë 🦊", None, "B" * 300, "Ana"]
    added = [
        msgspec.structs.replace(
            (one := document("one", turn, f"lantern number {turn}", speaker=speaker)),
            document=msgspec.structs.replace(one.document, role="assistant" if turn % 2 else "user"),
            size=9_000 * turn % 32_768,
            traits=300 * turn,
        )
        for turn, speaker in enumerate(speakers, 1)
    ]
    update = ThreadUpdate(thread_id="one", expected=None, position=position(6), is_fresh=True, added=added)
    other = document("other", 1, "lantern")
    async with SQLiteRecallIndex(":memory:") as in_ram:
        seen: list[list[tuple[Any, ...]]] = []
        for one in (index, in_ram):
            await remember(one, "before", ["ribbon"])
            assert await one.apply(update)
            assert await one.apply(
                ThreadUpdate(thread_id="other", expected=None, position=position(1), is_fresh=True, added=[other])
            )
            candidates = await found(one, "lantern", "number")
            threads = {key: candidates.threads[key >> THREAD_BITS] for key in candidates.found}
            assert set(candidates.threads.values()) == set(threads.values()) == {"one", "other"}
            seen.append(
                sorted((threads[key], *msgspec.structs.astuple(of)[1:]) for key, of in candidates.found.items())
            )
    assert seen[0] == seen[1]
    assert [speaker for thread, _, _, speaker, *_ in seen[0] if thread == "one"] == speakers


# -- one trip, and the scope's cost ------------------------------------------------------------------------------------


async def test_an_operation_is_one_trip_a_search_two_and_a_removal_up_to_seven(
    url: str, schema: str, db: Connection
) -> None:
    async with (
        transaction_pooler(url.rpartition("host=")[2]) as pooler,
        PostgresRecallIndex(pooler.url, schema=schema) as index,
    ):
        await index.unembedded("user:ana", "m", 1)  # connects, and makes the tables
        key = 0
        turn = [document("one", 1, "A lantern"), document("one", 1, "and a ribbon", position=1)]
        calls = {
            "add a thread": lambda: index.apply(
                ThreadUpdate(thread_id="one", expected=None, position=position(1), is_fresh=True, added=turn)
            ),
            "add a turn": lambda: index.apply(
                ThreadUpdate(
                    thread_id="one", expected=position(1), position=position(2), added=[document("one", 2, "velvet")]
                )
            ),
            "positions": lambda: index.positions(["one", "two"]),
            "followed": lambda: index.followed(None),
            "scope": lambda: index.scope_info("user:ana"),
            "overview": lambda: index.overview(["one", "two"], ["user:ana", "user:ben"]),
            "unembedded": lambda: index.unembedded("user:ana", "m", 10),
            "vectors": lambda: index.add_vectors("user:ana", "m", {key: [1.0, 0.0]}),
            "candidates": lambda: found(index, "lantern", model_id="m", vector=[1.0, 0.0]),
            "documents": lambda: index.documents([key]),
            "stats": index.stats,
            "forget": lambda: index.forget([of_turns("one", first=1, last=1)]),
            "add many turns": lambda: remember(index, "many", [f"ribbon {n}" for n in range(MANY)]),
            "forget entered terms": lambda: index.forget([of_turns("many", first=1, last=9)]),
            "forget others too": lambda: index.forget([of_turns("many", first=10, last=19)]),
        }
        trips: dict[str, int] = {}
        for name, call in calls.items():
            pooler.trips = 0
            if name == "forget others too":  # as if the text had another term
                await db.execute(SQL("UPDATE {} SET terms = 9").format(Identifier(schema, "recall_documents")))
            await call()
            trips[name] = pooler.trips
    # A transaction begins and ends with a trip.
    assert trips == dict.fromkeys(calls, 1) | {
        "candidates": 2,
        "forget": 4,
        "add many turns": 5,
        "forget entered terms": 6,
        "forget others too": 7,
    }


async def test_a_search_asks_for_the_threads_of_all_its_memories_at_once(url: str, schema: str) -> None:
    async with (
        transaction_pooler(url.rpartition("host=")[2]) as pooler,
        PostgresStorage(pooler.url, schema=schema) as threads,
        PostgresRecallIndex(pooler.url, schema=schema) as index,
    ):
        for number in range(NEWEST_THREADS + 10):
            await say(threads, f"{number}", *pair(f"Lantern {chr(97 + number % 26) * (3 + number // 26)}."))
        for number in range(NEWEST_THREADS):
            await say(threads, f"newer {number}", *pair(f"Pebble {number}."))
        recall = RecallProvider(index, storage=threads, user_id="ana")
        await recall.catch_up()
        await recall.search("warm up")
        pooler.trips = 0
        found = await recall.search("lantern", roles=["user"])
        assert len({memory.thread_id for memory in found}) == 10
        # Of the threads: the newest ones, and the ten found ones. Of the index: the positions of the newest ones with
        # the scope, the postings, the candidates, and the documents with the positions of their threads.
        assert pooler.trips == 2 + 4
        await recall.close()


async def test_a_search_touches_no_more_pages_for_what_others_remember(
    index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    said = [f"{word} and {other} on day {n}" for n in range(3) for word in WORDS for other in WORDS]
    await remember(index, "mine", said[:60])
    before = await pages(db, schema, "timber", "velvet", "dai")
    for number in range(20):
        await remember(index, f"of {number}", said, scope=f"user:{number}")
    assert (await found(index, "timber")).frequencies == {"timber": 6}
    after = await pages(db, schema, "timber", "velvet", "dai")
    assert after <= before + 40


async def pages(db: Connection, schema: str, *words: str) -> int:
    """Return how many pages a search touches, once its plans are made."""
    query = SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM {}(%s, %s::text[], 250)").format(
        Identifier(schema, "recall_postings_of")
    )
    values = ("user:ana", list(words))
    await db.execute(query, values)
    row = await (await db.execute(query, values)).fetchone()
    assert row is not None
    plan = msgspec.convert(row[0], list[dict[str, Any]])[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


# -- the postings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_awaited", [False, True], ids=["in the background", "by the update"])
async def test_terms_are_entered_and_are_taken_out_with_their_messages(
    index: PostgresRecallIndex, db: Connection, schema: str, monkeypatch: pytest.MonkeyPatch, *, is_awaited: bool
) -> None:
    if is_awaited:
        monkeypatch.setattr("recuerda.recall.postgres.index.MAX_ENTERED", MAX_WAITING)
    said = [f"lantern {'ribbon ' * (n % 4)} number{n % 100}" for n in range(3 * MAX_WAITING)]
    await remember(index, "one", said)
    while (await counts(db, schema))["pending"]:
        assert not is_awaited
        await asyncio.sleep(0.01)
    candidates = await found(index, "lantern", "ribbon", "number7", limit=1_000)
    assert candidates.frequencies == {"lantern": 384, "ribbon": 288, "number7": 4}
    for candidate in candidates.found.values():
        place = candidate.turn - 1
        expected = {"lantern": 1, "ribbon": place % 4, "number7": int(place % 100 == 7)}
        assert candidate.matches == {term: count for term, count in expected.items() if count}
    assert (await counts(db, schema))["postings"] < 320
    last = position(len(said))
    undone = frozenset(range(5, 300))
    assert await index.apply(
        ThreadUpdate(thread_id="one", expected=last, position=position(len(said) + 1), undone=undone)
    )
    candidates = await found(index, "ribbon", "number7", limit=1_000)
    assert candidates.frequencies == {"ribbon": 67, "number7": 1}
    assert all(candidate.turn not in undone for candidate in candidates.found.values())
    await index.forget([of_turns("one", first=1, last=len(said))])
    left = await counts(db, schema)
    assert (left["documents"], left["blocks"], left["postings"], left["pending"], left["speakers"]) == (0, 0, 0, 0, 0)


async def test_terms_that_a_text_does_not_have_leave_with_their_message(
    index: PostgresRecallIndex, url: str, db: Connection, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recuerda.recall.postgres.index.MAX_ENTERED", 1)  # enters each message at once
    added = [
        msgspec.structs.replace(document("one", turn, "A lantern"), terms={"lantern": 1, f"elsewhere{turn}": 2})
        for turn in (1, 2, 3)
    ]
    assert await index.apply(
        ThreadUpdate(thread_id="one", expected=None, position=position(3), is_fresh=True, added=added)
    )
    words = ("lantern", "elsewhere1", "elsewhere2", "elsewhere3")
    assert (await found(index, *words)).frequencies == {"lantern": 3} | dict.fromkeys(words[1:], 1)
    assert (await counts(db, schema))["pending"] == 0
    await index.forget([of_turns("one", first=2, last=2)])
    assert (await found(index, *words)).frequencies == {"lantern": 2, "elsewhere1": 1, "elsewhere3": 1}
    await index.erase([], "user:ana")
    left = await counts(db, schema)
    assert (left["documents"], left["postings"], left["leaving"]) == (0, 0, 0)


async def test_terms_with_quotes_and_a_message_without_terms_leave_the_postings(
    index: PostgresRecallIndex, db: Connection, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recuerda.recall.postgres.index.MAX_ENTERED", 1)  # enters each message at once
    strange = ('a "quote"', "back\\slash", "{brace,}", "'", "NULL", "")
    added = [
        msgspec.structs.replace(document("one", turn, "!?"), terms={strange[turn - 1]: turn} if turn < 7 else {})
        for turn in range(1, 8)
    ]
    assert await index.apply(
        ThreadUpdate(thread_id="one", expected=None, position=position(7), is_fresh=True, added=added)
    )
    candidates = await found(index, *strange, neighbours=())
    assert sorted((of.turn, dict(of.matches)) for of in candidates.found.values()) == [
        (turn, {term: turn}) for turn, term in enumerate(strange, 1)
    ]
    await index.forget([of_turns("one", first=7, last=7)])
    assert (await found(index, *strange)).frequencies == dict.fromkeys(strange, 1)
    await index.forget([of_turns("one", first=2, last=6)])
    assert (await found(index, *strange)).frequencies == {strange[0]: 1}


async def test_a_large_update_is_entered_at_once_and_is_never_pending(
    index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    await remember(index, "small", [f"lantern {n}" for n in range(MANY - 1)])
    assert (await counts(db, schema))["pending"] == MANY - 1
    forgetting = of_turns("large", first=2, last=3)
    await index.forget([forgetting])
    await remember(index, "large", [f"lantern of ribbon {n}" for n in range(MANY)])
    assert (await counts(db, schema))["pending"] == MANY - 1
    candidates = await found(index, "lantern", "ribbon", "1", "4", limit=1_000)
    assert candidates.frequencies == {"lantern": 2 * MANY - 3, "ribbon": MANY - 2, "1": 1, "4": 2}
    of_large = {one.turn: one.matches for one in candidates.found.values() if "ribbon" in one.matches}
    assert of_large == {
        turn: {"lantern": 1, "ribbon": 1} | ({"4": 1} if turn == 5 else {}) for turn in [1, *range(4, MANY + 1)]
    }


async def test_terms_share_rows(index: PostgresRecallIndex, db: Connection, schema: str) -> None:
    said = [f"{word}{number} {word} lantern" for number in range(30) for word in WORDS]
    await remember(index, "one", said)
    rows = await db.execute(
        SQL("SELECT count(*), max(octet_length(data)) FROM {}").format(Identifier(schema, "recall_postings"))
    )
    row = await rows.fetchone()
    assert row is not None
    assert row[0] < 15  # there are 311 terms
    assert row[1] <= MAX_ROW + 2 * MAX_CHUNK


async def test_a_row_is_unpacked_once_for_all_its_terms_and_not_in_the_event_loop(
    index: PostgresRecallIndex, db: Connection, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [f"{word}{number} {word} lantern" for number in range(30) for word in WORDS]
    await remember(index, "one", said)
    unpacked: list[tuple[bytes, int]] = []
    unpack = packing.unpacked

    def noted(row: bytes) -> packing.Row:
        unpacked.append((row, threading.get_ident()))
        return unpack(row)

    monkeypatch.setattr(packing, "unpacked", noted)
    await remember(index, "two", said)
    rows = await db.execute(SQL("SELECT count(*) FROM {}").format(Identifier(schema, "recall_postings")))
    assert len({row for row, _ in unpacked}) == len(unpacked)
    assert 0 < len(unpacked) <= ((await rows.fetchone()) or (0,))[0]
    assert threading.get_ident() not in {thread for _, thread in unpacked}


async def test_a_long_text_without_spaces_leaves_nothing_in_the_postings(
    index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    longest = "".join(map(chr, range(0x4E00, 0x4E00 + 17_000)))  # a term for each character, and one for each pair
    new = document("one", 1, longest)
    assert min(new.size, len(new.terms)) > HIGHEST_COUNT
    further = [document("one", turn, f"ribbon {turn}") for turn in range(2, MANY + 2)]
    update = ThreadUpdate(
        thread_id="one", expected=None, position=position(MANY + 1), is_fresh=True, added=[new, *further]
    )
    assert await index.apply(update)
    assert await texts(index, longest[900:902]) == {longest}
    assert await index.forget([of_turns("one", first=1, last=MANY + 1)]) == MANY + 1
    assert (await counts(db, schema))["postings"] == 0


async def test_an_index_that_grows_fast_gives_the_space_of_old_rows_to_new_ones(
    index: PostgresRecallIndex, url: str, db: Connection, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entering, "_FEW_ROWS", 20)
    async with PostgresRecallIndex(url, schema=schema) as growing:
        for number in range(6):
            await remember(growing, f"{number}", [f"ribbon {number} {n} {n}x{n}" for n in range(2 * MANY)])
    vacuums = await db.execute(
        "SELECT vacuum_count FROM pg_stat_user_tables WHERE schemaname = %s AND relname = 'recall_postings'", (schema,)
    )
    ((count,),) = await vacuums.fetchall()
    assert count > 0
    assert (await found(index, "ribbon")).frequencies == {"ribbon": 6 * 2 * MANY}


# -- whose memories ----------------------------------------------------------------------------------------------------


async def test_scopes_are_apart(index: PostgresRecallIndex) -> None:
    await remember(index, "one", ["a lantern of Ana"])
    await remember(index, "two", ["a lantern of Ben"], scope="user:ben")
    assert await texts(index, "lantern") == {"a lantern of Ana"}
    assert await texts(index, "lantern", scope="user:ben") == {"a lantern of Ben"}
    assert await texts(index, "lantern", scope="user:") == set()
    assert (await found(index, "lantern")).frequencies == {"lantern": 1}


async def test_schemas_of_one_database_are_apart(index: PostgresRecallIndex, url: str, schema: str) -> None:
    await remember(index, "one", ["a lantern"])
    async with PostgresRecallIndex(url, schema=f"{schema} Other-1.x") as other:
        assert await texts(other, "lantern") == set()
        await remember(other, "one", ["a lantern elsewhere"])
        assert await texts(other, "lantern") == {"a lantern elsewhere"}
    assert await texts(index, "lantern") == {"a lantern"}


HOSTILE = (
    "it's",
    "\\",
    "'quoted'",
    "a\\'b",
    "x:*",
    "& | !",
    "<->",
    "{curly}",
    "%s",
    "\u202e",
    "🦜",
    "'; DROP TABLE x; --",
)


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
async def test_no_term_and_no_id_is_syntax(index: PostgresRecallIndex, word: str) -> None:
    new = document(word, 1, f"the word {word}", speaker=word)
    update = ThreadUpdate(
        thread_id=word,
        expected=None,
        position=position(1, scope=f"user:{word}", incarnation=word),
        is_fresh=True,
        added=[msgspec.structs.replace(new, terms={word: 2, "other": 1})],
    )
    assert await index.apply(update)
    candidates = await found(index, word, scope=f"user:{word}")
    assert [candidate.matches for candidate in candidates.found.values()] == [{word: 2}]
    assert await index.followed(f"user:{word}") == {word: update.position}
    assert (await index.scope_info(f"user:{word}")).speakers == (word,)


@pytest.mark.parametrize("bad", ["nothing\x00more", "half \ud83d"], ids=["NUL", "surrogate"])
async def test_text_that_no_database_keeps_is_refused_and_nothing_written(index: PostgresRecallIndex, bad: str) -> None:
    new = document("one", 1, "fine")
    broken = document("one", 1, bad, speaker=bad)
    with pytest.raises(InvalidInput) as failure:
        await index.apply(
            ThreadUpdate(thread_id="one", expected=None, position=position(1), is_fresh=True, added=[new, broken])
        )
    assert "nothing" not in str(failure.value)
    assert await index.positions(["one"]) == {}
    assert (await index.stats()).documents == 0


# -- writing -----------------------------------------------------------------------------------------------------------


async def test_an_update_of_a_thread_that_others_followed_changes_nothing(index: PostgresRecallIndex) -> None:
    assert await remember(index, "one", ["a lantern"])
    assert not await remember(index, "one", ["a ribbon"])
    for expected in (position(2), position(1, incarnation="2"), position(1, scope="user:ben")):
        update = ThreadUpdate(
            thread_id="one", expected=expected, position=position(3), added=[document("one", 2, "a ribbon")]
        )
        assert not await index.apply(update)
    assert await texts(index, "lantern", "ribbon") == {"a lantern"}
    assert await index.positions(["one"]) == {"one": position(1)}


async def test_of_many_that_follow_one_thread_at_once_one_is_first(index: PostgresRecallIndex) -> None:
    applied = await asyncio.gather(*(remember(index, "one", ["a lantern", "a ribbon"]) for _ in range(12)))
    assert sorted(applied) == [False] * 11 + [True]
    assert (await index.stats()).documents == 2


async def test_threads_of_one_user_that_grow_and_shrink_at_once_are_counted_right(
    index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    async def live(name: str) -> None:
        await remember(index, name, ["a lantern", "a ribbon"])
        add = [document(name, 3, "a saddle of velvet", speaker="Ben")]
        await index.apply(ThreadUpdate(thread_id=name, expected=position(2), position=position(4), added=add, first=2))
        await index.forget([of_turns(other, first=2, last=2) for other in (name, "t0")])
        if name in ("t1", "t2"):
            await index.apply(ThreadUpdate(thread_id=name, expected=position(4), position=None))

    await asyncio.gather(*(live(f"t{number}") for number in range(10)))
    assert (await counts(db, schema))["documents"] == 8
    info = await index.scope_info("user:ana")
    assert (info.documents, info.mean_size, info.speakers) == (8, 2.0, ("Ben",))


async def test_a_thread_that_changes_hands_leaves_nothing_with_its_former_user(
    index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    await remember(index, "one", ["a lantern"])
    to_ben = position(2, scope="user:ben")
    update = ThreadUpdate(
        thread_id="one", expected=position(1), position=to_ben, is_fresh=True, added=[document("one", 1, "a lantern")]
    )
    assert await index.apply(update)
    assert await texts(index, "lantern") == set()
    assert await texts(index, "lantern", scope="user:ben") == {"a lantern"}
    left = await counts(db, schema)
    assert (left["scopes"], left["threads"], left["documents"], left["speakers"]) == (1, 1, 1, 0)


async def test_deleted_threads_leave_no_row(index: PostgresRecallIndex, db: Connection, schema: str) -> None:
    for thread in ("one", "two"):
        await remember(index, thread, ["a lantern", "a ribbon"])
    await index.add_vectors("user:ana", "m", {item.key: [1.0] for item in await index.unembedded("user:ana", "m", 9)})
    assert (await counts(db, schema))["vectors"] == 4
    for turn in (1, 2):
        fact = NewFact(text=f"Ana has lantern {turn}.", valid_from_us=turn, replaces=(1,))
        await index.add_facts("one", position(2), turn, [fact])
    assert [one.text for one in await index.facts("user:ana")] == ["Ana has lantern 2."]
    for thread in ("one", "two"):
        assert await index.apply(ThreadUpdate(thread_id=thread, expected=position(2), position=None))
    assert await counts(db, schema) == dict.fromkeys((*DERIVED, *KEPT), 0)


async def test_what_is_forgotten_leaves_only_that_it_was(
    index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    await remember(index, "one", ["a lantern", "a ribbon"])
    forgetting = of_turns("one", first=1, last=2)
    assert [await index.forget([forgetting]) for _ in range(2)] == [2, 0]
    left = await counts(db, schema)
    assert (left["documents"], left["speakers"], left["forgotten"]) == (0, 0, 1)
    again = ThreadUpdate(
        thread_id="one",
        expected=position(2),
        position=position(3),
        is_fresh=True,
        added=[document("one", turn, f"lantern {turn}") for turn in (1, 2, 3)],
    )
    assert await index.apply(again)
    assert await texts(index, "lantern") == {"lantern 3"}


async def test_a_fact_that_is_said_again_after_it_was_removed_is_a_new_one(index: PostgresRecallIndex) -> None:
    await remember(index, "one", ["a lantern"])
    await remember(index, "ben's", ["a ribbon"], scope="user:ben")
    await index.add_facts(
        "ben's", position(1, scope="user:ben"), 1, [NewFact(text="Ben has a ribbon.", valid_from_us=1)]
    )
    (of_ben,) = await index.facts("user:ben")
    for confirms in (of_ben.id, of_ben.id + 999):
        known = NewFact(text="Ana has a lantern.", valid_from_us=1, confirms=confirms, replaces=(of_ben.id,))
        await index.add_facts("one", position(1), 1, [known])
    assert [one.text for one in await index.facts("user:ana")] == ["Ana has a lantern."]
    assert await index.facts("user:ben") == [of_ben]
