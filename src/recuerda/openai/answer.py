"""Answers of chat completions as messages: whole ones, and streamed ones put together.

The SDK doesn't check what a server sends, and compatible servers leave out or misplace this and that. What is known of
them is taken care of here; whatever else is wrong raises, and the client tells it as a failed call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from recuerda.agent.chat import ChatResponse, ChatUpdate
from recuerda.errors import ChatClientError
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    Usage,
)
from recuerda.openai.text import TextMender, mend_text


def whole_answer(completion: object) -> ChatResponse:
    """Return the answer that a completion holds.

    Raises:
        ChatClientError: it holds none.
    """
    if not isinstance(completion, ChatCompletion) or not completion.choices:
        raise ChatClientError("the service answered with something that is not a chat completion: check base_url")
    choice = completion.choices[0]
    message = choice.message
    contents: list[AnyContent] = []
    if reasoning := _reasoning(message):
        contents.append(TextReasoningContent(mend_text(reasoning)))
    if message.content:
        contents.append(TextContent(mend_text(message.content)))
    if message.refusal:
        contents.append(RefusalContent(mend_text(message.refusal)))
    contents.extend(
        _call(call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or ()
        if call.type != "custom"  # never asked for; some servers leave the type out
    )
    check_answered(contents, choice.finish_reason)
    return ChatResponse(
        message=ChatMessage("assistant", contents, message_id=completion.id or None),
        usage=_usage(completion.usage),
        finish_reason=choice.finish_reason,
    )


@dataclass(slots=True)
class _PartialCall:
    index: int | None
    id: str = ""
    name: str = ""
    arguments: str = ""


class StreamedAnswer:
    """Turn the chunks of a stream into updates.

    Text and reasoning are passed on as they come. Calls and a refusal are put together, and given whole by `end`.
    """

    def __init__(self) -> None:
        self._text = TextMender()
        self._reasoning = TextMender()
        self._refusal = ""
        self._calls: list[_PartialCall] = []
        self._usage: Usage | None = None
        self._finish_reason: str | None = None
        self._message_id: str | None = None
        self._has_text = False

    @property
    def is_whole(self) -> bool:
        """Whether the model has finished; only the usage can still come."""
        return self._finish_reason is not None

    def take(self, chunk: ChatCompletionChunk) -> ChatUpdate | None:
        """Return what a chunk says, or None where that is nothing to pass on yet."""
        self._message_id = self._message_id or chunk.id or None
        self._usage = _usage(chunk.usage) or self._usage
        if not chunk.choices:  # the usage at the end; on Azure also the filters' verdict at the start
            return None
        choice = chunk.choices[0]
        self._finish_reason = choice.finish_reason or self._finish_reason
        delta: Any = choice.delta
        if delta is None:  # Azure's filters, when they work beside the stream
            return None
        self._refusal += delta.refusal or ""
        for call in delta.tool_calls or ():
            self._take_call(call)
        contents = _fragments(self._reasoning.take(_reasoning(delta)), self._text.take(delta.content or ""))
        return ChatUpdate(contents=self._seen(contents), message_id=self._message_id) if contents else None

    def end(self) -> ChatUpdate:
        """Return the last update, with all that had to be waited for.

        Raises:
            ChatClientError: the stream ended before the answer did.
        """
        if not self.is_whole:
            raise ChatClientError("the answer was cut off: the service ended its stream in the middle. Run again.")
        contents = self._seen(_fragments(self._reasoning.end(), self._text.end()))
        if self._refusal:
            contents.append(RefusalContent(mend_text(self._refusal)))
        contents.extend(_call(call.id, call.name, call.arguments) for call in self._calls)
        check_answered([*contents, TextContent("")] if self._has_text else contents, self._finish_reason)
        return ChatUpdate(
            contents=contents, message_id=self._message_id, usage=self._usage, finish_reason=self._finish_reason
        )

    def _seen(self, contents: list[AnyContent]) -> list[AnyContent]:
        self._has_text = self._has_text or any(isinstance(part, TextContent) for part in contents)
        return contents

    def _take_call(self, delta: Any) -> None:
        call = self._call_of(delta.index, delta.id)
        call.id = call.id or delta.id or ""
        if delta.function is not None:
            call.name = call.name or delta.function.name or ""
            call.arguments += delta.function.arguments or ""

    def _call_of(self, index: int | None, call_id: str | None) -> _PartialCall:
        """Return the call that a fragment belongs to.

        The index tells; but some servers send parallel calls under one index, or without any, and only the id tells.
        """
        for call in reversed(self._calls):
            if call.index == index and (not call_id or not call.id or call.id == call_id):
                return call
            if call.index == index:
                break
        self._calls.append(_PartialCall(index))
        return self._calls[-1]


def _fragments(reasoning: str, text: str) -> list[AnyContent]:
    contents: list[AnyContent] = []
    if reasoning:
        contents.append(TextReasoningContent(reasoning))
    if text:
        contents.append(TextContent(text))
    return contents


def _reasoning(message: Any) -> str:
    """Return the reasoning, which OpenAI does not show: DeepSeek calls it `reasoning_content`, others `reasoning`."""
    extra: dict[str, object] = message.model_extra or {}
    found: Iterable[object] = (extra.get("reasoning_content"), extra.get("reasoning"))
    return next((text for text in found if isinstance(text, str) and text), "")


def _call(call_id: str, name: str, arguments: str) -> FunctionCallContent:
    # A call that has no id gets one here, once: the results are found by it.
    return FunctionCallContent(
        mend_text(call_id) or f"call_{uuid4().hex}", mend_text(name), mend_text(arguments) or "{}"
    )


def _usage(usage: CompletionUsage | None) -> Usage | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    input_tokens, output_tokens = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=usage.total_tokens or input_tokens + output_tokens,
        cached_input_tokens=(prompt.cached_tokens or 0) if prompt else 0,
        reasoning_tokens=(completion.reasoning_tokens or 0) if completion else 0,
    )


def check_answered(
    contents: Sequence[AnyContent], finish_reason: str | None, *, limit: str = "max_completion_tokens"
) -> None:
    """Refuse an answer that was stopped before its first word: nobody could tell it from a model that said nothing.

    `limit` is the option that says how many tokens an answer may have.
    """
    if any(not isinstance(part, TextReasoningContent) for part in contents):
        return
    if finish_reason == "length":
        raise ChatClientError(f"the model spent all its tokens before the first word of its answer: raise {limit}")
    if finish_reason == "content_filter":
        raise ChatClientError("the service's content filter withheld the answer: ask in another way")
