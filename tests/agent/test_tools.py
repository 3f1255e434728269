"""Tools: what a call does, and what becomes of one that fails."""

import asyncio
import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from recuerda import (
    AgentThread,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    FunctionTool,
    Storage,
    TextContent,
)
from recuerda.agent.results import NOTE
from recuerda.json_value import JsonObject
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.conversation import texts


async def result_of(function: Any, arguments: str | dict[str, object] | None = None) -> FunctionResultContent:
    """Return what the model is told when it calls a function."""
    tool = FunctionTool.of(function, name="f")
    client = ScriptedChatClient([call("f", arguments), "done"])
    await client.create_agent(tools=tool).run("go")
    (part,) = client.requests[1].messages[-1].contents
    assert isinstance(part, FunctionResultContent)
    return part


async def test_a_function_is_called_with_checked_arguments() -> None:
    @dataclass
    class Place:
        city: str
        days: list[int]

    seen: list[object] = []

    def f(place: Place, when: datetime, note: str = "none") -> str:
        seen.extend([place, when, note])
        return "ok"

    await result_of(f, {"place": {"city": "Quito", "days": [1, 2]}, "when": "2025-01-02T03:04:05Z"})
    assert seen == [Place("Quito", [1, 2]), datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), "none"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ('{"x": "1"}', "Expected `int`, got `str` - at `$.x`"),
        ("{}", "missing required field `x`"),
        ("", "missing required field `x`"),
        ('{"x": 1, "y": 2}', "unknown field `y`"),
        ('{"x": 1', "the arguments do not match the parameters"),
        ("[1]", "Expected `object`, got `array`"),
        ('{"x": "\ud800"}', "the arguments do not match the parameters"),
        ("[" * 100_000, "the arguments do not match the parameters"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_to_the_model(arguments: str, problem: str) -> None:
    def f(x: int) -> int:
        raise AssertionError("never called")

    result = await FunctionTool.of(f).call(FunctionCallContent("c", "f", arguments), thread=AgentThread())
    assert result.is_error
    assert problem in result.result


async def test_empty_arguments_are_none() -> None:
    assert (await result_of(lambda: "ok", "")).result == "ok"


async def test_a_failing_tool_is_an_error_for_the_model_and_does_not_end_the_run() -> None:
    def f() -> None:
        raise ValueError("no such city: \ud800")

    result = await result_of(FunctionTool.of(f, expose_errors=True))
    assert (result.is_error, result.result) == (True, "Error: ValueError: no such city: ?")


async def test_a_tool_that_raises_stop_iteration_does_not_hang() -> None:
    assert (await result_of(lambda: next(iter([])))).is_error

    async def f() -> object:
        return next(iter([]))

    assert (await result_of(f)).is_error


async def test_an_unknown_function_is_an_error_that_names_the_known_ones() -> None:
    client = ScriptedChatClient([call("nope"), "done"])
    await client.create_agent(tools=FunctionTool.of(lambda: 1, name="f")).run("go")
    (part,) = client.requests[1].messages[-1].contents
    assert part == FunctionResultContent(
        "call_1", "Error: there is no function 'nope'; the available functions are: f", is_error=True
    )


class Opaque:
    pass


def itself() -> list[object]:
    value: list[object] = [1]
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"rows": [1.0, float("nan")]}, {"rows": [1.0, "nan"]}),
        ([Opaque(), 1], ["<Opaque>", 1]),
        ({"a": {1: {b"x": Opaque}}}, {"a": {"1": {"<bytes>": "<type>"}}}),
        ({"name": "caf\udce9.txt", "ok": 1}, {"name": "caf\ufffd.txt", "ok": 1}),
        ([10**5000], ["<int of more than 4,300 digits>"]),
    ],
    ids=range(5),
)
async def test_a_result_without_a_json_form_is_kept_as_text_and_the_run_goes_on(
    storage: Storage, value: object, kept: object, caplog: pytest.LogCaptureFixture
) -> None:
    client = ScriptedChatClient([call("f"), "done"])
    agent = client.create_agent(storage=storage, tools=FunctionTool.of(lambda: value, name="f"))
    assert (await agent.run("go", thread="t")).text == "done"
    (part,) = client.requests[1].messages[-1].contents
    assert part == FunctionResultContent("call_1", {"result": kept, "note": NOTE})
    assert (await agent.get_thread("t").list_messages())[2].contents == (part,)
    assert "tool f has parts without a JSON form" in caplog.text


