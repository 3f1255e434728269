"""The stand-in for Azure AI Search, and an index on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.search.documents.aio import SearchClient
from azure.search.documents.indexes.aio import SearchIndexClient
from azure.search.documents.indexes.models import (
    AzureOpenAIVectorizer,
    AzureOpenAIVectorizerParameters,
    HnswAlgorithmConfiguration,
    SearchField,
    SearchIndex,
    SemanticConfiguration,
    SemanticField,
    SemanticPrioritizedFields,
    SemanticSearch,
    VectorSearch,
    VectorSearchProfile,
)

from recuerda.azure_ai_search import AzureAISearchProvider
from tests.servers.azure_search_ranking import topic_vector
from tests.servers.azure_search_server import ADMIN_KEY, QUERY_KEY, AzureSearchServer

DIMENSIONS = 4
DOCUMENTS: list[dict[str, Any]] = [
    {"id": "1", "title": "Dogs", "text": "A dog barks at night.", "tenant": "a", "pages": 3},
    {"id": "2", "title": "Cars", "text": "An automobile needs fuel.", "tenant": "a", "pages": 4},
    {"id": "3", "title": "Food", "text": "Spaghetti is pasta.", "tenant": "o'brien", "pages": 5},
]


@pytest.fixture(scope="session")
def running_service() -> Iterator[AzureSearchServer]:
    with AzureSearchServer() as server:
        yield server


@pytest.fixture
async def service(running_service: AzureSearchServer) -> AzureSearchServer:
    """The stand-in with an index `docs`, which was made and filled with the SDK."""
    running_service.indexes.clear()
    await fill(running_service, definition("docs"))
    running_service.requests.clear()
    running_service.faults.clear()
    return running_service


@pytest.fixture
def provider_of(service: AzureSearchServer) -> Callable[..., AzureAISearchProvider]:
    def make(**options: Any) -> AzureAISearchProvider:
        if "credential" not in options:
            options.setdefault("api_key", ADMIN_KEY)
        options.setdefault("max_retries", 0)
        return AzureAISearchProvider(
            options.pop("endpoint", service.endpoint),
            options.pop("index_name", "docs"),
            verify=service.certificate,
            **options,
        )

    return make


def definition(name: str, *, vectorizer: bool = True, semantic: bool = True, vectors: int = 1) -> SearchIndex:
    """Return the definition of an index."""
    fields = [
        SearchField(name="id", type="Edm.String", key=True),
        SearchField(name="title", type="Edm.String", searchable=True),
        SearchField(name="text", type="Edm.String", searchable=True),
        SearchField(name="tenant", type="Edm.String", filterable=True, hidden=True),
        SearchField(name="pages", type="Edm.Int32"),
        *(
            SearchField(
                name=f"vector{number or ''}",
                type="Collection(Edm.Single)",
                searchable=True,
                vector_search_dimensions=DIMENSIONS,
                vector_search_profile_name="profile",
            )
            for number in range(vectors)
        ),
    ]
    profile = VectorSearchProfile(
        name="profile", algorithm_configuration_name="hnsw", vectorizer_name="own" if vectorizer else None
    )
    parameters = AzureOpenAIVectorizerParameters(resource_url="https://model.example", deployment_name="small")
    return SearchIndex(
        name=name,
        fields=fields,
        vector_search=VectorSearch(
            algorithms=[HnswAlgorithmConfiguration(name="hnsw")],
            profiles=[profile],
            vectorizers=[AzureOpenAIVectorizer(vectorizer_name="own", parameters=parameters)],
        ),
        semantic_search=SemanticSearch(
            default_configuration_name="main",
            configurations=[
                SemanticConfiguration(
                    name="main",
                    prioritized_fields=SemanticPrioritizedFields(content_fields=[SemanticField(field_name="text")]),
                )
            ],
        )
        if semantic
        else None,
    )


async def fill(service: AzureSearchServer, index: SearchIndex) -> None:
    """Make an index, and put the documents in."""
    key = AzureKeyCredential(ADMIN_KEY)
    verify = str(service.certificate)
    async with SearchIndexClient(service.endpoint, key, connection_verify=verify) as indexes:
        await indexes.create_or_update_index(index)
    vectors = [field.name for field in index.fields if field.name.startswith("vector")]
    documents = [
        document | {name: topic_vector(document["text"], DIMENSIONS) for name in vectors} for document in DOCUMENTS
    ]
    # Any: the SDK's documents are dicts of unknown values.
    filling: Any = SearchClient(service.endpoint, index.name, key, connection_verify=verify)
    async with filling as client:
        results = await client.upload_documents(documents)
        assert all(result.succeeded for result in results)
        assert await client.get_document("1") == documents[0]


__all__ = ["ADMIN_KEY", "DIMENSIONS", "QUERY_KEY", "definition", "fill"]
