"""Everything that keeps connections for each event loop, made in one way to be tested in one way.

Each function imports its own technology: a program that tests one of them starts sooner.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Never

from recuerda import AgentThread, ChatMessage
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn


@dataclass(frozen=True)
class User:
    """Something that opens connections.

    Attributes:
        use: opens a connection if none is open, and uses it.
        close: closes the connections of all event loops.
        leave: ends a forked child.
        lasts: an idle connection stays open; one of HTTP ends after some seconds.
    """

    use: Callable[[], Awaitable[object]]
    close: Callable[[], Awaitable[None]]
    leave: Callable[[int], Never] = sys.exit
    lasts: bool = False


def postgres_storage(url: str, schema: str) -> User:
    from recuerda.postgres import PostgresStorage

    return _storage(PostgresStorage(url, schema=schema), lasts=True)


def postgres_recall(url: str, schema: str) -> User:
    from recuerda.recall.postgres import PostgresRecallIndex

    index = PostgresRecallIndex(url, schema=schema)
    return User(index.stats, index.close, lasts=True)


def redis_storage(url: str) -> User:
    from recuerda.redis import RedisStorage

    return _storage(RedisStorage(url, key_prefix="drivers"), lasts=True)


def cosmos_storage(url: str) -> User:
    from recuerda.cosmos import CosmosStorage

    return _storage(CosmosStorage(url))


def openai_client(url: str) -> User:
    from recuerda.openai import OpenAIChatClient

    client = OpenAIChatClient(model_id="m", base_url=url)
    return User(lambda: client.create_agent().run("Hello"), client.close)


def openai_embedder(url: str) -> User:
    from recuerda.openai import OpenAIEmbedder

    embedder = OpenAIEmbedder(model_id="m", base_url=url)
    return User(lambda: embedder.embed(["hello"]), embedder.close)


def azure_ai_search(endpoint: str, key: str, certificate: str) -> User:
    from recuerda.azure_ai_search import AzureAISearchProvider

    provider = AzureAISearchProvider(endpoint, "docs", api_key=key, verify=certificate)
    return User(lambda: provider.search("dog"), provider.close)


def mem0(host: str, key: str) -> User:
    from recuerda.mem0 import Mem0Provider

    provider = Mem0Provider(api_key=key, host=host, user_id="ada")
    tea = ChatMessage("user", "tea")
    # Mem0's telemetry waits for a thread of the parent when a child ends in the ordinary way, with or without recuerda.
    return User(lambda: provider.invoking([tea], thread=AgentThread("t")), provider.close, os._exit)


def _storage(storage: Storage, *, lasts: bool = False) -> User:
    return User(lambda: storage.append("a", NewTurn(body=b"{}", message_count=1)), storage.close, lasts=lasts)


USERS: dict[str, Callable[..., User]] = {
    make.__name__: make
    for make in (
        postgres_storage,
        postgres_recall,
        redis_storage,
        cosmos_storage,
        openai_client,
        openai_embedder,
        azure_ai_search,
        mem0,
    )
}
