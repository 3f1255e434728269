"""A thread that a service keeps is remembered through its mirror."""

from collections.abc import AsyncIterator, Iterator

import pytest

from recuerda.openai import OpenAIResponsesClient
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.openai_server import ScriptedOpenAIServer
from recuerda.testing.scripted import ScriptedChatClient


@pytest.fixture
def server() -> Iterator[ScriptedOpenAIServer]:
    with ScriptedOpenAIServer() as server:
        server.script.extend(["I see."] * 2)
        yield server


@pytest.fixture(params=["conversation", "response"])
async def client(request: pytest.FixtureRequest, server: ScriptedOpenAIServer) -> AsyncIterator[OpenAIResponsesClient]:
    async with OpenAIResponsesClient(
        model_id="gpt-scripted",
        api_key="sk-test",
        base_url=server.base_url,
        threads=request.param,
        timeout_s=10,
        max_retries=0,
    ) as client:
        yield client


async def test_a_thread_at_a_service_is_remembered_and_recalls(
    client: OpenAIResponsesClient, server: ScriptedOpenAIServer, storage: SQLiteStorage
) -> None:
    recall = RecallProvider(storage=storage, namespace="shop")
    here = ScriptedChatClient(default="Noted.").create_agent(storage=storage, context_providers=[recall])
    there = client.create_agent(mirror=storage, context_providers=[recall])
    await here.run("The lantern is in the cellar.", thread=here.get_thread("here", user_id="ana"))
    thread = there.get_thread("there", user_id="ana")
    for text in ("My lantern is red.", "Where is the lantern?"):
        assert not (await there.run(text, thread=thread)).warnings
    assert await said_in(recall, "there") == {"My lantern is red."}
    assert (await recall.stats()).documents == 6
    asked = [str(request.body) for request in server.requests if request.path == "/v1/responses"]
    assert "The lantern is in the cellar." in asked[-1]
    assert "My lantern is red." not in asked[-1]  # the service has it
    await recall.rebuild()
    assert await said_in(recall, "there") == {"My lantern is red."}
    assert (await storage.erase_user("ana")).followers[0].outcome == "removed"
    assert (await recall.stats()).documents == 0
    await recall.close()


async def said_in(recall: RecallProvider, thread_id: str) -> set[str]:
    found = await recall.search("lantern", user_id="ana", thread_id=thread_id, roles=["user"])
    return {memory.text for memory in found}