class Hostile:
    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"the password is in {name}")


class HostileMapping(dict[str, object]):
    def items(self) -> Any:
        raise OSError("the connection is closed")


class HostileNumber(int):
    def __int__(self) -> int:
        raise ArithmeticError

    def __str__(self) -> str:
        raise ArithmeticError


async def test_a_result_whose_own_code_fails_is_kept_as_its_type() -> None:
    values = [Hostile(), HostileMapping(a=1), HostileNumber(7)]
    for kept in ("<Hostile>", "<HostileMapping>", "<HostileNumber>"):
        assert (await result_of(lambda: values.pop(0))).result == kept


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


async def test_an_exposed_error_without_a_text_is_told_by_its_type() -> None:
    def f() -> None:
        raise HostileError

    result = await result_of(FunctionTool.of(f, expose_errors=True))
    assert (result.result, result.is_error) == ("Error: the function failed with HostileError", True)


async def test_a_result_whose_parts_refer_to_each_other_has_an_end() -> None:
    user: dict[str, object] = {"name": "Ana"}
    user["self"] = user["owner"] = user
    kept = {"name": "Ana", "self": "…", "owner": "…"}
    assert (await result_of(lambda: user)).result == {"result": kept, "note": NOTE}
    members: list[object] = []
    groups = [{"members": members} for _ in range(12)]
    members.extend({"groups": groups, "of": group} for group in groups)
    assert len(str((await result_of(lambda: groups)).result)) < 1_000_000


async def test_half_a_character_in_a_result_is_replaced() -> None:
    assert (await result_of(lambda: "receipt \ud835")).result == "receipt \ufffd"


async def test_a_result_that_contains_itself_is_cut() -> None:
    assert "\u2026" in str((await result_of(itself)).result)


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), SystemExit(3), StopIteration()], ids=lambda e: type(e).__name__
)
async def test_whatever_a_tool_raises_by_itself_is_its_failure(error: BaseException) -> None:
    async def f() -> None:
        raise error

    def g() -> None:
        raise error

    assert (await result_of(g)).is_error
    if not isinstance(error, StopIteration):
        assert (await result_of(f)).is_error


async def test_the_model_is_told_the_type_of_an_error_and_the_log_has_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def connect() -> None:
        raise ConnectionError("password=hunter2 refused")

    with caplog.at_level(logging.DEBUG, "recuerda"):
        told = await result_of(connect)
    assert told.result == "Error: the function failed with ConnectionError"
    warning, record = [record for record in caplog.records if record.name == "recuerda.tools"]
    assert "hunter2" not in warning.getMessage()
    assert record.levelno == logging.DEBUG
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ConnectionError)
    exposed = await result_of(FunctionTool.of(connect, expose_errors=True))
    assert exposed.result == "Error: ConnectionError: password=hunter2 refused"


async def test_a_result_is_stored_as_the_model_saw_it(storage: Storage) -> None:
    class Row(msgspec.Struct):
        when: datetime
        tags: set[str]

    async def f() -> list[Row]:
        return [Row(datetime(2025, 1, 2, tzinfo=UTC), {"a"})]

    client = ScriptedChatClient([call("f"), "done"])
    agent = client.create_agent(storage=storage, tools=f)
    await agent.run("go", thread="t")
    expected = FunctionResultContent("call_1", [{"when": "2025-01-02T00:00:00Z", "tags": ["a"]}])
    assert client.requests[1].messages[-1].contents == (expected,)
    assert (await agent.get_thread("t").list_messages())[2].contents == (expected,)


