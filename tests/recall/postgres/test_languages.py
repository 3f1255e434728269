"""The words of every language are found as in the file index."""

from bench.languages import SETS, load, places
from recuerda.recall.postgres import PostgresRecallIndex
from recuerda.recall.sqlite.index import SQLiteRecallIndex


async def test_facts_in_many_languages_are_at_the_places_of_the_file_index(index: PostgresRecallIndex) -> None:
    languages = load(SETS.read_text(encoding="utf-8"))
    for name in ("French", "Arabic", "Korean", "Japanese", "Thai"):
        async with SQLiteRecallIndex(":memory:") as file:
            assert await places(languages[name], name, index) == await places(languages[name], name, file)
