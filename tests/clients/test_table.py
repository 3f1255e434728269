"""The table of the documentation is the table of the suite."""

from __future__ import annotations

from pathlib import Path

from tests.clients.table import CLIENTS, FEATURES, TITLES, markdown

HERE = Path(__file__).parent


def test_the_documentation_has_the_table_of_the_clients() -> None:
    assert len(TITLES) == len(FEATURES)
    assert markdown() in (HERE.parents[1] / "docs" / "guides" / "serve-clients.md").read_text("utf-8")


def test_every_client_has_a_script_with_each_of_its_features() -> None:
    for client in CLIENTS:
        text = (HERE / client.script).read_text("utf-8")
        text += (HERE / "javascript" / "ai_sdk.mjs").read_text("utf-8") if "ai_sdk" in client.script else ""
        assert {one: one in text for one in FEATURES} == {one: one not in client.lacks for one in FEATURES}, client.name
