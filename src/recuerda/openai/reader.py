"""The reader of chat completions: it joins the pieces of a stream, and reads a whole answer as a single piece.

Text is passed on as it arrives. Calls are harder, because services cut them into fragments in different ways. A
fragment may have the call's id, its index, its name, or none of these. The fragments of parallel calls may alternate.
Some services give all calls the same index, and others repeat the id in every fragment. `_call_of` has the rules.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import uuid4

from recuerda.json_value import JsonObject
from recuerda.messages.message import Usage
from recuerda.openai.completion import CallPiece, Completion, FunctionPiece, MessagePiece
from recuerda.openai.text import TextMender, mend_text

_FAILED = ("error", "abort", "network_error", "insufficient_system_resource")
"""The finish reasons with which services report a failure: OpenRouter, vLLM, Z.ai, DeepSeek."""

_CALLS = ("tool_calls", "function_call")
_OTHER_REASONS = {"model_length": "length", "max_tokens": "length", "sensitive": "content_filter"}
"""The finish reasons of Mistral, of gateways, and of Z.ai, with the names that OpenAI has for them."""

TextKind: TypeAlias = Literal["reasoning", "text", "refusal"]


@dataclass(frozen=True, slots=True)
class TextFragment:
    """A piece of text. It is never empty, and all its characters are whole.

    Attributes:
        kind: the kind of the text.
        text: the text.
        logprobs: the log probabilities of its tokens, if the service sends them.
    """

    kind: TextKind
    text: str
    logprobs: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class CallFragment:
    """A piece of a call: the call with all its fragments so far, and the new part of its arguments (may be empty)."""

    call: JoinedCall
    arguments: str


@dataclass(frozen=True, slots=True)
class CitationFragment:
    """Citations of web pages in the text before; see `MessagePiece.citations`."""

    citations: Sequence[JsonObject]


Fragment: TypeAlias = TextFragment | CallFragment | CitationFragment


class JoinedCall:
    """A call of a function, joined from its fragments.

    Attributes:
        id: the service's id, or a new id if the first fragment has none, or the id of another call. The call's result
            is found by it.
        name: the function's name; empty until a fragment has it.
        arguments: the arguments so far, with all characters whole.
    """

    def __init__(self, piece: CallPiece, *, taken: Collection[str] = ()) -> None:
        given = mend_text(piece.id or "")
        self.id: str = given if given and given not in taken else f"call_{uuid4().hex}"
        self.name: str = ""
        self.arguments: str = ""
        self.index: int | None = piece.index
        self.given_id: str | None = piece.id
        self._mender = TextMender()

    @property
    def is_complete(self) -> bool:
        """True when the arguments are a whole JSON object, so nothing can follow."""
        try:
            return isinstance(json.loads(self.arguments), dict)
        except (ValueError, RecursionError):
            return False

    def take(self, function: FunctionPiece) -> str:
        """Add a fragment, and return the new part of the arguments."""
        self.name = self.name or mend_text(function.name or "")
        new = self._mender.take(function.arguments_text)
        self.arguments += new
        return new

    def end(self) -> str:
        """Return all arguments once no fragment can follow; `{}` if there are none."""
        self.arguments += self._mender.end()
        return self.arguments or "{}"


class AnswerReader:
    """Join the pieces of one answer.

    Attributes:
        calls: all calls, in the order in which they began.
        message_id, model, service_tier, usage, finish_reason: the values that the service reported; None until it
        reports them.
    """

    def __init__(self) -> None:
        self.calls: list[JoinedCall] = []
        self.message_id: str | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self._citations: list[JsonObject] = []
        self._kind: TextKind | None = None
        self._logprobs: list[Any] = []
        self._mender = TextMender()

    @property
    def is_whole(self) -> bool:
        """True when the model has finished its answer. Only the token usage can still follow."""
        return self.finish_reason is not None and not self.has_failed

    @property
    def has_failed(self) -> bool:
        """True when the model has not finished, although the answer ends.

        The service says so, or it reports calls that never came, or a call has no name.
        """
        reason = self.finish_reason
        if reason is None:
            return False
        return reason in _FAILED or (reason in _CALLS and not self.calls) or any(not call.name for call in self.calls)

    def take(self, completion: Completion) -> list[Fragment]:
        """Return the pieces that a completion or a chunk adds to the answer."""
        self.message_id = self.message_id or completion.id or None
        self.model = completion.model or self.model
        self.service_tier = completion.service_tier or self.service_tier
        self._note_usage(completion.token_usage)
        choice = completion.choice
        if choice is None:  # the chunk with the usage, or Azure's first chunk with the filters' verdict
            return []
        if choice.finish_reason:
            reason = choice.finish_reason.lower()
            self.finish_reason = _OTHER_REASONS.get(reason, reason)
        piece = choice.delta or choice.message
        if piece is None:  # a chunk of Azure's filters, if they run beside the stream
            return []
        if choice.logprobs is not None:
            self._logprobs += choice.text_logprobs
        cited = self._cited(citations) if (citations := piece.citations) else ()
        return [*self._texts(piece), *cited, *self._calls(piece, is_whole=choice.delta is None)]

    def end(self) -> list[TextFragment]:
        """Return the text that was held back: a replacement for half a character whose other half never arrived."""
        return list(self._switch(None))

    def _cited(self, citations: Sequence[JsonObject]) -> Iterator[CitationFragment]:
        """Yield the citations that are new. Some services send all of them again with each chunk."""
        if new := [one for one in citations if one not in self._citations]:
            self._citations += new
            yield CitationFragment(new)

    def _texts(self, piece: MessagePiece) -> Iterator[TextFragment]:
        sent: dict[TextKind, str] = {
            "reasoning": piece.thought,
            "text": piece.text,
            "refusal": piece.refusal or "",
        }
        for kind, text in sent.items():
            if not text:
                continue
            yield from self._switch(kind)
            if whole := self._mender.take(text):
                yield TextFragment(kind, whole, self._taken_logprobs() if self._logprobs and kind == "text" else ())

    def _taken_logprobs(self) -> Sequence[Any]:
        taken, self._logprobs = self._logprobs, []
        return taken

    def _note_usage(self, usage: Usage | None) -> None:
        """Keep the newest report. Some services send a last report that is empty."""
        if usage is not None and (usage.total_tokens or self.usage is None):
            self.usage = usage

    def _switch(self, kind: TextKind | None) -> Iterator[TextFragment]:
        """End the text of the previous kind, so that no remainder of it follows after the next part has begun."""
        last, self._kind = self._kind, kind
        if last not in (None, kind) and (text := self._mender.end()):
            yield TextFragment(last, text)

    def _calls(self, piece: MessagePiece, *, is_whole: bool) -> Iterator[Fragment]:
        for each in piece.calls:
            if each.type == "custom" or (each.function is None and not each.id):
                continue  # a custom call, which no request asks for, or a fragment without content
            function = each.function or FunctionPiece()
            call = None if is_whole else self._call_of(each, function)
            if call is None:
                call = JoinedCall(each, taken=[other.id for other in self.calls])
                self.calls.append(call)
                yield from self._switch(None)
            yield CallFragment(call, call.take(function))

    def _call_of(self, piece: CallPiece, function: FunctionPiece) -> JoinedCall | None:
        """Return the call that a fragment continues; None when the fragment begins another call.

        The id decides if there is one; otherwise the index decides. A fragment with neither continues the newest call,
        unless it has a name.
        """
        newest_first = list(reversed(self.calls))
        if piece.index is not None:
            newest_first = [call for call in newest_first if call.index in (piece.index, None)]
        if piece.id:
            named = (call for call in newest_first if call.given_id == piece.id)
            return next(named, None) or next((call for call in newest_first[:1] if _is_under(call, piece)), None)
        call = next(iter(newest_first), None)
        return None if call is None or _begins_another(piece, function, call) else call


def _is_under(call: JoinedCall, piece: CallPiece) -> bool:
    """Return whether a fragment belongs to the newest call of its index although it has another id than the call.

    Some services send the id late, and some invent another id for each fragment.
    """
    if piece.index is None or call.index is None:
        return False
    has_name = piece.function is not None and bool(piece.function.name)
    return not call.given_id or (not has_name and not call.is_complete)


def _begins_another(piece: CallPiece, function: FunctionPiece, call: JoinedCall) -> bool:
    """Return whether a fragment without an id begins another call instead of continuing one."""
    if not function.name or not call.name:
        return False
    if piece.index is None:
        return True
    # Some servers give all calls the same index and no id; others repeat the name in the last, empty fragment.
    is_repeated = function.name == call.name and not function.arguments_text.strip()
    return call.is_complete and not is_repeated
