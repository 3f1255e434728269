"""The picture of the page shows the spans that its scene really makes."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def test_the_picture_shows_the_spans_of_its_scene(tmp_path: Path) -> None:
    picture = import_module("docs.trace_picture")
    spans = await picture.long_turn(tmp_path, thinks_s=0)
    drawn = (ROOT / "docs" / "trace.svg").read_text(encoding="utf-8")
    shown = re.findall(r'<text x="\d+" y="\d+">([a-z_]+(?: \w+)?)</text>', drawn)
    assert shown == re.findall(r'<text x="\d+" y="\d+">([a-z_]+(?: \w+)?)</text>', picture.draw(spans))
    runs = [span for span in spans if span.name == "invoke_agent Travel"]
    assert [len(run.links) for run in runs] == [0, 1]
