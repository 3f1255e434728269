"""Questions in many languages find the facts that were told in them."""

from bench.languages import SETS, answered, load, places
from recuerda.recall.sqlite.index import SQLiteRecallIndex


async def test_questions_in_each_language_find_their_facts() -> None:
    found: dict[str, list[int | None]] = {}
    for name, language in load(SETS.read_text(encoding="utf-8")).items():
        async with SQLiteRecallIndex(":memory:") as index:
            found[name] = await places(language, name, index)
    assert len(found) == 19
    assert {name: hits for name, hits in answered(found).items() if hits < 9} == {}
