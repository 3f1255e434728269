"""The quality and the cost of recuerda's own long-term memory: `python -m bench.recall --data FILE`.

The first part gives each conversation of a LoCoMo file to `RecallProvider` as an application would. A session becomes a
thread, a message becomes a turn with the date of the message, and a speaker becomes the author's name. Questions about
another conversation, with the names of this one, show how well a threshold of relevance tells them apart. The second
part builds many memories of many users. It measures a search in one user's memories, and the cost of a turn in addition
to its commit.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median, quantiles

from bench.locomo import DEPTHS, Message, Quality, Sample, judge, load, mean
from bench.results import RecallCost, RecallQuality
from recuerda import AgentThread, ChatMessage, ChatMessageStore, NewTurn, Storage, Turn, open_storage
from recuerda.messages.codec import encode_turn
from recuerda.providers.embedding import Embedder, embed_question
from recuerda.recall import Memory, RecallIndex, RecallProvider
from recuerda.storage.records import to_microseconds

USER = "somebody"
TURNS_OF_A_THREAD = 50
THRESHOLDS = (0.15, 0.3, 0.4, 0.5)
STRANGE_QUESTIONS = 60
"""The number of questions about another conversation that each conversation is asked."""
_TIMED = 500


async def measure_quality(
    path: Path, *, embedder: Embedder | None, folder: Path, index_of: Callable[[str], RecallIndex] | None = None
) -> RecallQuality:
    """Ask every question of a LoCoMo file. `index_of` opens the index of a conversation by its id."""
    by_category: defaultdict[str, list[Quality]] = defaultdict(list)
    by_conversation: defaultdict[str, list[Quality]] = defaultdict(list)
    search_s: list[float] = []
    own: list[tuple[float, float]] = []
    strange: list[float] = []
    added_s, messages = 0.0, 0
    timed = None if embedder is None else Timed(embedder)
    samples = load(path)
    for number, sample in enumerate(samples):
        async with open_storage(f"sqlite:///{folder.as_posix()}/{len(by_conversation)}.db") as storage:
            await _tell(storage, sample)
            index = None if index_of is None else index_of(sample.id)
            recall = RecallProvider(index, storage=storage, user_id=USER, embedder=timed)
            started = time.perf_counter()
            await recall.catch_up()
            added_s += time.perf_counter() - started
            messages += len(sample.messages)
            await recall.search("warm up")
            for question in sample.questions:
                started = time.perf_counter()
                found = await recall.search(question.text, limit=max(DEPTHS), min_relevance=0)
                search_s.append(time.perf_counter() - started)
                judged = judge([memory.turn_id for memory in found], question.evidence)
                own.append((_best_of(found), judged.recall[10]))
                by_category[question.category].append(judged)
                by_conversation[sample.id].append(judged)
            texts = _strange_questions(sample, samples[(number + 1) % len(samples)])
            strange += [_best_of(await recall.search(text, limit=1, min_relevance=0)) for text in texts]
            await recall.close()
            if index is not None:
                await index.close()
    return RecallQuality(
        overall=mean(one for judged in by_category.values() for one in judged),
        categories={name: mean(judged) for name, judged in sorted(by_category.items())},
        conversations={name: mean(judged) for name, judged in by_conversation.items()},
        search_ms=_spread(search_s),
        embedder_ms=None if timed is None else median(timed.question_s) * 1e3,
        added_per_s=messages / added_s,
        thresholds={least: _told_apart(own, strange, least) for least in THRESHOLDS if strange},
    )


class Timed:
    """An embedder whose time for questions is measured.

    Args:
        embedder: the embedder.

    Attributes:
        question_s: the seconds for each question.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.question_s: list[float] = []

    @property
    def model_id(self) -> str:
        """The model's name."""
        return self._embedder.model_id

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return the vectors of texts."""
        return await self._embedder.embed(texts)

    async def embed_questions(self, questions: Sequence[str]) -> list[list[float]]:
        """Return the vectors of questions, and note the time."""
        started = time.perf_counter()
        vectors = [await embed_question(self._embedder, question) for question in questions]
        self.question_s.append(time.perf_counter() - started)
        return vectors


async def measure_cost(
    *,
    memories: int,
    users: int,
    url: str,
    index: RecallIndex | None = None,
    compact: Callable[[], Awaitable[None]] | None = None,
    dimensions: int = 0,
) -> RecallCost:
    """Build the memories of many users, search in those of single users, and add turns.

    Args:
        memories: the number of memories.
        users: the number of users.
        url: names the storage.
        index: the index; None for the provider's own.
        compact: removes the free space of the index.
        dimensions: the dimensions of made-up vectors for another round of searches; 0 leaves it out.
    """
    said = MadeUp(1)
    async with open_storage(url) as storage:
        await _fill(storage, said, memories=memories, users=users)
        recall = RecallProvider(index, storage=storage)
        started = time.perf_counter()
        await recall.catch_up()
        built_s = time.perf_counter() - started
        stats = await recall.stats()
        names = [f"user {number}" for number in range(users)]
        await _warm_up(recall, names)
        processor_s = time.process_time()
        search_s = await _time_searches(recall, said, names)
        processor_s = time.process_time() - processor_s
        commit_s, remembered_s = await _time_turns(storage, recall, said, names)
        await recall.flush()
        compact_bytes = None
        if compact is not None:
            await compact()
            after = await recall.stats()
            compact_bytes = after.size_bytes / after.documents
        meaning_s: list[float] = []
        if dimensions:
            with_vectors = RecallProvider(index, storage=storage, embedder=MadeUpVectors(dimensions))
            await with_vectors.catch_up()
            await _warm_up(with_vectors, names)
            meaning_s = await _time_searches(with_vectors, said, names)
            await with_vectors.close()
        await recall.close()
    return RecallCost(
        memories=stats.documents,
        users=users,
        search_ms=_spread(search_s),
        commit_ms=median(commit_s) * 1e3,
        remembered_ms=median(remembered_s) * 1e3,
        added_per_s=memories / built_s,
        bytes_each=stats.size_bytes / stats.documents,
        text_bytes=said.mean_bytes,
        search_processor_ms=processor_s / _TIMED * 1e3,
        meaning_ms=_spread(meaning_s) if meaning_s else None,
        compact_bytes_each=compact_bytes,
    )


class MadeUp:
    """A source of made-up sentences from 20,000 words that are as rare and as common as those of a language."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        syllables = [a + b for a in "bcdfglmnprstv" for b in "aeiou"]
        words = {"".join(self._random.choices(syllables, k=self._random.randint(2, 4))) for _ in range(24_000)}
        self._words = sorted(words)[:20_000]
        self._random.shuffle(self._words)
        self._weights = self._zipf(len(self._words))
        self._bytes = self._sentences = 0

    @property
    def mean_bytes(self) -> float:
        """The mean size of the messages so far, in bytes."""
        return self._bytes / self._sentences

    def sentence(self) -> str:
        """Return a message of 10 to 30 words."""
        sentence = "I " + self._said(self._random.randint(10, 30))
        self._bytes += len(sentence.encode())
        self._sentences += 1
        return sentence

    def question(self) -> str:
        """Return a question with one to five words of content."""
        return f"What did I say about {self._said(self._random.randint(1, 5))}?"

    def one_of(self, names: Sequence[str]) -> str:
        """Return a random word."""
        return self._random.choice(names)

    def turn(self) -> Turn:
        """Return a question and its answer."""
        return Turn(messages=(ChatMessage("user", self.sentence()), ChatMessage("assistant", self.sentence())))

    def _said(self, count: int) -> str:
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=count))

    @staticmethod
    def _zipf(count: int) -> list[float]:
        total, sums = 0.0, list[float]()
        for rank in range(1, count + 1):
            total += 1 / (rank + 2)
            sums.append(total)
        return sums


