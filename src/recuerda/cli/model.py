"""The model that the command line talks to: the one that the environment names, or an offline stand-in."""

from __future__ import annotations

import os
from collections.abc import Mapping

from recuerda.agent.client import ChatClient
from recuerda.offline import OfflineChatClient

OFFLINE = "offline"

_CONFIGURED_BY = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY")


def choose_client(model: str | None, environ: Mapping[str, str] = os.environ) -> tuple[ChatClient, str | None]:
    """Return the chat client, and a note for the user when the stand-in was chosen for lack of a model.

    Args:
        model: the model's id; "offline" for the stand-in; None for the model that the environment names.
        environ: the environment's variables.

    Raises:
        ConfigurationError: the environment names a service but lacks a variable for it, or the extra is not installed.
    """
    if model == OFFLINE:
        return OfflineChatClient(), None
    if model is None and not any(environ.get(name, "").strip() for name in _CONFIGURED_BY):
        return OfflineChatClient(), (
            "no model is configured, so recuerda's offline stand-in answers. It is not a language model. "
            "For a real model, run `recuerda init`, or set OPENAI_API_KEY and OPENAI_MODEL in the environment or .env."
        )
    from recuerda.openai import OpenAIChatClient

    return OpenAIChatClient.from_env(model_id=model, environ=environ), None
