"""Answers of the Responses API as messages: whole answers, and streamed answers joined from their events.

A response is a list of items. One message holds all of them in order: reasoning, texts, refusals, calls, and items of
unknown types. The fields that must be sent back with an item (its id, a summary, a phase) are kept in the part's
`additional_properties`. The first text keeps no id there, because its id is the id of the message. A whole answer is
read as a stream of a single piece, so both ways give the same message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

from recuerda.agent.chat import ChatResponse, ChatUpdate, join_updates
from recuerda.errors import ChatClientError
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    Usage,
)
from recuerda.openai.answer import check_answered
from recuerda.openai.text import TextMender, mend_json, mend_text

Item = dict[str, Any]
"""An item in the service's JSON."""

_IDENTIFIER = re.compile(r"[\w.-]{1,80}", re.ASCII)
_REASONS = {"max_output_tokens": "length"}
_REASONING_DELTAS = {
    "response.reasoning_summary_text.delta": "summary_index",
    "response.reasoning_text.delta": "content_index",
}
_NOT_KEPT = {
    "reasoning": {"type", "encrypted_content", "status"},
    "function_call": {"type", "call_id", "name", "arguments", "status"},
}


def whole_response(body: Item, *, service_thread_id: str | None = None) -> ChatResponse:
    """Return the answer that a response holds.

    Raises:
        ChatClientError: the object is not a response with an answer, or the response failed.
    """
    answer = StreamedResponse()
    last = answer.finish(body)
    return join_updates([last, answer.end(service_thread_id=service_thread_id)])


def message_of(items: Sequence[Item]) -> ChatMessage:
    """Return the message for a list of output items."""
    return join_updates([StreamedResponse().finish({"output": list(items)})]).message


class StreamedResponse:
    """Turns the events of a stream into updates.

    Text and reasoning are passed on as they arrive. Calls, refusals and other items follow when they are complete.
    """

    def __init__(self) -> None:
        self.response_id: str | None = None
        self._message_id: str | None = None
        self._has_message = False
        self._done: set[str] = set()
        self._begun: set[str] = set()
        self._texts: dict[str, TextMender] = {}
        self._reasoning_part: tuple[str, str, int] | None = None
        self._open_text: str | None = None
        self._contents: list[AnyContent] = []
        self._final: Item | None = None

    @property
    def is_whole(self) -> bool:
        """True when the answer is complete."""
        return self._final is not None

    def take(self, event: Item) -> ChatUpdate | None:
        """Return the update for an event; None for an event with nothing to pass on.

        Raises:
            ChatClientError: the service reports a failure.
        """
        match event.get("type"):
            case "response.created":
                self.response_id = _response(event).get("id")
                return ChatUpdate(response_id=self.response_id)
            case "response.output_item.added":
                return self._update(self._begin(_item(event)))
            case "response.output_item.done":
                return self._update(self._end_item(_item(event)))
            case "response.output_text.delta":
                return self._update(self._text(event))
            case str(kind) if kind in _REASONING_DELTAS:
                return self._update(self._reasoning(event, kind))
            case "response.completed" | "response.incomplete" | "response.failed":
                return self.finish(_response(event))
            case "error":
                raise ChatClientError(f"the service reported an error in its answer{_code(event)}. Run again.")
            case _:
                return None

    def finish(self, body: Item) -> ChatUpdate:
        """Take the complete response, and return the update with the parts that had not arrived before.

        Raises:
            ChatClientError: the object is not a response with an answer, or the response failed.
        """
        _check_status(body)
        self.response_id = body.get("id") or self.response_id
        new: list[AnyContent] = []
        for place, item in enumerate(cast("list[Item]", body["output"])):
            new.extend(self._end_item(item if item.get("id") else {**item, "id": f"item_{place}"}))
        self._final = body
        return self._update(new) or ChatUpdate(message_id=self._message_id, response_id=self.response_id)

    def end(self, *, service_thread_id: str | None) -> ChatUpdate:
        """Return the last update: the token usage and the finish reason.

        Raises:
            ChatClientError: the stream ended before the answer did, or the answer was stopped before its first word.
        """
        if self._final is None:
            raise ChatClientError("the answer was cut off: the service ended its stream too early. Run again.")
        finish_reason = _finish_reason(self._final, self._contents)
        check_answered(self._contents, finish_reason, limit="max_output_tokens")
        return ChatUpdate(
            message_id=self._message_id,
            usage=_usage(self._final.get("usage")),
            finish_reason=finish_reason,
            service_thread_id=service_thread_id,
            response_id=self.response_id,
        )

    def _update(self, contents: Sequence[AnyContent]) -> ChatUpdate | None:
        if not contents:
            return None
        self._contents.extend(contents)
        return ChatUpdate(contents=contents, message_id=self._message_id, response_id=self.response_id)

    def _begin(self, item: Item) -> list[AnyContent]:
        """Note that an item begins. A text right before it is closed, so that two texts do not become one."""
        item_id = str(item.get("id"))
        if item_id in self._begun:
            return []
        self._begun.add(item_id)
        open_text, self._open_text = self._open_text, None
        if item.get("type") != "message":
            self._message_id = self._message_id or item.get("id")
            return []
        if not self._has_message:
            self._has_message, self._message_id = True, item.get("id")
        return [TextContent("", additional_properties={"id": open_text})] if open_text else []

    def _text(self, event: Item) -> list[AnyContent]:
        text = self._texts.setdefault(str(event.get("item_id")), TextMender()).take(event.get("delta") or "")
        return [TextContent(text)] if text else []

    def _reasoning(self, event: Item, kind: str) -> list[AnyContent]:
        part = (str(event.get("item_id")), kind, int(event.get(_REASONING_DELTAS[kind]) or 0))
        last, self._reasoning_part = self._reasoning_part or part, part
        if part[:2] != last[:2] and part[0] == last[0]:
            self._reasoning_part = last
            return []  # The service sends the reasoning and its summary; one of them is enough.
        gap = "\n\n" if part[0] == last[0] and part[2] != last[2] else ""
        text = gap + self._texts.setdefault(part[0], TextMender()).take(event.get("delta") or "")
        return [TextReasoningContent(text)] if text else []

    def _end_item(self, item: Item) -> list[AnyContent]:
        """Return the parts of a complete item that have not been passed on yet."""
        item_id = str(item.get("id"))
        if item_id in self._done:
            return []
        contents = self._begin(item)
        self._done.add(item_id)
        mender = self._texts.pop(item_id, None)
        rest = None if mender is None else mender.end()
        match item.get("type"):
            case "message":
                return contents + self._end_message(item, rest)
            case "reasoning":
                return [*contents, _reasoning_part(item, rest)]
            case "function_call":
                return [*contents, _call(item)]
            case _:
                return [*contents, UnknownContent(mend_json(item))]

    def _end_message(self, item: Item, rest: str | None) -> list[AnyContent]:
        parts = cast("list[Item]", item.get("content") or [])
        texts = [part for part in parts if part.get("type") in ("output_text", "text")]
        refusal = "".join(str(part.get("refusal") or "") for part in parts if part.get("type") == "refusal")
        text = mend_text("".join(str(part.get("text") or "") for part in texts)) if rest is None else rest
        properties = _message_properties(item, texts, is_first=item.get("id") == self._message_id)
        has_text = bool(text) or rest is not None
        contents: list[AnyContent] = []
        if text or (has_text and properties):
            contents.append(TextContent(text, additional_properties=properties))
        if refusal:
            contents.append(RefusalContent(mend_text(refusal), additional_properties=None if has_text else properties))
        self._open_text = item.get("id") if has_text and not properties and not refusal else None
        return contents


