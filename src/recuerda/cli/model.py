"""Which model the command line talks to: the one that the environment names, or the offline stand-in."""

from __future__ import annotations

import os
from collections.abc import Mapping

from recuerda.agent.client import ChatClient
from recuerda.offline import OfflineChatClient

OFFLINE = "offline"

_CONFIGURED_BY = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY")


def choose_client(model: str | None, environ: Mapping[str, str] = os.environ) -> tuple[ChatClient, str | None]:
    """Return the client, and what to say about it when it was not asked for.

    Args:
        model: the model's id; "offline" for the stand-in, None for what the environment says.
        environ: the variables.

    Raises:
        ConfigurationError: the environment names a service, but not enough of it, or its extra is missing.
    """
    if model == OFFLINE:
        return OfflineChatClient(), None
    if model is None and not any(environ.get(name, "").strip() for name in _CONFIGURED_BY):
        return OfflineChatClient(), (
            "no model is configured, so recuerda's offline stand-in answers, which is no language model; "
            "set OPENAI_API_KEY and OPENAI_MODEL, here or in .env, for a real one"
        )
    from recuerda.openai import OpenAIChatClient

    return OpenAIChatClient.from_env(model_id=model, environ=environ), None
