import asyncio
import tempfile

import pytest

from bench.postgres import CONNECTIONS, main


def cells(lines: list[str]) -> dict[str, list[float]]:
    """Return the numbers of the rows of tables, by the row's name."""
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ") and not line.startswith("| of")]
    return {name: [float(number.replace(",", "")) for number in numbers] for name, *numbers in rows}


def test_the_tables_show_what_a_turn_costs_and_where_its_bytes_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    tiny = ["--conversations", "30", "--turns", "2", "--rounds", "1", "--sizes", "20"]
    assert asyncio.run(main(tiny)) == 0
    found = cells(capsys.readouterr().out.splitlines())
    ours, one_by_one, pooled = list(found.values())[:3]
    assert list(found)[1:3] == ["psycopg, one by one", f"psycopg, at once on {CONNECTIONS} connections"]
    assert one_by_one[3] >= 1.0  # a commit for each turn
    assert pooled[3] >= 1.0
    assert ours[3] < 0.5  # the appends that wait share a commit
    assert all(cost[4] > 600 for cost in (ours, one_by_one, pooled))  # two messages of 307 bytes are in the log
    assert found["turns"][0] > 307
    assert found["message"][0] > 307
    assert found["indexes of the tables without a row"][0] > 0
