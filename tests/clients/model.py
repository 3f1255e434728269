"""The model behind the service while the clients try it. It answers each question of `python/asked.py`.

It reads only the request that reaches it. So it knows a name, a picture, a schema or the result of a function only if
the client and the service have passed it on.
"""

from __future__ import annotations

import json
from typing import Any

from recuerda.testing.openai_server import RecordedRequest, Reply, ToolCall

CAPTAIN = {"name": "Picard", "age": 59}
CITIES = ("Paris", "Rome")
WEATHER = ("sunny", "rainy")


def answer(request: RecordedRequest) -> Reply:
    """Return the answer to the last message."""
    messages: list[dict[str, Any]] = [dict(message) for message in _list(request.body["messages"])]
    if messages[-1]["role"] == "tool":
        results = [_text(message) for message in messages if message["role"] == "tool"]
        found = [word for result in results for word in WEATHER if word in result]
        return Reply(" ".join(f"{city}: {word}." for city, word in zip(CITIES, found, strict=True)))
    last = _text(messages[-1])
    if "weather" in last:
        return Reply(tool_calls=_calls(_functions(request)))
    if "captain" in last:
        return _captain(request)
    if "my name?" in last:
        told = [_text(message) for message in messages[:-1] if "My name is" in _text(message)]
        return Reply(f"You are {told[-1].split('My name is ')[1].split('.')[0]}." if told else "I do not know.")
    if "see" in last:
        return Reply(_seen(messages[-1]))
    return Reply("Hello, dear Ann." if "hello" in last else "I see.")


def _calls(functions: list[str]) -> list[ToolCall]:
    """Return two calls at once: of the client's function, or of the shell of a client that has only this."""
    name = next((name for name in functions if "weather" in name), None)
    if name is None:
        return [ToolCall("exec_command", {"cmd": f"echo {word}"}, id=f"call_{word}") for word in WEATHER]
    return [ToolCall(name, {"city": city}, id=f"call_{city}") for city in CITIES]


def _captain(request: RecordedRequest) -> Reply:
    """Return the captain in the schema of the request, or as the arguments of a function that the client reads."""
    form: Any = request.body.get("response_format")
    if form is not None and {"name", "age"} <= set(form["json_schema"]["schema"]["properties"]):
        return Reply(json.dumps(CAPTAIN))
    functions = _functions(request)
    return Reply(tool_calls=[ToolCall(functions[0], CAPTAIN)]) if functions else Reply("Picard, 59.")


def _seen(message: dict[str, Any]) -> str:
    content: Any = message["content"]
    urls: list[str] = [part["image_url"]["url"] for part in content if isinstance(part, dict) and "image_url" in part]
    return f"I see {sum(url.startswith('data:image/png;base64,iVBOR') for url in urls)} picture."


def _functions(request: RecordedRequest) -> list[str]:
    tools: Any = request.body.get("tools") or []
    return [tool["function"]["name"] for tool in tools]


def _text(message: dict[str, Any]) -> str:
    content: Any = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text") or "" for part in content)


def _list(value: Any) -> list[dict[str, Any]]:
    return value
