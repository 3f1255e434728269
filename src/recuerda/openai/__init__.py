"""Chat models of OpenAI, Azure OpenAI and every server that speaks OpenAI's chat completions, by the official SDK.

The SDK is imported here, with this module, and not by `import recuerda`: it takes longer than all the rest.
"""

from recuerda.errors import MissingExtraError

try:
    import openai
except ModuleNotFoundError as error:
    if error.name != "openai":
        raise
    raise MissingExtraError(module="recuerda.openai", extra="openai") from error

from recuerda.openai.chat_client import OpenAIChatClient  # needs the SDK: after the check
from recuerda.openai.embedder import OpenAIEmbedder
from recuerda.openai.responses_client import OpenAIResponsesClient

del openai  # was only asked for; `recuerda.openai.openai` would be confusing

__all__ = ["OpenAIChatClient", "OpenAIEmbedder", "OpenAIResponsesClient"]
