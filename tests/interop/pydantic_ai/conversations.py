"""Small words for tests of Pydantic AI's conversation stores."""

from typing import Any

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart


def asked(text: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(text)])


def answered(text: str) -> ModelResponse:
    return ModelResponse(parts=[TextPart(text)])


def texts(messages: list[ModelMessage]) -> list[Any]:
    return [getattr(message.parts[0], "content", None) for message in messages]


async def saved(store: ConversationStore, *said: str, id: str = "t", **more: Any) -> Conversation:
    messages = [asked(text) if number % 2 == 0 else answered(text) for number, text in enumerate(said)]
    conversation = Conversation(conversation_id=id, messages=[*messages])
    await store.save(conversation, **more)
    return conversation


async def stored(store: ConversationStore, id: str = "t") -> Conversation:
    conversation = await store.load(id)
    assert conversation is not None
    return conversation
