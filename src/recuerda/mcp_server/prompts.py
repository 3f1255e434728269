"""The prompts: what a person chooses from a menu of the client, such as "What do you know about me?"."""

from __future__ import annotations

from collections.abc import Mapping

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptResult,
    ListPromptsResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from recuerda.mcp_server.resources import about_me
from recuerda.mcp_server.scope import Scope
from recuerda.mcp_server.texts import recalled
from recuerda.mcp_server.tools import Room

_MEMORIES = 20


ABOUT_ME = Prompt(
    name="what_do_you_know_about_me",
    title="What do you know about me?",
    description="Show what is remembered about the user, or about a topic.",
    arguments=[PromptArgument(name="topic", description="Only what is remembered about this.", required=False)],
)

KEEP = Prompt(
    name="remember_this_conversation",
    title="Remember this conversation",
    description="Store the lasting facts, preferences and decisions of the conversation.",
    arguments=[],
)

_ABOUT_ME = (
    "What do you know about me? Say it in a few sentences, with the dates that matter. If something looks wrong or out "
    "of date, ask me, and use the tools correct and forget."
)
_KEEP = (
    "Look through our conversation for lasting facts, preferences and decisions. For each one, use recall to see "
    "whether it is remembered already. Then use remember for a new one, and correct for one that has changed. At the "
    "end, list everything that you have stored. Store no passwords and no other secrets."
)


def list_prompts() -> ListPromptsResult:
    """Return the prompts."""
    return ListPromptsResult(prompts=[ABOUT_ME, KEEP])


async def get_prompt(room: Room, scope: Scope, name: str, given: Mapping[str, str]) -> GetPromptResult:
    """Return the messages of a prompt.

    Raises:
        MCPError: there is no such prompt.
    """
    if name == KEEP.name:
        return _result(KEEP, [_KEEP])
    if name == ABOUT_ME.name:
        return _result(ABOUT_ME, await _known(room, scope, given.get("topic", "").strip()))
    raise MCPError(INVALID_PARAMS, f"there is no prompt {name[:100]!r}")


async def _known(room: Room, scope: Scope, topic: str) -> list[str]:
    if not topic:
        return [_ABOUT_ME, await about_me(room, scope)]
    answer, found = await room.memories.recall(scope, topic, limit=_MEMORIES)
    return [f"What do you know about this topic: {topic}? Say who said it and when.", recalled(answer, found)]


def _result(prompt: Prompt, texts: list[str]) -> GetPromptResult:
    messages = [PromptMessage(role="user", content=TextContent(type="text", text=text)) for text in texts]
    return GetPromptResult(description=prompt.description, messages=messages)
