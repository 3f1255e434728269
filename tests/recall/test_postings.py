"""The postings: packing, the best documents of a question, and the rows and bytes that they take in a file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from bench.recall import MadeUp
from recuerda import ChatMessage
from recuerda.recall import RecallProvider, SQLiteRecallIndex
from recuerda.recall.postings import (
    MAX_CHUNK,
    MAX_COMMON,
    MAX_COMMON_SHARE,
    MAX_SHARING,
    Chunk,
    Matches,
    Postings,
    entered,
    without,
)
from recuerda.recall.ranking import WEIGHTS, idf
from recuerda.recall.sqlite import entries, following
from recuerda.recall.sqlite.texts import original_text, stored_text
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import NOW, holds_bytes, pair, person, say, say_all

Chunks = dict[int, bytes]


def enter(chunks: Chunks, counts: Mapping[int, int]) -> None:
    """Enter documents, given every chunk between the lowest and the highest of them, as an index does."""
    low = max([first for first in chunks if first <= min(counts)], default=0)
    given = [(first, data) for first, data in sorted(chunks.items()) if low <= first <= max(counts)]
    chunks.update(entered(given, counts))


def take_out(chunks: Chunks, number: int) -> None:
    first = max(first for first in chunks if first <= number)
    data, gone = without(Chunk(first, chunks.pop(first)), [number])
    assert gone == {number}
    if data:
        chunks[first] = data


def made(random: Random, numbers: int, frequency: int) -> tuple[dict[int, int], Postings]:
    """Return the counts of a made-up term, and its postings after several entries and removals."""
    counts = dict.fromkeys(random.sample(range(numbers), frequency), 1)
    counts.update((number, random.randint(2, 400)) for number in random.sample(sorted(counts), frequency // 9))
    chunks: Chunks = {}
    order = list(counts.items()) if random.random() < 0.5 else sorted(counts.items())
    for start in range(0, len(order), 130):
        enter(chunks, dict(order[start : start + 130]))
    for number in random.sample(sorted(counts), frequency // 4):
        take_out(chunks, number)
        del counts[number]
    assert all(len(data) <= 2 * (MAX_CHUNK + 1) for data in chunks.values())
    return {number: min(count, 200) for number, count in counts.items()}, Postings(sorted(chunks.items()))


def test_postings_have_the_documents_that_were_entered_and_not_taken_out() -> None:
    random = Random(1)
    for numbers, frequency in ((20, 1), (900, 700), (200_000, 60), (200_000, 2_000)):
        counts, postings = made(random, numbers, frequency)
        assert postings.frequency == len(counts)
        assert postings.numbers == sorted(counts)
        assert postings.repeated == {number: count for number, count in counts.items() if count > 1}
        for wanted in (5, 15, numbers // 2):
            some = random.sample(range(numbers), min(wanted, numbers))
            assert postings.counts(dict.fromkeys(some).keys()) == {
                number: counts[number] for number in some if number in counts
            }


def test_the_best_documents_are_those_of_a_complete_comparison() -> None:
    random = Random(2)
    for _ in range(8):
        numbers = random.choice([1_000, 100_000])
        terms = {term: made(random, numbers, random.choice([0, 3, 60, 900])) for term in "abcd"}
        waiting = {numbers + more: {"a": 2, "b": 1} for more in range(3)}
        shares = random.choice([{}, {"b": 0.2, "d": 0.6}])
        common = {term for term in shares if len(terms[term][0]) > MAX_SHARING}
        counts = {
            number: {term: one for term, one in of.items() if term not in common} for number, of in waiting.items()
        }
        for term in terms.keys() - common:
            for number, count in terms[term][0].items():
                counts.setdefault(number, {})[term] = count
        matches = Matches({term: postings for term, (_, postings) in terms.items()}, waiting, shares)
        assert common.isdisjoint(matches.frequencies)
        worth = {term: idf(of, numbers) * shares.get(term, 1) for term, of in matches.frequencies.items()}
        scores = {
            number: sum(worth[term] * count / (count + WEIGHTS.k1) for term, count in of.items())
            for number, of in counts.items()
        }
        for limit in (1, 10, 150):
            best = matches.best(numbers, limit)
            assert matches.of(best) == {number: counts[number] for number in best}
            expected = sorted(scores.values(), reverse=True)[:limit]
            assert [scores[number] for number in best] == pytest.approx(expected)


def test_of_equally_good_documents_the_newest_come_first() -> None:
    chunks = entered((), {number: 1 + (number % 100 == 0) + (number % 500 == 0) for number in range(3_000)})
    matches = Matches({"a": Postings(chunks)}, {})
    thrice = [2500, 2000, 1500, 1000, 500, 0]
    twice = [number for number in range(2900, 0, -100) if number % 500]
    once = [number for number in range(2999, 0, -1) if number % 100]
    assert matches.best(3_000, 100) == [*thrice, *twice, *once][:100]
    assert matches.best(3_000, 10) == [*thrice, *twice][:10]
    assert matches.best(3_000, 3) == thrice[:3]


def test_a_term_of_most_documents_orders_what_the_others_find_and_finds_nothing_itself() -> None:
    documents = 6_000
    common, rare = dict.fromkeys(range(0, documents, 3), 1), dict.fromkeys([7, 9, 4_000, 4_002], 1)
    postings = {"common": Postings(entered((), common)), "rare": Postings(entered((), rare))}
    assert postings["common"].frequency > max(MAX_COMMON, MAX_COMMON_SHARE * documents)
    matches = Matches(postings, {})
    assert matches.best(documents, 10) == [4_002, 9, 4_000, 7]
    assert matches.of([9, 12]) == {9: {"common": 1, "rare": 1}, 12: {"common": 1}}
    alone = Matches({"common": postings["common"]}, {})
    assert alone.best(documents, 3) == [5_997, 5_994, 5_991]
    # In a scope in which the share is smaller, it finds documents.
    assert matches.best(4 * documents, 6) == [4_002, 9, 4_000, 7, 5_997, 5_994]


def test_a_text_is_stored_compressed_if_that_is_shorter() -> None:
    for text in ("", "hi", "añ漢", "I said it again. " * 20):
        stored = stored_text(text)
        assert original_text(stored) == text
        assert len(stored if isinstance(stored, bytes) else stored.encode()) <= len(text.encode())
    assert isinstance(stored_text("I said it again. " * 20), bytes)


async def test_even_a_small_index_takes_at_most_three_times_the_bytes_of_its_texts(
    storage: SQLiteStorage, index_path: Path
) -> None:
    said = MadeUp(1)
    recall = RecallProvider(storage=storage, user_id="ana")
    await recall.catch_up()
    empty = (await recall.stats()).size_bytes
    texts = [[ChatMessage("user", said.sentence()), ChatMessage("assistant", said.sentence())] for _ in range(300)]
    for start in range(0, len(texts), 50):
        await say_all(storage, f"thread {start}", texts[start : start + 50], at=NOW)
    await recall.catch_up()
    await recall.close()
    raw = sum(len(message.text.encode()) for turn in texts for message in turn)
    async with SQLiteRecallIndex(index_path) as index:
        assert (await index.stats()).size_bytes - empty < 3 * raw
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        terms = plain.execute("SELECT sum(terms) FROM documents").fetchone()[0]
        rows, packed = plain.execute("SELECT count(*), sum(length(data)) FROM postings").fetchone()
    assert rows < terms / 2
    assert packed < 4 * terms


def no_terms(text: str, speaker: str | None, created_us: int) -> set[str]:
    return set()


async def test_a_removed_message_leaves_no_posting(
    storage: SQLiteStorage, tmp_path: Path, index_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recall = RecallProvider(storage=storage, user_id="ana")
    await say(storage, "kept", *pair("I collect amber."))
    for number in range(following.MAX_WAITING):
        await say(storage, f"thread {number % 2}", person("Quixote", f"I collect amber and basalt {number}."))
    await recall.catch_up()
    await recall.stats()  # waits for the entry of pending terms
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        assert plain.execute("SELECT count(*) FROM postings WHERE term = '=quixote'").fetchone() == (1,)
        await storage.delete("thread 0")
        await recall.catch_up()
        # The terms of a message may depend on more than its text.
        monkeypatch.setattr(entries, "probable_terms", no_terms)
        await storage.delete("thread 1")
        await recall.catch_up()
        for table, rows in (("documents", 2), ("blocks", 1), ("speakers", 0)):
            assert plain.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)
        assert plain.execute("SELECT count(*) FROM postings").fetchone() == (
            plain.execute("SELECT sum(terms) FROM documents WHERE number IN (0, 1)").fetchone()
        )
    await recall.close()
    assert not holds_bytes(tmp_path, b"uixot")


async def test_a_removed_text_is_left_in_no_compressed_form(storage: SQLiteStorage, tmp_path: Path) -> None:
    text = "It was said and said again that the lantern stood on the quay. " * 9 + "So it was."
    packed = stored_text(text)
    assert isinstance(packed, bytes)
    recall = RecallProvider(storage=storage, user_id="ana")
    await say(storage, "one", ChatMessage("user", text))
    await say(storage, "two", *pair("It rained."))
    await recall.catch_up()
    assert holds_bytes(tmp_path, packed)
    await storage.undo("one")
    await recall.catch_up()
    await recall.close()
    assert not holds_bytes(tmp_path, packed)
