"""The window that a person chose in the form, and the agent whose requests are explained."""

from __future__ import annotations

from typing import NoReturn

import msgspec
from msgspec import UNSET, UnsetType
from starlette.datastructures import QueryParams

from recuerda.agent.agent import Agent
from recuerda.agent.chat import ChatRequest
from recuerda.agent.client import ChatClient
from recuerda.errors import InvalidInput
from recuerda.storage.contract import Storage
from recuerda.studio.page import whole
from recuerda.window.window import ContextWindow

ALL = "all"
"""The word in the form for no limit of the files."""


class NoModel(ChatClient):
    """The client of an agent that only explains windows. It is never asked."""

    async def respond(self, request: ChatRequest) -> NoReturn:
        """Refuse to answer.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("this agent explains windows and has no model")


def explaining_agent(storage: Storage) -> Agent:
    """Return an agent without a model, whose window is the default one."""
    return Agent(NoModel(), storage=storage, window=ContextWindow())


class WindowForm(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of the form for another window. An empty text is the default.

    Attributes:
        max_messages: the largest number of messages.
        max_tokens: the largest number of tokens.
        reserve_tokens: the tokens that are kept free for the answer.
        keep_results: the number of the newest turns that keep the results of their tools.
        keep_files: the number of the newest turns that keep their files; "all" for every turn.
    """

    max_messages: str = ""
    max_tokens: str = ""
    reserve_tokens: str = ""
    keep_results: str = ""
    keep_files: str = ""

    @classmethod
    def of(cls, query: QueryParams) -> WindowForm:
        """Return the fields of a query."""
        return cls(**{name: query.get(name, "").strip() for name in cls.__struct_fields__})

    @property
    def is_chosen(self) -> bool:
        """Whether any field has a value."""
        return self != WindowForm()

    def window(self) -> ContextWindow | UnsetType:
        """Return the window that the form describes; UNSET if no field has a value.

        Raises:
            InvalidInput: a field is not a number, or the numbers do not fit together.
        """
        if not self.is_chosen:
            return UNSET
        files = self.keep_files
        return ContextWindow(
            max_messages=whole(self.max_messages, "max_messages"),
            max_tokens=whole(self.max_tokens, "max_tokens"),
            reserve_tokens=whole(self.reserve_tokens, "reserve_tokens") or 0,
            keep_results=whole(self.keep_results, "keep_results"),
            keep_files=None if files == ALL else 2 if not files else whole(files, "keep_files"),
        )