class MadeUpVectors:
    """An embedder that costs little. Its vectors lie in a cone, as those of many models do.

    Args:
        dimensions: the number of dimensions.
    """

    model_id = "made up"

    def __init__(self, dimensions: int) -> None:
        self._random = random.Random(1)
        self._centre = [self._random.gauss(0, 1) for _ in range(dimensions)]

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a random vector for each text."""
        return [[value + self._random.gauss(0, 0.5) for value in self._centre] for _ in texts]


async def _warm_up(recall: RecallProvider, names: Sequence[str]) -> None:
    for name in names:
        await recall.search("warm up", user_id=name)


async def _time_searches(recall: RecallProvider, said: MadeUp, names: Sequence[str]) -> list[float]:
    search_s: list[float] = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        await recall.search(said.question(), user_id=said.one_of(names))
        search_s.append(time.perf_counter() - started)
    return search_s


async def _tell(storage: Storage, sample: Sample) -> None:
    for session, messages in groupby(sample.messages, key=lambda message: message.session):
        turns = [_turn(message) for message in messages]
        await storage.append_all(f"{sample.id}, session {session}", turns, user_id=USER)


def _turn(message: Message) -> NewTurn:
    said = Turn(messages=(ChatMessage(message.role, message.text, author_name=message.author),))
    return NewTurn(id=message.id, body=encode_turn(said), message_count=1, created_us=to_microseconds(message.when))


async def _fill(storage: Storage, said: MadeUp, *, memories: int, users: int) -> None:
    for number in range(memories // (2 * TURNS_OF_A_THREAD)):
        turns = [NewTurn(body=encode_turn(said.turn()), message_count=2) for _ in range(TURNS_OF_A_THREAD)]
        await storage.append_all(f"thread {number}", turns, user_id=f"user {number % users}")


async def _time_turns(
    storage: Storage, recall: RecallProvider, said: MadeUp, names: Sequence[str]
) -> tuple[list[float], list[float]]:
    commit_s: list[float] = []
    remembered_s: list[float] = []
    stores = [ChatMessageStore(storage=storage, thread_id=f"new {name}", user_id=name) for name in names]
    threads = [AgentThread(message_store=store) for store in stores]
    for number in range(_TIMED):
        turn, at = said.turn(), number % len(stores)
        started = time.perf_counter()
        await stores[at].append(turn)
        committed = time.perf_counter()
        await recall.invoked(turn.messages[:1], turn.answer, thread=threads[at])
        remembered_s.append(time.perf_counter() - committed)
        commit_s.append(committed - started)
    return commit_s, remembered_s


def _best_of(found: Sequence[Memory]) -> float:
    return found[0].relevance if found else 0.0


def _strange_questions(sample: Sample, other: Sample) -> Iterator[str]:
    """Yield questions about another conversation, asked about the people of this one."""
    if other is sample:
        return
    ours, theirs = ([*dict.fromkeys(message.author for message in one.messages)] for one in (sample, other))
    names = [(their, our) for their, our in zip(theirs, ours, strict=False) if their and our]
    for question in other.questions[:: max(1, len(other.questions) // STRANGE_QUESTIONS)][:STRANGE_QUESTIONS]:
        text = question.text
        for their, our in names:
            text = text.replace(their, our)
        yield text


def _told_apart(own: Sequence[tuple[float, float]], strange: Sequence[float], least: float) -> tuple[float, float]:
    kept = sum(recall for best, recall in own if best >= least) / (sum(recall for _, recall in own) or 1)
    return kept, sum(best < least for best in strange) / len(strange)


def _spread(seconds: Sequence[float]) -> tuple[float, float]:
    return median(seconds) * 1e3, quantiles(seconds, n=20)[-1] * 1e3


def quality_lines(quality: RecallQuality) -> Iterator[str]:
    """Yield the lines of the first part."""
    heads = "".join(f"{f'recall@{depth}':>11}" for depth in DEPTHS)
    yield f"{'questions':30}{'':>6}{heads}{'MRR':>9}{'nDCG@10':>9}"
    rows = {"all": quality.overall, **quality.categories, **quality.conversations}
    for name, figures in rows.items():
        recalls = "".join(f"{figures.recall[depth]:11.3f}" for depth in DEPTHS)
        yield f"{name:30}{figures.questions:6}{recalls}{figures.mrr:9.3f}{figures.ndcg:9.3f}"
    middle, slow = quality.search_ms
    yield f"a search: {middle:.2f} ms at the median, {slow:.2f} ms at p95; added {quality.added_per_s:,.0f} messages/s"
    if quality.embedder_ms is not None:
        yield f"the embedder takes {quality.embedder_ms:.2f} ms of it at the median"
    for least, (kept, empty) in quality.thresholds.items():
        yield f"min_relevance={least}: {kept:.3f} of the right answers, nothing for {empty:.3f} of strange questions"


def cost_lines(cost: RecallCost) -> Iterator[str]:
    """Yield the lines of the second part."""
    ratio = cost.bytes_each / cost.text_bytes
    yield (
        f"{cost.memories:,} memories of {cost.users} users, {cost.bytes_each:,.0f} bytes each in the index, "
        f"{ratio:.2f} times the text"
    )
    if cost.compact_bytes_each is not None:
        ratio = cost.compact_bytes_each / cost.text_bytes
        yield f"without free space: {cost.compact_bytes_each:,.0f} bytes each, {ratio:.2f} times the text"
    yield (
        f"a search: {cost.search_ms[0]:.2f} ms at the median, {cost.search_ms[1]:.2f} ms at p95, "
        f"{cost.search_processor_ms:.2f} ms of this process's processor time in the mean"
    )
    if cost.meaning_ms is not None:
        middle, slow = cost.meaning_ms
        yield f"with vectors: {middle:.2f} ms at the median, {slow:.2f} ms at p95, without the embedder"
    yield f"a turn: {cost.commit_ms:.2f} ms to commit, {cost.remembered_ms:.2f} ms more to remember"
    yield f"the index was built at {cost.added_per_s:,.0f} messages/s"


def embedder_of(model_id: str | None) -> Embedder | None:
    """Return an embedder with a model that fastembed supports, which downloads it; None without a name."""
    if model_id is None:
        return None
    from recuerda.fastembed import FastEmbedEmbedder

    return FastEmbedEmbedder(model_id)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.recall", description=__doc__)
    parser.add_argument("--data", type=Path, metavar="FILE", help="conversations in LoCoMo's format")
    parser.add_argument("--embedder", metavar="MODEL", help="also search by meaning, with this model of fastembed")
    parser.add_argument(
        "--memories", type=int, default=100_000, metavar="N", help="of the second part; 0 leaves it out"
    )
    parser.add_argument("--users", type=int, default=100, metavar="N", help="whose they are (default 100)")
    parser.add_argument("--dimensions", type=int, default=0, metavar="N", help="also search with made-up vectors")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="recuerda-bench-") as name:
        folder = Path(name)
        if options.data is not None:
            embedder = embedder_of(options.embedder)
            quality = asyncio.run(measure_quality(options.data, embedder=embedder, folder=folder))
            print("\n".join(quality_lines(quality)), flush=True)
        if options.memories:
            url = f"sqlite:///{folder.as_posix()}/many.db"
            cost = asyncio.run(
                measure_cost(memories=options.memories, users=options.users, url=url, dimensions=options.dimensions)
            )
            print("\n".join(cost_lines(cost)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
