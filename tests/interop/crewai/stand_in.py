"""CrewAI's types for records, written anew from its contract, for an environment in which CrewAI cannot be installed.

CrewAI needs older versions of `rich` and `openai` than the other frameworks do. `make crewai` runs the same tests with
CrewAI itself, and its `Memory` on the backend besides: only that proves that the types are CrewAI's own.
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from pydantic import BaseModel, Field

from recuerda.ids import new_id


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class MemoryRecord(BaseModel):
    id: str = Field(default_factory=new_id)
    content: str
    scope: str = "/"
    categories: list[str] = []
    metadata: dict[str, Any] = {}
    importance: float = 0.5
    created_at: datetime = Field(default_factory=_now)
    last_accessed: datetime = Field(default_factory=_now)
    embedding: list[float] | None = Field(default=None, exclude=True)
    source: str | None = None
    private: bool = False


class ScopeInfo(BaseModel):
    path: str
    record_count: int = 0
    categories: list[str] = []
    oldest_record: datetime | None = None
    newest_record: datetime | None = None
    child_scopes: list[str] = []


class EmbeddingDimensionMismatchError(ValueError):
    def __init__(self, stored_dim: int, new_dim: int) -> None:
        super().__init__(f"{stored_dim} dimensions are stored, and {new_dim} were given")


def install() -> None:
    """Make `import crewai.memory.types` work, unless CrewAI is there."""
    if importlib.util.find_spec("crewai") is not None:
        return
    for name, members in {
        "crewai": [],
        "crewai.memory": [],
        "crewai.memory.types": [MemoryRecord, ScopeInfo],
        "crewai.memory.storage": [],
        "crewai.memory.storage.backend": [EmbeddingDimensionMismatchError],
    }.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        for member in members:
            setattr(module, member.__name__, member)
        sys.modules[name] = module
