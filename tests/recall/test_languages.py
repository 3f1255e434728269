"""Questions in many languages find the facts that were told in them."""

from bench.languages import FURTHER_SETS, SETS, answered, load, places
from recuerda.recall.sqlite.index import SQLiteRecallIndex


async def test_questions_in_each_language_find_their_facts() -> None:
    languages = load(SETS.read_text(encoding="utf-8")) | load(FURTHER_SETS.read_text(encoding="utf-8"))
    found: dict[str, list[int | None]] = {}
    for name, language in languages.items():
        async with SQLiteRecallIndex(":memory:") as index:
            found[name] = await places(language, name, index)
    assert len(found) == 29
    assert answered(found) == {name: len(language.facts) for name, language in languages.items()}
