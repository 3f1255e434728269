"""Pictures and files in runs: the model sees them, now and from another process, on every storage and over each API."""

from base64 import b64encode
from typing import Any, TypeAlias

import pytest

from recuerda import ChatMessage, ChatMessageStore, DataContent, FunctionResultContent, Storage, TextContent, UriContent
from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient
from recuerda.testing import Reply, ScriptedOpenAIServer, ToolCall

Client: TypeAlias = type[OpenAIChatClient] | type[OpenAIResponsesClient]

SERVICES = pytest.mark.parametrize("service", [OpenAIChatClient, OpenAIResponsesClient], ids=["chat", "responses"])

SHOT = DataContent(bytes(range(256)) * 20, "image/png", "shot 1.png", "high")  # beside its turn
ICON = DataContent(b"\x89PNG", "image/webp", "icon.webp", "low")  # in its turn
PAPER = DataContent(b"%PDF" * 1000, "application/pdf", "pápér.pdf")
LINKED = UriContent("https://e.com/x.png", "image/png", "x.png", "low")
PASTED = UriContent(f"data:image/gif;base64,{b64encode(b'GIF89a' * 1000).decode()}", "image/gif", "p.gif", "low")
FILES = (SHOT, ICON, PAPER, LINKED, PASTED)


def url(part: DataContent) -> str:
    return f"data:{part.media_type};base64,{b64encode(part.data).decode()}"


def chat_image(address: str, detail: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address, "detail": detail}}


def responses_image(address: str, detail: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": address, "detail": detail}


SENT: dict[Client, list[dict[str, Any]]] = {
    OpenAIChatClient: [
        chat_image(url(SHOT), "high"),
        chat_image(url(ICON), "low"),
        {"type": "file", "file": {"filename": "pápér.pdf", "file_data": url(PAPER)}},
        chat_image(LINKED.uri, "low"),
        chat_image(PASTED.uri, "low"),
    ],
    OpenAIResponsesClient: [
        responses_image(url(SHOT), "high"),
        responses_image(url(ICON), "low"),
        {"type": "input_file", "filename": "pápér.pdf", "file_data": url(PAPER)},
        responses_image(LINKED.uri, "low"),
        responses_image(PASTED.uri, "low"),
    ],
}


def client_of(service: Client, server: ScriptedOpenAIServer) -> OpenAIChatClient | OpenAIResponsesClient:
    if service is OpenAIChatClient:
        return OpenAIChatClient(model_id="m", api_key="k", base_url=server.base_url, max_retries=0)
    return OpenAIResponsesClient(model_id="m", api_key="k", base_url=server.base_url, max_retries=0, store=False)


def files_sent(messages: list[Any]) -> list[Any]:
    """Return the parts of a request that are no texts, also those of results."""
    lists: list[Any] = [message.get("content") or message.get("output") for message in messages]
    parts: list[Any] = [part for parts in lists if not isinstance(parts, str) for part in parts or ()]
    return [part for part in parts if part["type"] not in ("text", "input_text", "output_text")]


@SERVICES
async def test_the_model_sees_the_files_that_a_tool_returned(
    storage: Storage, another: Storage, service: Client
) -> None:
    def look() -> list[object]:
        """Look."""
        return ["Here:", *FILES]

    with ScriptedOpenAIServer(Reply(tool_calls=[ToolCall("look", {})]), "Seen.", "Again.", "Yes.") as server:
        async with client_of(service, server) as client:
            await client.create_agent(storage=storage, tools=[look]).run("Look", thread="t")
            await client.create_agent(storage=another, tools=[look]).run("And now?", thread="t")
            await client.create_agent(storage=another, tools=[look]).regenerate("t")
    assert files_sent(server.requests[0].messages) == []
    for request in server.requests[1:]:
        assert files_sent(request.messages) == SENT[service]
    (result,) = (await ChatMessageStore(storage=another, thread_id="t").list_messages())[2].contents
    assert isinstance(result, FunctionResultContent)
    assert result.parts == (TextContent("Here:"), *FILES)


@SERVICES
async def test_detail_name_and_media_type_of_a_file_survive(
    storage: Storage, another: Storage, service: Client
) -> None:
    question = ChatMessage("user", ["Which?", *FILES])
    with ScriptedOpenAIServer("This.", "Sure.") as server:
        async with client_of(service, server) as client:
            await client.create_agent(storage=storage).run(question, thread="t")
            await client.create_agent(storage=another).run("Sure?", thread="t")
    assert [files_sent(request.messages) for request in server.requests] == [SENT[service]] * 2
    store = ChatMessageStore(storage=another, thread_id="t")
    assert (await store.list_messages())[0] == question
    assert (await (await store.fork()).list_messages())[0] == question
