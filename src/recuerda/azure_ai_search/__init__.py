"""What an index of Azure AI Search knows, brought into a run: read-only.

`AzureAISearchProvider` asks an index that exists already. `settings.py` says how it is asked, `index.py` what is known
of it, `hits.py` what comes back, `failures.py` what goes wrong, `connections.py` who talks to the service.
"""

from recuerda.errors import MissingExtraError

try:
    import aiohttp as _aiohttp  # noqa: F401  # pyright: ignore[reportUnusedImport] - the asynchronous client's transport
    import azure.search.documents as _documents  # noqa: F401  # pyright: ignore[reportUnusedImport] - to tell early
except ImportError:
    raise MissingExtraError(module="recuerda.azure_ai_search", extra="azure-ai-search") from None

from recuerda.azure_ai_search.hits import SearchHit
from recuerda.azure_ai_search.provider import AzureAISearchProvider
from recuerda.azure_ai_search.settings import SearchMode

__all__ = ["AzureAISearchProvider", "SearchHit", "SearchMode"]
