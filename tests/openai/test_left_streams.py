"""A stream of the SDK that is left before its end leaves no generator behind for the garbage collector."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

from recuerda import ChatMessage, ChatRequest
from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient
from recuerda.testing.openai_server import Reply, ScriptedOpenAIServer

STORY = Reply("A story that is long enough to be cut into pieces.", chunk_delay_s=0.02)
REQUEST = ChatRequest(messages=(ChatMessage("user", "A story, please"),))


@contextmanager
def noted_finalizers() -> Generator[list[str]]:
    """Note each generator that starts in here and is collected before it ended."""
    found: list[str] = []
    hooks = sys.get_asyncgen_hooks()

    def note(generator: AsyncGenerator[Any, Any]) -> None:
        found.append(repr(generator))
        assert hooks.finalizer is not None
        hooks.finalizer(generator)

    sys.set_asyncgen_hooks(firstiter=hooks.firstiter, finalizer=note)
    yield found
    sys.set_asyncgen_hooks(*hooks)


@pytest.mark.parametrize("is_response", [False, True], ids=["chat", "responses"])
async def test_a_stream_that_is_left_anywhere_leaves_no_generator(
    server: ScriptedOpenAIServer, client: OpenAIChatClient, local: OpenAIResponsesClient, *, is_response: bool
) -> None:
    with noted_finalizers() as found:
        for place in (1, 3, 6):
            server.script.append(STORY)
            seen = 0
            async with aclosing((local if is_response else client).stream(REQUEST)) as updates:
                async for _ in updates:
                    seen += 1
                    if seen == place:
                        break
            assert seen == place
            gc.collect()
            assert found == [], place
