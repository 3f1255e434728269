"""Chat clients, an embedder and a reranker for OpenAI, Azure OpenAI and compatible servers, on OpenAI's official SDK.

`import recuerda` does not import this package, because importing the SDK takes longer than importing all of recuerda.
"""

from recuerda.errors import MissingExtraError

try:
    import openai
    import pybase64
except ModuleNotFoundError as _error:
    if _error.name not in ("openai", "pybase64"):
        raise
    raise MissingExtraError(module="recuerda.openai", extra="openai") from _error

from recuerda.openai.chat_client import OpenAIChatClient  # imported after the check because it needs the SDK
from recuerda.openai.embedder import OpenAIEmbedder
from recuerda.openai.reranker import ServiceReranker
from recuerda.openai.responses_client import OpenAIResponsesClient

del openai, pybase64  # imported only for the check above

__all__ = ["OpenAIChatClient", "OpenAIEmbedder", "OpenAIResponsesClient", "ServiceReranker"]