async def test_a_sync_tool_does_not_block_the_event_loop() -> None:
    loop, tick = asyncio.get_running_loop(), threading.Event()

    def f() -> bool:
        loop.call_soon_threadsafe(tick.set)
        return tick.wait(5)

    assert (await result_of(f)).result is True


async def test_calls_of_one_answer_run_at_the_same_time_and_answer_in_order() -> None:
    second_is_done = asyncio.Event()

    async def first() -> str:
        await second_is_done.wait()
        return "1"

    async def second() -> str:
        second_is_done.set()
        return "2"

    calls = ChatMessage("assistant", [FunctionCallContent("a", "first"), FunctionCallContent("b", "second")])
    client = ScriptedChatClient([calls, "done"])
    await client.create_agent(tools=[first, second]).run("go")
    assert client.requests[1].messages[-1].contents == (
        FunctionResultContent("a", "1"),
        FunctionResultContent("b", "2"),
    )


async def test_a_tool_that_asks_for_the_thread_gets_it(storage: Storage) -> None:
    async def recall(thread: AgentThread, last: int) -> list[str]:
        return texts(await thread.list_messages(limit=last))

    def whose(thread: AgentThread | None = None) -> str | None:
        return thread and thread.id

    client = ScriptedChatClient(["one", call("recall", {"last": 2}), call("whose"), "done"])
    agent = client.create_agent(storage=storage, tools=[recall, whose])
    await agent.run("hi", thread="t")
    reply = await agent.run("what was said?", thread="t")
    results = [part for message in reply.messages for part in message.contents if message.role == "tool"]
    assert results == [FunctionResultContent("call_1", ["hi", "one"]), FunctionResultContent("call_1", "t")]
    assert [sorted(cast("JsonObject", tool.parameters["properties"])) for tool in client.requests[0].tools] == [
        ["last"],
        [],
    ]


async def test_a_tool_can_still_be_called_as_a_function() -> None:
    def f(x: int) -> int:
        return x + 1

    assert FunctionTool.of(f)(1) == 2


SHOT = DataContent(b"\x89PNG", "image/png", "shot.png")
MARK = "[image shot.png, image/png, 4 bytes]"


@pytest.mark.parametrize(
    ("value", "result", "parts"),
    [
        (SHOT, MARK, (SHOT,)),
        (["Two:", SHOT, SHOT], f"Two:\n{MARK}\n{MARK}", (TextContent("Two:"), SHOT, SHOT)),
        (TextContent("only text"), "only text", ()),
        ({"page": 1, "shots": [SHOT]}, {"page": 1, "shots": [MARK]}, None),
        (["text", 1], ["text", 1], ()),
    ],
    ids=range(5),
)
async def test_files_in_a_result_stay_files(
    storage: Storage, value: object, result: object, parts: tuple[Any, ...] | None
) -> None:
    client = ScriptedChatClient([call("f"), "done"])
    agent = client.create_agent(storage=storage, tools=FunctionTool.of(lambda: value, name="f"))
    await agent.run("go", thread="t")
    (part,) = client.requests[1].messages[-1].contents
    assert isinstance(part, FunctionResultContent)
    told = (TextContent('{"page":1,"shots":["[image shot.png, image/png, 4 bytes]"]}'), SHOT)
    assert (part.result, part.parts) == (result, told if parts is None else parts)
    assert (await agent.get_thread("t").list_messages())[2].contents == (part,)


async def test_a_file_that_cannot_be_stored_does_not_lose_the_result() -> None:
    wrong = DataContent(cast("Any", "not bytes"), "image/png")
    assert (await result_of(lambda: wrong)).parts == ()
