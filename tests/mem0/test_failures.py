"""What is said when Mem0 fails: what happened, the next step, and never a key or what was said."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from datetime import timedelta

import pytest

from recuerda.errors import ProviderError
from recuerda.mem0 import Mem0Provider
from recuerda.testing import ScriptedChatClient
from tests.mem0.threads import assistant, recalled, thread_of, user
from tests.servers.mem0_platform import Fault, Mem0Platform

WORDS = "my secret words"


@pytest.fixture
async def ready(platform: Mem0Platform, provider: Mem0Provider) -> Mem0Provider:
    """A provider whose client has been made: what fails next is the request."""
    await recalled(provider, "hello")
    return provider


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(401), "Check api_key or MEM0_API_KEY"),
        (Fault(403), "Check api_key or MEM0_API_KEY"),
        (Fault(404), "Check host"),
        (Fault(429, headers={"Retry-After": "7"}), "wait 7 s"),
        (Fault(429), "Send fewer"),
        (Fault(500), "Try again later"),
        (Fault(503), "status 503"),
        (Fault(400), "refused the request"),
    ],
    ids=["401", "403", "404", "429-wait", "429", "500", "503", "400"],
)
async def test_a_refused_search_says_the_next_step(
    platform: Mem0Platform, ready: Mem0Provider, fault: Fault, text: str
) -> None:
    platform.on_search.append(fault)
    with pytest.raises(ProviderError, match=text) as caught:
        await recalled(ready, WORDS)
    assert WORDS not in str(caught.value)
    assert platform.key not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"memories": []}, "an object without a list of results"),
        ({"results": None}, "an object without a list of results"),
        ({"results": ["tea"]}, "an object without a list of results"),
        (None, "nothing"),
        ("tea", "a str"),
        (7, "a int"),
    ],
    ids=["no-results", "null-results", "texts", "null", "text", "number"],
)
async def test_an_odd_answer_says_what_came(
    platform: Mem0Platform, ready: Mem0Provider, body: object, text: str
) -> None:
    platform.on_search.append(Fault(body=body))
    with pytest.raises(ProviderError, match=f"gave {text} instead"):
        await recalled(ready, WORDS)


async def test_memories_without_a_text_are_passed_over(platform: Mem0Platform, ready: Mem0Provider) -> None:
    odd = [{}, {"memory": None}, {"memory": 3}, {"memory": "  "}, {"memory": "green tea", "metadata": None}]
    platform.on_search.append(Fault(body={"results": odd}))
    assert (await recalled(ready, WORDS)).splitlines()[-1] == '- "green tea"'


async def test_a_list_of_memories_is_an_answer_too(platform: Mem0Platform, ready: Mem0Provider) -> None:
    platform.on_search.append(Fault(body=[{"memory": "green tea"}]))
    assert "green tea" in await recalled(ready, WORDS)


async def test_a_wrong_key_is_told_and_can_be_mended(platform: Mem0Platform) -> None:
    provider = Mem0Provider(api_key="m0-wrong-key", host=platform.host, user_id="ada")
    with pytest.raises(ProviderError, match="Check api_key") as caught:
        await recalled(provider, WORDS)
    assert "m0-wrong-key" not in "".join(traceback.format_exception(caught.value))
    platform.key = "m0-wrong-key"
    assert await recalled(provider, WORDS) == ""
    await provider.close()


async def test_a_service_that_cannot_be_reached_is_told() -> None:
    provider = Mem0Provider(api_key="k", host="http://127.0.0.1:9", user_id="ada")
    with pytest.raises(ProviderError, match="cannot be reached"):
        await recalled(provider, WORDS)
    await provider.close()


async def test_an_address_of_something_else_is_told(platform: Mem0Platform) -> None:
    platform.on_ping.append(Fault(body={"hello": "world"}))
    provider = Mem0Provider(api_key=platform.key, host=platform.host, user_id="ada")
    with pytest.raises(ProviderError, match="Check host"):
        await recalled(provider, WORDS)
    await provider.close()


async def test_a_service_that_goes_away_is_told() -> None:
    with Mem0Platform() as platform:
        provider = Mem0Provider(api_key=platform.key, host=platform.host, user_id="ada")
        await recalled(provider, "hello")
    with pytest.raises(ProviderError, match="cannot be reached"):
        await recalled(provider, WORDS)
    await provider.close()


async def test_a_slow_search_ends_the_run_or_is_done_without(platform: Mem0Platform) -> None:
    for on_failure in ("raise", "warn"):
        provider = Mem0Provider(
            api_key=platform.key,
            host=platform.host,
            user_id="ada",
            timeout=timedelta(milliseconds=100),
            on_failure=on_failure,
        )
        await recalled(provider, "hello")
        platform.on_search.append(Fault(delay_s=30))
        client = ScriptedChatClient(["Yes."])
        async with client.create_agent(context_providers=provider) as agent:
            if on_failure == "raise":
                with pytest.raises(ProviderError, match="took longer"):
                    await agent.run(WORDS)
                assert client.requests == []
            else:
                (warning,) = (await agent.run(WORDS)).warnings
                assert "took longer" in warning


# Learning


async def test_a_failure_to_learn_is_logged_and_told_with_the_next_reply_and_loses_no_turn(
    platform: Mem0Platform, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Mem0Provider(api_key=platform.key, host=platform.host, user_id="ada")
    platform.on_add.append(Fault(500))
    async with ScriptedChatClient(default="Yes.").create_agent(context_providers=provider) as agent:
        thread = agent.get_thread("t")
        with caplog.at_level(logging.WARNING, "recuerda"):
            first = await agent.run(WORDS, thread=thread)
            await provider._learning.finish()  # pyright: ignore[reportPrivateUsage] - so that it has failed
        assert first.warnings == ()
        (logged,) = [text for text in caplog.messages if "cannot learn" in text]
        assert WORDS not in logged
        second = await agent.run("Still there?", thread=thread)
        (warning,) = second.warnings
        assert logged in warning
        third = await agent.run("And now?", thread=thread)
        assert third.warnings == ()
        assert len(await thread.list_messages()) == 6
    assert [body["messages"][0]["content"] for body in platform.added] == [WORDS, "Still there?", "And now?"]


async def test_learning_that_takes_too_long_is_given_up(
    platform: Mem0Platform, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Mem0Provider(
        api_key=platform.key, host=platform.host, user_id="ada", add_timeout=timedelta(milliseconds=50)
    )
    await recalled(provider, "hello")
    platform.on_add.append(Fault(delay_s=30))
    with caplog.at_level(logging.WARNING, "recuerda"):
        await provider.invoked(user(WORDS), assistant("Yes."), thread=thread_of())
        await provider.close()
    assert "it did not answer in time" in caplog.text


async def test_close_tells_what_could_not_be_learnt(platform: Mem0Platform, caplog: pytest.LogCaptureFixture) -> None:
    provider = Mem0Provider(api_key=platform.key, host=platform.host, user_id="ada")
    platform.on_add.append(Fault(429))
    with caplog.at_level(logging.WARNING, "recuerda"):
        await provider.invoked(user(WORDS), assistant("Yes."), thread=thread_of())
        await provider.close()
    assert "too many requests" in caplog.text
    assert WORDS not in caplog.text


@pytest.mark.parametrize("is_sync", [False, True], ids=["asynchronous", "synchronous"])
async def test_close_does_not_wait_for_a_client_that_hangs(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, is_sync: bool
) -> None:
    monkeypatch.setattr("recuerda.mem0.provider._CLOSE_S", 0.05)
    hangs, never = asyncio.Event(), threading.Event()

    class Hanging:
        def search(self, query: str, *, filters: object, top_k: int) -> object:
            return {"results": []}

        def add(self, messages: object, **options: object) -> object:
            return never.wait() if is_sync else hangs.wait()

    provider = Mem0Provider(Hanging(), user_id="ada")  # its `add_timeout` is five minutes
    with caplog.at_level(logging.WARNING, "recuerda"):
        for words in (WORDS, "And another one."):
            await provider.invoked(user(words), assistant("Yes."), thread=thread_of())
        await provider.close()
    never.set()
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(left_out) == 2
    assert all("work after a reply failed" in text and "had not ended 0.05 s after" in text for text in left_out)
    assert WORDS not in caplog.text
    assert len(provider._learning.take_failures()) == 2  # pyright: ignore[reportPrivateUsage]
    await provider.close()
