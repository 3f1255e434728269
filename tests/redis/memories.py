"""Providers for tests, an embedder whose vectors anybody can foretell, and a look behind the provider's back."""

import hashlib
from collections.abc import Sequence
from typing import Any

from recuerda import AgentThread, ChatMessage, ChatMessageStore, ChatRequest, MemoryStorage
from recuerda.errors import EmbedderError
from recuerda.redis import RedisProvider
from tests.redis.clients import connect
from tests.servers.redis_search_server import redis_search_url

TOPICS = {"dog": 0, "puppy": 0, "hound": 0, "car": 1, "automobile": 1, "spaghetti": 2, "pasta": 2}


class TopicEmbedder:
    """Give texts of one topic nearly the same vector, whatever their words.

    Args:
        dimensions: how many; at least 4.
        model_id: its name.
    """

    def __init__(self, dimensions: int = 8, *, model_id: str = "topics") -> None:
        self.model_id = model_id
        self.dimensions = dimensions
        self.is_down = False
        self.embedded: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.is_down:
            raise EmbedderError("the embedding model cannot be reached")
        self.embedded += texts
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word in text.lower().replace("?", "").replace(".", "").split():
            if word in TOPICS:
                vector[TOPICS[word]] += 1
        vector[3] = 0.01 + hashlib.sha256(text.encode()).digest()[0] / 100_000
        return vector


def provider_of(prefix: str, url: str | None = None, **options: Any) -> RedisProvider:
    """Return a provider of a test's own index, on the server that the tests share unless another is given."""
    if "redis_client" not in options:
        options["redis_url"] = url or redis_search_url()
    options.setdefault("user_id", "riker")
    return RedisProvider(index_name=prefix, prefix=prefix, **options)


async def documents(prefix: str, url: str | None = None) -> list[dict[str, str]]:
    """Return all documents under a prefix, as the server has them, without their vectors."""
    client = connect(url or redis_search_url())
    found: list[dict[str, str]] = []
    async for key in client.scan_iter(match=f"{prefix}:*"):
        fields: dict[bytes, bytes] = await client.hgetall(key)
        found.append({name.decode(): value.decode() for name, value in fields.items() if name != b"vector"})
    await client.aclose()
    return sorted(found, key=lambda fields: (int(fields["created_us"]), fields["role"] == "assistant"))


def recalled(request: ChatRequest, prompt: str = "## Memories") -> str:
    """Return the memories that a model was sent; empty without any."""
    return "".join(message.text for message in request.messages if message.text.startswith(prompt))


def said(text: str) -> list[ChatMessage]:
    """Return an input of one user message."""
    return [ChatMessage("user", text)]


async def learn(provider: RedisProvider, text: str, thread_id: str = "t") -> None:
    """Let a provider learn a turn of a thread, in which a user said this text."""
    await learn_all(provider, [text], thread_id)


async def learn_all(provider: RedisProvider, texts: Sequence[str], thread_id: str = "t") -> None:
    """Let a provider learn one turn of a thread, in which a user sent these messages."""
    store = ChatMessageStore(storage=MemoryStorage(), thread_id=thread_id)
    messages = [ChatMessage("user", text) for text in texts]
    await store.add_messages(messages)
    await provider.invoked(messages, [], thread=AgentThread(message_store=store))
