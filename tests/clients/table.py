"""The clients, the features, and the features that a client lacks. The table of the documentation is made of it.

Each feature of a client is a test (`every_client.py`) with the newest version of the client and its defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

FEATURES = MappingProxyType(
    {
        "plain": "Hello, dear Ann.",
        "stream": "Hello, dear Ann.",
        "tools": "Paris: sunny. Rome: rainy.",
        "structured": "Picard 59",
        "by_id": "You are Riker.",
        "by_conversation": "You are Riker.",
        "pictures": "I see 1 picture.",
    }
)
"""The features, each with the answer that a client must report."""

TITLES = ("plain", "stream", "parallel tools", "structured output", "by id", "by conversation", "pictures")


@dataclass(frozen=True)
class Client:
    """A client.

    Attributes:
        name: its name in the table.
        script: its script, beside this file.
        environment: the virtual environment of a Python client; None for a client that runs in Node.
        lacks: the features that it does not have, each with the reason.
    """

    name: str
    script: str
    environment: str | None = None
    lacks: dict[str, str] = field(default_factory=dict[str, str])


def _python(name: str, script: str, *, environment: str = "clients", **lacks: str) -> Client:
    return Client(name, f"python/{script}.py", environment, lacks)


def _node(name: str, script: str, **lacks: str) -> Client:
    return Client(name, f"javascript/{script}.mjs", None, lacks)


_SENDS_ALL = "It keeps its sessions itself, and sends the whole conversation."

CLIENTS = (
    _python("openai (Python)", "openai_sdk"),
    _node("openai (JavaScript)", "openai_sdk"),
    _python("Agents SDK (Python)", "openai_agents"),
    _node("Agents SDK (JavaScript)", "openai_agents"),
    _node("Vercel AI SDK 7", "ai_sdk_7"),
    _node("Vercel AI SDK 6", "ai_sdk_6"),
    _python("Pydantic AI", "pydantic_ai_client"),
    _python("LangChain (Python)", "langchain_client"),
    _node("LangChain (JavaScript)", "langchain_client"),
    _python("LlamaIndex", "llama_index_client", environment="clients-older"),
    _python("Agent Framework", "agent_framework_client"),
    _python("LiteLLM", "litellm_client"),
    _python("Haystack", "haystack_client"),
    _python(
        "Semantic Kernel",
        "semantic_kernel_client",
        environment="clients-older",
        by_conversation="Its agents name the previous response only.",
    ),
    _node(
        "Codex CLI",
        "codex",
        plain="It streams every answer.",
        by_id=_SENDS_ALL,
        by_conversation=_SENDS_ALL,
    ),
)


def markdown() -> str:
    """Return the table of the documentation. A number stands for the reason below the table."""
    reasons = list(dict.fromkeys(reason for client in CLIENTS for reason in client.lacks.values()))
    rows = [f"| client | {' | '.join(TITLES)} |", f"|---|{':-:|' * len(TITLES)}"]
    for client in CLIENTS:
        cells = [f"({reasons.index(client.lacks[one]) + 1})" if one in client.lacks else "yes" for one in FEATURES]
        rows.append(f"| {client.name} | {' | '.join(cells)} |")
    return "\n".join([*rows, "", *(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))])
