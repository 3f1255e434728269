"""The offline client behind OpenAI's chat-completions format, as an ASGI application without dependencies.

Use it to try servers and clients without a key: `recuerda serve --upstream offline` uses it as the model's server. It
answers `POST /v1/chat/completions`, whole or streamed, and `GET /v1/models`. It reads only the roles and the texts of a
request's messages.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec

from recuerda.agent.chat import ChatRequest
from recuerda.messages.message import ChatMessage
from recuerda.offline.client import OfflineChatClient

MODEL_ID = "offline"

_HttpScope: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WORDS = re.compile(r"\S+\s*|\s+")
_MAX_BODY = 16 * 1024 * 1024


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    role: Annotated[str, msgspec.Meta(min_length=1)]
    content: str | list[_Part] | None = None


class _Body(msgspec.Struct):
    messages: list[_Message]
    stream: bool = False


_decoder = msgspec.json.Decoder(_Body)


async def offline_endpoint(scope: _HttpScope, receive: _Receive, send: _Send) -> None:
    """Answer one HTTP request."""
    asked = (scope.get("method"), scope.get("path"))
    if asked == ("GET", "/v1/models"):
        listing = {
            "object": "list",
            "data": [{"id": MODEL_ID, "object": "model", "created": 0, "owned_by": "recuerda"}],
        }
        await _send(send, 200, [msgspec.json.encode(listing)])
        return
    if asked != ("POST", "/v1/chat/completions"):
        await _refuse(send, 404, f"there is no route {scope.get('method')} {scope.get('path')}")
        return
    try:
        body = _decoder.decode(await _read(receive))
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        await _refuse(send, 400, str(error))
        return
    response = await OfflineChatClient().respond(ChatRequest(messages=[_message(given) for given in body.messages]))
    text = response.message.text
    if body.stream:
        await _send(send, 200, list(_events(text)), content_type=b"text/event-stream")
        return
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    await _send(send, 200, [msgspec.json.encode(_completion("chat.completion", choice))])


def _message(given: _Message) -> ChatMessage:
    content = given.content
    text = content if isinstance(content, str) else "".join(part.text or "" for part in content or ())
    return ChatMessage(given.role, text)


def _completion(kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-offline", "object": kind, "created": 0, "model": MODEL_ID, "choices": [choice]}


def _events(text: str) -> Iterator[bytes]:
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in _WORDS.findall(text)]
    deltas.append(({}, "stop"))
    for delta, reason in deltas:
        chunk = _completion("chat.completion.chunk", {"index": 0, "delta": delta, "finish_reason": reason})
        yield b"data: " + msgspec.json.encode(chunk) + b"\n\n"
    yield b"data: [DONE]\n\n"


async def _read(receive: _Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MAX_BODY:
            raise ValueError(f"the request has more than {_MAX_BODY:,} bytes")
        if not message.get("more_body"):
            return body


async def _refuse(send: _Send, status: int, text: str) -> None:
    error = {"message": text, "type": "invalid_request_error", "param": None, "code": None}
    await _send(send, status, [msgspec.json.encode({"error": error})])


async def _send(
    send: _Send, status: int, pieces: Sequence[bytes], *, content_type: bytes = b"application/json"
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