def _message_properties(item: Item, texts: Sequence[Item], *, is_first: bool) -> Item | None:
    annotations = [annotation for text in texts for annotation in text.get("annotations") or ()]
    kept = {"phase": item.get("phase"), "annotations": annotations}
    found = {name: mend_json(value) for name, value in kept.items() if value}
    return {"id": item.get("id"), **found} if found or not is_first else None


def _reasoning_part(item: Item, rest: str | None) -> TextReasoningContent:
    parts = cast("list[Item]", item.get("summary") or item.get("content") or [])
    text = mend_text("\n\n".join(str(part.get("text") or "") for part in parts)) if rest is None else rest
    return TextReasoningContent(text, item.get("encrypted_content"), additional_properties=_kept(item))


def _call(item: Item) -> FunctionCallContent:
    call_id = mend_text(item.get("call_id") or "") or f"call_{uuid4().hex}"
    name, arguments = mend_text(item.get("name") or ""), mend_text(item.get("arguments") or "") or "{}"
    return FunctionCallContent(call_id, name, arguments, additional_properties=_kept(item))


def _kept(item: Item) -> Item:
    """Return the fields of an item that must be sent back and that are not fields of the part."""
    left_out = _NOT_KEPT[item["type"]]
    return {name: mend_json(value) for name, value in item.items() if name not in left_out and value is not None}


def _check_status(body: Mapping[str, Any]) -> None:
    status = body.get("status") or "completed"
    if status == "failed":
        raise ChatClientError(f"the model failed in the middle of its answer{_code(body.get('error'))}. Run again.")
    if status not in ("completed", "incomplete"):
        raise ChatClientError(f"the service did not finish the answer (status {_word(status)}). Run again.")
    if not isinstance(body.get("output"), list):
        raise ChatClientError("the service's answer is not a response: check base_url")


def _finish_reason(body: Item, contents: Sequence[AnyContent]) -> str:
    if body.get("status") == "incomplete":
        reason = cast("Item", body.get("incomplete_details") or {}).get("reason")
        return _REASONS.get(str(reason), str(reason or "incomplete"))
    return "tool_calls" if any(isinstance(part, FunctionCallContent) for part in contents) else "stop"


def _usage(usage: Item | None) -> Usage | None:
    if not usage:
        return None
    input_tokens, output_tokens = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=usage.get("total_tokens") or input_tokens + output_tokens,
        cached_input_tokens=cast("Item", usage.get("input_tokens_details") or {}).get("cached_tokens") or 0,
        reasoning_tokens=cast("Item", usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0,
    )


def _response(event: Item) -> Item:
    return cast("Item", event.get("response") or {})


def _item(event: Item) -> Item:
    return cast("Item", event.get("item") or {})


def _code(error: object) -> str:
    code = cast("Item", error).get("code") if isinstance(error, dict) else None
    return f" (code {_word(code)})" if code else ""


def _word(value: object) -> str:
    """Return a value from the service if it is a plain identifier; otherwise "unknown"."""
    return str(value) if _IDENTIFIER.fullmatch(str(value)) else "unknown"


def ids_of(response: ChatResponse) -> Iterator[str]:
    """Yield the ids of an answer's items that the answer has kept."""
    if response.message.message_id:
        yield response.message.message_id
    for part in response.message.contents:
        item_id = (
            part.data.get("id") if isinstance(part, UnknownContent) else (part.additional_properties or {}).get("id")
        )
        if isinstance(item_id, str):
            yield item_id
