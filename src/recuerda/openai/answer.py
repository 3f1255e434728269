"""Answers of chat completions as messages: whole answers, and streamed answers joined from their chunks.

The SDK does not check the answers of a service, and compatible servers leave out or misplace some fields. `completion`
and `reader` handle the known faults. Any other fault raises an error, and the client reports a failed call.
"""

from __future__ import annotations

from collections.abc import Sequence

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from recuerda.agent.chat import ChatResponse, ChatUpdate, join_updates
from recuerda.errors import ChatClientError
from recuerda.messages.message import (
    AnyContent,
    FunctionCallContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
)
from recuerda.openai.completion import Completion, read_completion
from recuerda.openai.reader import AnswerReader, Fragment, TextFragment


def whole_answer(completion: object) -> ChatResponse:
    """Return the answer that a completion holds.

    Raises:
        ChatClientError: the object is not a chat completion with a message.
    """
    if not isinstance(completion, ChatCompletion) or not completion.choices:
        raise ChatClientError("the service's answer is not a chat completion: check base_url")
    read = read_completion(completion)
    if not read.choices or read.choices[0].message is None:
        raise ChatClientError("the service's answer could not be read: it has no message. Check base_url.")
    answer = StreamedAnswer()
    first = answer.read(read)
    last = answer.rest()
    return join_updates([last] if first is None else [first, last])


class StreamedAnswer:
    """Turns the chunks of a stream into updates.

    Text and reasoning are passed on as they arrive. Calls and a refusal are joined, and `end` returns them whole.
    """

    def __init__(self) -> None:
        self._reader = AnswerReader()
        self._refusal = ""
        self._has_text = False

    @property
    def is_whole(self) -> bool:
        """True when the model has finished its answer. Only the token usage can still follow."""
        return self._reader.is_whole

    def take(self, chunk: ChatCompletionChunk) -> ChatUpdate | None:
        """Return the update for a chunk, or None when there is nothing to pass on yet."""
        return self.read(read_completion(chunk))

    def read(self, completion: Completion) -> ChatUpdate | None:
        """Return the update for a completion or a chunk, or None when there is nothing to pass on yet."""
        contents = self._contents(self._reader.take(completion))
        return ChatUpdate(contents=contents, message_id=self._reader.message_id) if contents else None

    def end(self) -> ChatUpdate:
        """Return the last update: the calls, the refusal, the token usage and the finish reason.

        Raises:
            ChatClientError: the stream ended before the answer did.
        """
        if not self.is_whole and not self._reader.has_failed:
            raise ChatClientError("the answer was cut off: the service ended its stream too early. Run again.")
        return self.rest()

    def rest(self) -> ChatUpdate:
        """Return the last update, even if the service did not say that the answer is complete.

        Raises:
            ChatClientError: the service reported that the model did not finish, or that it stopped before its first
                word.
        """
        if self._reader.has_failed:
            raise ChatClientError("the answer was cut off: the service reported that the model failed. Run again.")
        contents = self._contents(self._reader.end())
        if self._refusal:
            contents.append(RefusalContent(self._refusal))
        contents.extend(FunctionCallContent(call.id, call.name, call.end()) for call in self._reader.calls)
        reason = self._reader.finish_reason
        check_answered([*contents, TextContent("")] if self._has_text else contents, reason)
        return ChatUpdate(
            contents=contents, message_id=self._reader.message_id, usage=self._reader.usage, finish_reason=reason
        )

    def _contents(self, fragments: Sequence[Fragment]) -> list[AnyContent]:
        contents: list[AnyContent] = []
        for fragment in fragments:
            match fragment:
                case TextFragment("reasoning", text):
                    contents.append(TextReasoningContent(text))
                case TextFragment("text", text):
                    contents.append(TextContent(text))
                    self._has_text = True
                case TextFragment("refusal", text):
                    self._refusal += text
                case _:  # The fragment belongs to a call, which the reader keeps.
                    pass
        return contents


def check_answered(
    contents: Sequence[AnyContent], finish_reason: str | None, *, limit: str = "max_completion_tokens"
) -> None:
    """Check that an answer was not stopped before its first word.

    Otherwise it would look as if the model had said nothing.

    `limit` is the name of the option that limits the tokens of an answer.

    Raises:
        ChatClientError: the token limit or the content filter stopped the answer.
    """
    if any(not isinstance(part, TextReasoningContent) for part in contents):
        return
    if finish_reason == "length":
        raise ChatClientError(f"the model spent all its tokens before the first word of its answer: raise {limit}")
    if finish_reason == "content_filter":
        raise ChatClientError("the service's content filter withheld the answer: ask in another way")
