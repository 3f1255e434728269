"""One thread on Redis, with the arguments of Agent Framework's `RedisChatMessageStore`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from urllib.parse import quote

from redis.credentials import CredentialProvider

from recuerda.errors import ConfigurationError, StateError, ThreadConflict
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage
from recuerda.redis.keys import check_prefix
from recuerda.redis.storage import DEFAULT_PREFIX, RedisStorage
from recuerda.storage.contract import Storage
from recuerda.threads.store import ChatMessageStore
from recuerda.window.window import turn_of


class RedisChatMessageStore(ChatMessageStore):
    """Hold one thread's messages on a Redis server.

    Args:
        redis_url: `redis://[user:password@]host[:port][/database]`, or any other URL of `RedisStorage`. Stores with the
            same URL share their connections, so one store per thread is cheap.
        credential_provider: a credential provider of redis-py, for use with `host`: for user names and passwords that
            change, such as Entra ID tokens.
        host: the server's host, instead of `redis_url`.
        port: the port of `host`.
        ssl: True connects to `host` with TLS.
        username: the user name for `host`, if there is no credential provider.
        thread_id: the thread's id; a new random id by default.
        key_prefix: the start of every key.
        max_messages: the largest number of messages to keep, as whole turns; None keeps all messages.
        messages: the first messages of a thread that has no turns yet. They are written when the store is first used.
        redis_client: the application's own asyncio client, instead of `redis_url`. The application closes it.
        ttl: the thread expires when it has been neither read nor written for this time; None for never.
        storage: a `RedisStorage`, instead of the arguments that name a server.
        user_id: the user to whom the thread belongs; None for no user.

    Close the store when it is no longer used. Its connections close with the last store of the server, or with the
    event loop.
    """

    storage: Storage

    def __init__(
        self,
        redis_url: str | None = None,
        credential_provider: CredentialProvider | None = None,
        *,
        host: str | None = None,
        port: int = 6380,
        ssl: bool = True,
        username: str | None = None,
        thread_id: str | None = None,
        key_prefix: str = DEFAULT_PREFIX,
        max_messages: int | None = None,
        messages: Sequence[ChatMessage] | None = None,
        redis_client: object | None = None,
        ttl: timedelta | None = None,
        storage: Storage | str | None = None,
        user_id: str | None = None,
    ) -> None:
        is_owner = storage is None
        if storage is None:
            if redis_url is not None and host is not None:
                raise ConfigurationError("redis_url and host were both given; give one of them")
            if redis_url is None and host is not None:
                redis_url = _url(host, port, ssl=ssl, username=username)
            storage = RedisStorage(
                redis_url,
                credential_provider=credential_provider,
                redis_client=redis_client,
                key_prefix=key_prefix,
                ttl=ttl,
            )
        elif not (redis_url is host is redis_client is credential_provider is None):
            raise ConfigurationError(
                "storage was given together with an argument that names a server; give one or the other"
            )
        super().__init__(storage=storage, thread_id=thread_id, max_messages=max_messages, user_id=user_id)
        self._owns_storage = is_owner or self._owns_storage
        self._first_messages = tuple(messages or ())

    async def serialize(self, **kwargs: Any) -> JsonObject:
        """Return a locator: the thread's id, key prefix and limit.

        It contains neither messages nor the server's address.
        """
        state = await super().serialize(**kwargs)
        if isinstance(self.storage, RedisStorage):
            state["key_prefix"] = self.storage.key_prefix
        return state

    async def update_from_state(self, serialized_store_state: Any, **kwargs: Any) -> None:
        prefix = _prefix_of(serialized_store_state)
        await super().update_from_state(serialized_store_state, **kwargs)
        before = self.storage
        if prefix is None or not isinstance(before, RedisStorage) or prefix == before.key_prefix:
            return
        self.storage, was_owner = before.with_prefix(prefix), self._owns_storage
        self._owns_storage = True
        self.user_id = self.user_id  # makes the user's view of the other storage
        if was_owner:
            await before.close()

    async def _write_first_messages(self) -> None:
        if not self._first_messages:
            return
        messages, self._first_messages = self._first_messages, ()
        try:
            await self.append(turn_of(messages), expected=0)
        except ThreadConflict:
            return  # The thread already has turns. These messages are for a new thread only.
        except BaseException:
            self._first_messages = messages
            raise


def _prefix_of(state: object) -> str | None:
    prefix = cast("dict[str, object]", state).get("key_prefix") if isinstance(state, dict) else None
    if prefix is None:
        return None
    try:
        return check_prefix(prefix)
    except ConfigurationError as error:
        raise StateError(f"the store's state cannot be used: {error}") from None


def _url(host: str, port: int, *, ssl: bool, username: str | None) -> str:
    user = f"{quote(username, safe='')}@" if username else ""
    return f"{'rediss' if ssl else 'redis'}://{user}{host}:{port}"
