"""The memory of held messages, of warm threads and of streams, as the benchmark counts it."""

from __future__ import annotations

import pytest

from bench.memory import (
    FILLINGS,
    main,
    measure_handles,
    measure_messages,
    measure_streams,
    measure_warm,
)


async def test_the_limit_for_warm_threads_counts_a_message_of_any_kind_as_large_as_it_is() -> None:
    found = await measure_messages(turns=100)
    assert [one.name for one in found] == list(FILLINGS)
    for one in found:
        assert one.planned_bytes <= one.counted_bytes < 1.7 * one.planned_bytes, one


@pytest.mark.parametrize("name", FILLINGS)
async def test_warm_threads_stay_within_their_bytes_however_many_are_opened(name: str) -> None:
    found = await measure_warm(threads=60, limit_bytes=500_000, filling=FILLINGS[name])
    assert 0 < found.kept < found.opened == 60
    assert found.limit_bytes / 2 < found.held_bytes < 1.02 * found.limit_bytes


async def test_a_handle_that_has_read_nothing_and_a_stream_take_a_few_kilobytes() -> None:
    assert 500 < await measure_handles(threads=100) < 4_000
    assert 1_000 < await measure_streams(streams=20) < 20_000


async def test_the_benchmark_prints_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert await main(["--threads", "20", "--limit", "100000", "--streams", "2", "--turns", "10"]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in FILLINGS)
    assert "of each of 20 threads keeps 3 in 0.1 MB (limit 0.1 MB)" in printed
