"""The page has every span, attribute, metric and event, and no other; the dashboard has every metric."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast, get_args

from recuerda._observing import MemoryOperation
from recuerda.telemetry import names
from tests.telemetry.page import DOTTED, PAGE, table

ROOT = Path(__file__).parents[2]
SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src" / "recuerda").rglob("*.py")}
NAMES = {name: cast("object", value) for name, value in vars(names).items() if name.isupper()}
METRIC_NAMES = {
    "OPERATION_DURATION",
    "TOKEN_USAGE",
    "FIRST_CHUNK_DURATION",
    "DB_DURATION",
    "SERVER_DURATION",
    "TURNS",
    "TRIPS",
    "WINDOW_TOKENS",
    "RECALL_HITS",
    "DRAFTS_OPEN",
    "DRAFTS_AGE",
    "LEASE_WAITS",
}
METRICS = {cast("str", NAMES[name]) for name in METRIC_NAMES}
UNITS = {"s": "_seconds"}


def _attributes() -> set[str]:
    plain = {value for name, value in NAMES.items() if isinstance(value, str) and name not in METRIC_NAMES}
    found = {value for value in plain if DOTTED.fullmatch(value)} - {names.SCHEMA_URL, names.CONVENTIONS}
    return found | set(names.REQUEST_OPTIONS.values())


def test_every_span_is_on_the_page_and_the_other_way_round() -> None:
    runs = {"invoke_agent {agent}", "chat {model}", "execute_tool {tool}", "{method} {route}"}
    spans = runs | set(get_args(MemoryOperation)) | set(names.STORAGE_OPERATIONS.values())
    assert {name for name in table("## Spans") if not DOTTED.fullmatch(name)} == spans


def test_every_attribute_is_on_the_page_and_the_other_way_round() -> None:
    on_page = {name for name in table("## Spans") | table("## Contents") if DOTTED.fullmatch(name)}
    of_metrics = {names.TOKEN_TYPE, names.WINDOW_PART}
    assert on_page | of_metrics == _attributes()
    assert all(f"`{name}`" in PAGE for name in of_metrics)


def test_every_metric_is_on_the_page_and_the_other_way_round() -> None:
    assert table("## Metrics") == METRICS


def test_the_dashboard_has_every_metric_and_no_other() -> None:
    units = dict(re.findall(r"\| `([a-z_.]+)` \| \w+ \| (\S+) \|", PAGE))
    known = {name.replace(".", "_") + UNITS.get(units[name], "") for name in METRICS}
    board: dict[str, Any] = json.loads((ROOT / "docs/assets/grafana-dashboard.json").read_text(encoding="utf-8"))
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    alerts = PAGE[PAGE.index("## Alerts") : PAGE.index("## The log")]
    ending = re.compile(
        r"\b((?:gen_ai_client|db_client|http_server|recuerda)_\w+?)(?:_bucket|_sum|_count|_total)?[\[{)]"
    )
    attributes = {name.replace(".", "_") for name in _attributes()} - known
    assert set(ending.findall(asked)) - attributes == known
    assert set(ending.findall(alerts)) - attributes <= known


def test_every_operation_of_a_storage_has_a_name() -> None:
    contract = SOURCES[ROOT / "src/recuerda/storage/contract.py"]
    actions = set(re.findall(r'_translated\("([a-z ]+)"', contract)) | {"summarize", "undo", "trim"}
    assert actions == set(names.STORAGE_OPERATIONS)


def test_every_event_of_the_log_is_on_the_page_and_the_other_way_round() -> None:
    logged: set[tuple[str, str]] = set()
    for source in SOURCES.values():
        loggers = re.findall(r'getLogger\("(recuerda[\w.]*)"\)', source)
        logged |= {(loggers[0], event) for event in re.findall(r'fields\(\s*"(\w+)"', source)}
    section = PAGE[PAGE.index("## The log") :].split("\n## ")[0]
    assert set(re.findall(r"^\| `([\w.]+)` \| `(\w+)` \|", section, re.MULTILINE)) == logged


def test_no_room_logs_without_an_event() -> None:
    call = re.compile(r"\b_log(?:ger)?\.(?:debug|info|warning|error|exception)\(|getLogger\([^)]*\)\.warning\(")
    bare = {
        path.name
        for path, text in SOURCES.items()
        if len(call.findall(text)) != len(re.findall(r"extra=(?:fields|event)", text))
    }
    assert bare == set()
