"""The benchmark of lists of threads."""

from pathlib import Path

from bench.listing import LISTS, measure_on_sqlite


async def test_each_list_finds_the_threads_that_it_is_named_for(tmp_path: Path) -> None:
    costs = await measure_on_sqlite(threads=600, users=10, rounds=3, folder=tmp_path)
    assert [cost.name for cost in costs] == list(LISTS)
    assert [cost.found for cost in costs] == [48, 2, 6, 0]
