"""CrewAI's own `Memory` and a crew on `RecuerdaStorageBackend`, beside CrewAI's own backend. `make crewai` runs this.

Its name does not begin with `test_`, because CrewAI cannot be installed where the other tests run.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUntypedBaseClass=false, reportUnknownParameterType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownLambdaType=false

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crewai import Agent, Crew, Task
from crewai.llms.base_llm import BaseLLM
from crewai.memory.storage.backend import StorageBackend
from crewai.memory.storage.lancedb_storage import LanceDBStorage
from crewai.memory.unified_memory import Memory
from crewai.telemetry.tracing import handlers

from recuerda import Storage
from recuerda.interop.crewai import RecuerdaStorageBackend
from tests.docs.pages import ROOT, blocks, run_python

WORDS = ("captain", "deck", "leak", "clear")


def embedded(texts: list[str]) -> list[list[float]]:
    return [[0.1, *(float(word in text.lower()) for word in WORDS)] for text in texts]


class ScriptedLLM(BaseLLM):
    """A model that knows what it was told before."""

    def call(self, messages: Any, *args: Any, **named: Any) -> str:
        told = str(messages)
        return f"Final Answer: {'Deck 7 is clear.' if 'no life signs' in told else 'I do not know.'}"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep CrewAI in the test's folder, and without a wait of 5 seconds that its tracing makes for each save."""
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(tmp_path))
    monkeypatch.setenv("CREWAI_DISABLE_TELEMETRY", "true")
    monkeypatch.setattr(handlers, "_reparent_suppressed_flow_children", lambda *_: None)


@pytest.fixture
def ours(storage: Storage) -> RecuerdaStorageBackend:
    return RecuerdaStorageBackend(storage, "ship")


@pytest.fixture(params=["ours", "theirs"])
def memory(request: pytest.FixtureRequest, ours: RecuerdaStorageBackend, tmp_path: Path) -> Iterator[Memory]:
    backend = ours if request.param == "ours" else LanceDBStorage(tmp_path / "lancedb")
    memory = Memory(storage=backend, embedder=embedded, llm=ScriptedLLM(model="scripted"))
    yield memory
    memory.close()


def remember(memory: Memory) -> Any:
    memory.remember("Deck 7 is clear.", scope="/ship/decks", categories=["decks"], importance=0.5)
    memory.remember("Deck 8 has a leak.", scope="/ship/decks", categories=["decks", "faults"], importance=0.5)
    return memory.remember("The captain is Picard.", scope="/ship/crew", categories=["crew"], importance=0.8)


def texts(records: list[Any]) -> list[str]:
    return sorted(one.content for one in records)


def test_it_is_a_storage_backend(ours: RecuerdaStorageBackend) -> None:
    assert isinstance(ours, StorageBackend)


def test_a_memory_is_found_by_meaning_within_its_scope(memory: Memory) -> None:
    remember(memory)
    best = memory.recall("Is there a leak on a deck?", depth="shallow", limit=3)
    assert best[0].record.content == "Deck 8 has a leak."
    (only,) = memory.recall("deck", scope="/ship/crew", depth="shallow", limit=3) or [None]
    assert only is None or only.record.content == "The captain is Picard."
    assert [one.record.content for one in memory.recall("leak", categories=["faults"], depth="shallow", limit=1)] == [
        "Deck 8 has a leak."
    ]


def test_scopes_are_told_alike(memory: Memory) -> None:
    remember(memory)
    assert memory.list_scopes("/ship") == ["/ship/crew", "/ship/decks"]
    info = memory.info("/ship")
    assert (info.record_count, info.child_scopes) == (3, ["/ship/crew", "/ship/decks"])
    assert memory.list_categories() == {"crew": 1, "decks": 2, "faults": 1}
    assert "/ship/decks (2 records)" in memory.tree("/ship")


def test_a_memory_is_changed_and_forgotten(memory: Memory) -> None:
    captain = remember(memory)
    memory.update(captain.id, content="The captain is Riker.")
    assert texts(memory.list_records("/ship/crew")) == ["The captain is Riker."]
    assert memory.forget(categories=["faults"]) == 1
    assert memory.forget(record_ids=[captain.id]) == 1
    assert texts(memory.list_records()) == ["Deck 7 is clear."]
    memory.reset()
    assert memory.list_records() == []


def test_a_recall_notes_that_a_memory_was_used(memory: Memory) -> None:
    captain = remember(memory)
    memory.recall("captain", depth="shallow", limit=1)
    memory.drain_writes()
    (found,) = memory.list_records("/ship/crew")
    assert found.last_accessed > captain.last_accessed
    assert found.created_at == captain.created_at


def test_two_crews_share_a_memory(ours: RecuerdaStorageBackend) -> None:
    llm = ScriptedLLM(model="scripted")
    memory = Memory(storage=ours, embedder=embedded, llm=llm)
    memory.remember("There are no life signs on deck 7: clear.", scope="/", categories=["decks"], importance=1.0)

    def answer(crew_memory: Memory) -> str:
        agent = Agent(role="Officer", goal="Answer.", backstory="On a ship.", llm=llm)
        task = Task(description="Is deck 7 clear?", expected_output="A sentence.", agent=agent)
        return str(Crew(agents=[agent], tasks=[task], memory=crew_memory).kickoff())

    assert answer(memory) == "Deck 7 is clear."
    again = Memory(storage=RecuerdaStorageBackend(ours.storage, "ship"), embedder=embedded, llm=llm)
    assert answer(again) == "Deck 7 is clear."
    memory.close()
    again.close()


def test_the_example_of_the_page_runs_and_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs/interop/crewai.md"
    code, printed = [block for block in blocks(page) if block.kind in {"theirs", "text"}]
    with asyncio.Runner() as runner:
        assert run_python(code, page, {"__name__": "__main__"}, runner).endswith(printed.code)
