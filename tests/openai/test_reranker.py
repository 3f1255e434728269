"""A service's reranker over HTTP: what is sent, what comes back, and what is said when it fails.

The scripted server has the form that Cohere, Jina and servers for open models share. None of them was asked.
"""

from __future__ import annotations

import asyncio
import math
import traceback

import pytest
from openai import AsyncOpenAI

from recuerda import ConfigurationError, Reranker, RerankerError
from recuerda.agent.background import run_in_background
from recuerda.openai import ServiceReranker
from recuerda.providers.reranking import rerank
from recuerda.testing.openai_server import ScriptedOpenAIServer
from tests.openai.canned import CannedServer

KEY = "sk-rerank-91f2"


def at(base_url: str) -> ServiceReranker:
    return ServiceReranker(model_id="odd", api_key=KEY, base_url=base_url, timeout_s=10, max_retries=0)


async def test_scores_come_in_the_order_of_the_texts(server: ScriptedOpenAIServer) -> None:
    async with at(server.base_url) as reranker:
        scores = await rerank(reranker, "red fox", ["a whale", "the red fox", "a fox", ""])
        assert scores == [0.0, 1.0, 0.5, 0.0]
        assert await rerank(reranker, "", ["a \ud800 b"]) == [0.0]
        assert await reranker.rerank("red fox", []) == []
    first, second = server.requests
    assert (first.path, first.headers["authorization"]) == ("/v1/rerank", f"Bearer {KEY}")
    assert first.body == {
        "model": "odd",
        "query": "red fox",
        "documents": ["a whale", "the red fox", "a fox", " "],
    }
    assert (second.body["query"], second.body["documents"]) == (" ", ["a ? b"])


async def test_voyages_name_for_the_list_is_understood(canned: CannedServer) -> None:
    canned.whole({"object": "list", "data": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0}]})
    async with at(canned.base_url) as reranker:
        assert await rerank(reranker, "?", ["a", "b"]) == [0.0, 0.9]


def test_several_event_loops_may_use_one(server: ScriptedOpenAIServer) -> None:
    reranker = at(server.base_url)

    async def both() -> list[float]:
        found = await rerank(reranker, "fox", ["a fox"])
        await reranker.close()
        return found

    assert run_in_background(rerank(reranker, "fox", ["a fox"])) == asyncio.run(both())


async def test_a_ready_client_is_used_and_left_open(server: ScriptedOpenAIServer) -> None:
    async with AsyncOpenAI(base_url=server.base_url, api_key=KEY) as sdk:
        async with ServiceReranker(model_id="m", client=sdk) as reranker:
            assert await rerank(reranker, "fox", ["a fox"]) == [1.0]
        assert not sdk.is_closed()
        with pytest.raises(RerankerError, match="create a new one"):
            await reranker.rerank("fox", ["a fox"])


# Failures


@pytest.mark.parametrize(("status", "text"), [(401, "Check api_key"), (404, "Check model_id"), (500, "Try again")])
async def test_a_refusal_says_the_next_step_and_no_key(canned: CannedServer, status: int, text: str) -> None:
    canned.status = status
    canned.whole({"error": {"message": f"Incorrect key {KEY}", "code": None, "param": None, "type": "t"}})
    async with at(canned.base_url) as reranker:
        with pytest.raises(RerankerError, match=text) as caught:
            await reranker.rerank("secret", ["secret words"])
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert "secret" not in str(caught.value)


async def test_a_service_that_is_down_is_told_with_its_address() -> None:
    async with at("http://127.0.0.1:9/v1") as reranker:
        with pytest.raises(RerankerError, match=r"127\.0\.0\.1:9"):
            await reranker.rerank("?", ["hello"])


@pytest.mark.parametrize(
    "answer",
    [
        {"results": []},
        {"results": [{"index": 0, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": 0.5}] * 2},
        {"results": [{"index": 0, "relevance_score": 0.5}, {"index": 2, "relevance_score": 0.5}]},
        {"results": [{"index": 0, "relevance_score": "high"}, {"index": 1, "relevance_score": 0.5}]},
        {"choices": []},
        [],
        "no",
    ],
    ids=["none", "few", "twice", "wrong-index", "a-word", "of-a-chat", "a-list", "a-text"],
)
async def test_an_odd_answer_is_an_error(canned: CannedServer, answer: object) -> None:
    canned.whole(answer)
    async with at(canned.base_url) as reranker:
        with pytest.raises(RerankerError, match="odd"):
            await reranker.rerank("?", ["a", "b"])


async def test_a_score_that_is_not_finite_is_an_error(canned: CannedServer) -> None:
    canned.whole({"results": [{"index": 0, "relevance_score": math.nan}]})
    async with at(canned.base_url) as reranker:
        with pytest.raises(RerankerError, match="finite"):
            await rerank(reranker, "?", ["a"])


def test_a_model_and_an_address_have_to_be_named_and_no_key_is_shown() -> None:
    with pytest.raises(ConfigurationError, match="reranking model"):
        ServiceReranker(model_id="", api_key=KEY, base_url="http://127.0.0.1/v1")
    with pytest.raises(ConfigurationError, match="give base_url="):
        ServiceReranker(model_id="m", api_key=KEY)
    made: Reranker = ServiceReranker(model_id="m", api_key=KEY, base_url="https://api.jina.ai/v1")
    assert repr(made) == "ServiceReranker(model_id='m', url='https://api.jina.ai/v1')"
