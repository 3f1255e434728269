"""The reader of chat completions: it joins the pieces of a stream, and reads a whole answer as a single piece.

Text is passed on as it arrives. Calls are harder, because services cut them into fragments in different ways. A
fragment may have the call's id, its index, its name, or none of these. The fragments of parallel calls may alternate.
Some services give all calls the same index, and others repeat the id in every fragment. `_call_of` has the rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import uuid4

from recuerda.messages.message import Usage
from recuerda.openai.completion import CallPiece, Completion, FunctionPiece, MessagePiece
from recuerda.openai.text import TextMender, mend_text

TextKind: TypeAlias = Literal["reasoning", "text", "refusal"]


@dataclass(frozen=True, slots=True)
class TextFragment:
    """A piece of text. It is never empty, and all its characters are whole."""

    kind: TextKind
    text: str


@dataclass(frozen=True, slots=True)
class CallFragment:
    """A piece of a call: the call with all its fragments so far, and the new part of its arguments (may be empty)."""

    call: JoinedCall
    arguments: str


Fragment: TypeAlias = TextFragment | CallFragment


class JoinedCall:
    """A call of a function, joined from its fragments.

    Attributes:
        id: the service's id, or a new id if the first fragment has none. The call's result is found by it.
        name: the function's name.
        arguments: the arguments so far, with all characters whole.
    """

    def __init__(self, piece: CallPiece) -> None:
        self.id: str = mend_text(piece.id or "") or f"call_{uuid4().hex}"
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
        new = self._mender.take(function.arguments or "")
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
        self._kind: TextKind | None = None
        self._mender = TextMender()

    @property
    def is_whole(self) -> bool:
        """True when the model has finished its answer. Only the token usage can still follow."""
        return self.finish_reason is not None

    def take(self, completion: Completion) -> list[Fragment]:
        """Return the pieces that a completion or a chunk adds to the answer."""
        self.message_id = self.message_id or completion.id or None
        self.model = completion.model or self.model
        self.service_tier = completion.service_tier or self.service_tier
        self.usage = completion.token_usage or self.usage
        if not completion.choices:  # the chunk with the usage, or Azure's first chunk with the filters' verdict
            return []
        choice = completion.choices[0]
        self.finish_reason = choice.finish_reason or self.finish_reason
        piece = choice.delta or choice.message
        if piece is None:  # a chunk of Azure's filters, if they run beside the stream
            return []
        return [*self._texts(piece), *self._calls(piece, is_whole=choice.delta is None)]

    def end(self) -> list[TextFragment]:
        """Return the text that was held back: a replacement for half a character whose other half never arrived."""
        return list(self._switch(None))

    def _texts(self, piece: MessagePiece) -> Iterator[TextFragment]:
        sent: dict[TextKind, str] = {
            "reasoning": piece.thought,
            "text": piece.content or "",
            "refusal": piece.refusal or "",
        }
        for kind, text in sent.items():
            if not text:
                continue
            yield from self._switch(kind)
            if whole := self._mender.take(text):
                yield TextFragment(kind, whole)

    def _switch(self, kind: TextKind | None) -> Iterator[TextFragment]:
        """End the text of the previous kind, so that no remainder of it follows after the next part has begun."""
        last, self._kind = self._kind, kind
        if last not in (None, kind) and (text := self._mender.end()):
            yield TextFragment(last, text)

    def _calls(self, piece: MessagePiece, *, is_whole: bool) -> Iterator[Fragment]:
        for each in piece.tool_calls or ():
            if each.type == "custom" or (each.function is None and not each.id):
                continue  # a custom call, which no request asks for, or a fragment without content
            function = each.function or FunctionPiece()
            call = None if is_whole else self._call_of(each, function)
            if call is None:
                call = JoinedCall(each)
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
    if not function.name:
        return False
    if piece.index is None:
        return True
    # Some servers give all calls the same index and no id; others repeat the name in the last, empty fragment.
    is_repeated = function.name == call.name and not (function.arguments or "").strip()
    return call.is_complete and not is_repeated
