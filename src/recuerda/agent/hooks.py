"""Code of the application around the calls of models and tools: logs, traces, and limits of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from recuerda.agent.chat import ChatRequest, ChatResponse
from recuerda.agent.run_context import RunContext
from recuerda.errors import ConfigurationError
from recuerda.messages.message import FunctionCallContent, FunctionResultContent


class RunHooks:
    """Base class of code that is told before and after each call of a model and of a tool.

    Overwrite the methods that you need; by default each does nothing. A hook that raises ends the run, and nothing is
    stored, as with any other failure. Tools of one answer run at the same time, and so do their hooks. `run` has the
    context and the thread of the run.
    """

    async def on_model_start(self, request: ChatRequest, *, run: RunContext[object]) -> None:
        """Learn that the model is called next."""

    async def on_model_end(self, request: ChatRequest, response: ChatResponse, *, run: RunContext[object]) -> None:
        """Learn the model's whole answer."""

    async def on_model_error(self, request: ChatRequest, error: Exception, *, run: RunContext[object]) -> None:
        """Learn that the call of the model has failed. The error is raised afterwards."""

    async def on_tool_start(self, call: FunctionCallContent, *, run: RunContext[object]) -> None:
        """Learn that a tool is called next."""

    async def on_tool_end(
        self, call: FunctionCallContent, result: FunctionResultContent, *, run: RunContext[object]
    ) -> None:
        """Learn the result of a tool; `result.is_error` is True if it failed. The turn already has the result."""


def checked_hooks(given: RunHooks | Sequence[RunHooks] | None) -> tuple[RunHooks, ...]:
    """Return the hooks of an agent.

    Raises:
        ConfigurationError: one of them is no `RunHooks`.
    """
    listed = cast("Sequence[object]", given if isinstance(given, Sequence) else () if given is None else (given,))
    for one in listed:
        if not isinstance(one, RunHooks):
            raise ConfigurationError(f"hooks must be objects of a subclass of RunHooks, not {type(one).__name__}")
    return tuple(cast("Sequence[RunHooks]", listed))


async def call_each(hooks: Sequence[RunHooks], call: Callable[[RunHooks], Awaitable[None]]) -> None:
    """Call each hook, in order."""
    for hook in hooks:
        await call(hook)
