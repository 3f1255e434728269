"""`RedisProvider` with hostile ids and texts, and with a server that fails."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda.errors import ProviderError
from recuerda.testing.scripted import ScriptedChatClient
from tests.redis.memories import TopicEmbedder, documents, learn, provider_of, recalled
from tests.redis.proxy import Proxy
from tests.servers.redis_search_server import redis_search_url, search_server
from tests.servers.redis_server import RedisServer

HOSTILE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40
) | st.sampled_from(
    [
        "*",
        "a|b",
        "a} @user:{b",
        "-a",
        "$user",
        "=>[KNN 1 @vector $v]",
        "(((",
        '"',
        "\\",
        "%a%",
        " a",
        "a ",
        "A",
        "a",
        ",",
        "\r\n",
        "{*}",
    ]
)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with Proxy(int(redis_search_url().rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """One with the query engine, which the test may kill."""
    server = search_server()
    yield server
    server.stop()


@given(users=st.lists(HOSTILE, min_size=2, max_size=4, unique=True), thread=HOSTILE)
def test_no_id_reaches_what_another_id_remembers(users: list[str], thread: str) -> None:
    # One index for all examples: what others have left behind belongs to other threads, or is the same memory.
    prefix = "test-hostile-ids"

    async def check() -> None:
        for user in users:
            async with provider_of(prefix, user_id=user, application_id="app") as provider:
                await provider.forget(thread=thread)
                await learn(provider, "bone", thread)
        for user in users:
            async with provider_of(prefix, user_id=user, application_id="app") as provider:
                found = [memory for memory in await provider.search("bone", limit=50) if memory.thread_id == thread]
                assert len(found) == 1
        async with provider_of(prefix, user_id=users[0], application_id="app") as provider:
            assert await provider.forget(thread=thread) == 1
        async with provider_of(prefix, user_id=users[1], application_id="app") as provider:
            assert await provider.forget(thread=thread) == 1

    asyncio.run(check())


@given(text=st.text(max_size=300) | HOSTILE)
def test_no_text_is_taken_for_query_syntax(text: str) -> None:
    async def check() -> None:
        async with provider_of("test-hostile-texts", embedder=TopicEmbedder()) as provider:
            await provider.search(text)
            await provider.search(f"{text} @user:{{*}} | {text}")
            assert await provider.search("nowhere") == []

    asyncio.run(check())


async def test_a_search_is_one_trip_learning_is_one_and_the_index_is_looked_at_once(proxy: Proxy, prefix: str) -> None:
    async with provider_of(prefix, proxy.url, embedder=TopicEmbedder(), defer=False) as provider:
        await learn(provider, "My dog is Rex")
        await provider.search("dog")
        for _ in range(3):
            before = proxy.trips
            await learn(provider, "My puppy barks")
            assert proxy.trips == before + 1
            await provider.search("hound and puppy")
            assert proxy.trips == before + 2


async def test_an_embedder_that_is_down_costs_the_vector_and_not_the_words(prefix: str) -> None:
    embedder = TopicEmbedder()
    embedder.is_down = True
    client = ScriptedChatClient(default="ok")
    provider = provider_of(prefix, embedder=embedder, on_failure="warn")
    async with client.create_agent(context_providers=provider) as agent:
        embedder.is_down = False
        await agent.run("first", thread="a")
        await provider.flush()
        thread = agent.get_thread("a")

        def fail_from_now_on(request: object) -> str:
            embedder.is_down = True
            return "ok"

        client.answers.append(fail_from_now_on)
        assert (await agent.run("My hound barks", thread=thread)).warnings == ()
        await provider.flush()
        embedder.is_down = False
        (warning,) = (await agent.run("hound", thread="b")).warnings
        assert "the embedding model cannot be reached" in warning
        assert "My hound barks" in recalled(client.requests[-1])


async def test_a_server_that_was_killed_and_restarted_without_its_data_is_used_again(
    server: RedisServer, prefix: str
) -> None:
    provider = provider_of(prefix, server.url)
    await learn(provider, "bone")
    server.kill()
    with pytest.raises(ProviderError, match="cannot be reached"):
        await provider.search("bone")
    server.start()
    assert await provider.search("bone") == []
    await learn(provider, "bone")
    assert len(await provider.search("bone")) == 1
    await provider.close()


@pytest.mark.parametrize("operation", ["search", "learn", "forget"])
async def test_an_answer_that_is_lost_is_asked_for_again(proxy: Proxy, prefix: str, operation: str) -> None:
    provider = provider_of(prefix, proxy.url)
    await learn(provider, "bone")
    connections = proxy.connections
    proxy.swallow_next = True
    if operation == "search":
        assert len(await provider.search("bone")) == 1
    elif operation == "learn":
        await learn(provider, "another bone")
        assert len(await documents(prefix)) == 2
    else:
        await provider.forget(thread="t")
        assert await documents(prefix) == []
    assert proxy.connections > connections
    await provider.close()


async def test_memories_outlive_a_server_that_keeps_them_on_disk(prefix: str) -> None:
    server = search_server("--appendonly", "yes", "--appendfsync", "always")
    provider = provider_of(prefix, server.url, embedder=TopicEmbedder(), defer=False, max_distance=0.2)
    await learn(provider, "My hound barks")
    server.kill()
    server.start()
    assert [memory.text for memory in await provider.search("puppy")] == ["My hound barks"]
    await provider.close()
    server.stop()


async def test_a_cancelled_search_leaves_the_provider_usable(prefix: str) -> None:
    provider = provider_of(prefix)
    await learn(provider, "bone")
    for steps in range(8):
        searching = asyncio.create_task(provider.search("bone"))
        for _ in range(steps):
            await asyncio.sleep(0)
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)
        assert len(await provider.search("bone")) == 1
    await provider.close()


async def test_a_server_that_is_down_costs_memories_and_never_a_turn(prefix: str, server: RedisServer) -> None:
    client = ScriptedChatClient(default="ok")
    provider = provider_of(prefix, server.url, on_failure="warn")
    async with client.create_agent(context_providers=provider) as agent:
        await agent.run("bone", thread="a")
        server.kill()
        reply = await agent.run("bone", thread="b")
        assert len(await agent.get_thread("b").list_messages()) == 2
    assert len(reply.warnings) == 2
    assert all("cannot be reached" in warning and str(server.port) in warning for warning in reply.warnings)


async def test_a_server_that_is_down_ends_the_run_before_it_is_paid_for_unless_told_otherwise(prefix: str) -> None:
    client = ScriptedChatClient(default="ok")
    provider = provider_of(prefix, "redis://will:pa55word@127.0.0.1:1")
    async with client.create_agent(context_providers=provider) as agent:
        with pytest.raises(ProviderError, match=r"127\.0\.0\.1:1 cannot be reached") as raised:
            await agent.run("bone", thread="a")
    assert "pa55word" not in str(raised.value)
    assert client.requests == []


async def test_a_server_that_does_not_answer_is_given_up(prefix: str) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as door:
        port = door.sockets[0].getsockname()[1]
        provider = provider_of(prefix, f"redis://127.0.0.1:{port}", timeout_s=0.05)
        with pytest.raises(ProviderError, match=r"did not answer within 0\.05 s"):
            await provider.search("bone")
        await provider.close()


async def test_a_server_that_talks_nonsense_is_an_error(prefix: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as door:
        provider = provider_of(prefix, f"redis://127.0.0.1:{door.sockets[0].getsockname()[1]}")
        with pytest.raises(ProviderError):
            await provider.search("bone")
        await provider.close()


@pytest.mark.parametrize(
    ("rights", "text"),
    [("+@all -ft.search -ft.info", "grant FT"), ("-@all", "grant FT")],
    ids=["no search", "nothing"],
)
async def test_missing_rights_are_named(server: RedisServer, prefix: str, rights: str, text: str) -> None:
    server.command("ACL", "SETUSER", "will", "on", ">pa55word", "~*", "+@connection", *rights.split())
    provider = provider_of(prefix, f"redis://will:pa55word@127.0.0.1:{server.port}")
    with pytest.raises(ProviderError, match=text) as raised:
        await provider.search("bone")
    assert "pa55word" not in str(raised.value)
    await provider.close()


async def test_a_wrong_password_is_said_and_not_shown(server: RedisServer, prefix: str) -> None:
    server.command("CONFIG", "SET", "requirepass", "right")
    provider = provider_of(prefix, f"redis://:wr0ng@127.0.0.1:{server.port}")
    with pytest.raises(ProviderError, match="credentials") as raised:
        await provider.search("bone")
    assert "wr0ng" not in str(raised.value)
    await provider.close()


async def test_a_full_server_is_a_warning_and_the_turn_stands(server: RedisServer, prefix: str) -> None:
    client = ScriptedChatClient(default="ok")
    async with client.create_agent(context_providers=provider_of(prefix, server.url)) as agent:
        await agent.run("bone", thread="a")
        server.command("CONFIG", "SET", "maxmemory", "1")
        (warning,) = (await agent.run("a secret bone", thread="b")).warnings
    assert "no memory left" in warning
    assert "secret" not in warning


async def test_nothing_that_was_said_is_logged(
    prefix: str, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "recuerda")
    client = ScriptedChatClient(default="ok")
    provider = provider_of(prefix, server.url, on_failure="warn")
    async with client.create_agent(context_providers=provider) as agent:
        await agent.run("a secret bone", thread="a")
        server.kill()
        await agent.run("a secret bone", thread="b")
    assert caplog.records
    assert "secret" not in caplog.text


async def test_a_closed_provider_says_so(prefix: str) -> None:
    provider = provider_of(prefix)
    await learn(provider, "bone")
    await provider.close()
    await provider.close()
    with pytest.raises(ProviderError, match="has been closed"):
        await provider.search("bone")
    with pytest.raises(ProviderError, match="has been closed"):
        await learn(provider, "bone")


def test_a_provider_serves_one_event_loop_after_another(prefix: str) -> None:
    provider = provider_of(prefix, embedder=TopicEmbedder())

    async def use() -> int:
        await learn(provider, "bone")
        await provider.flush()
        return len(await provider.search("bone"))

    assert [asyncio.run(use()) for _ in range(3)] == [1, 2, 3]
    asyncio.run(provider.close())
