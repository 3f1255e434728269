"""The index of `RedisProvider`: it is made by its first user, checked, and rebuilt."""

import asyncio

import pytest

from recuerda.errors import EmbedderError, ProviderError
from tests.redis.clients import connect
from tests.redis.memories import TopicEmbedder, learn, provider_of
from tests.servers.redis_search_server import redis_search_url
from tests.servers.redis_server import redis_url


async def index_built(name: str) -> None:
    """Wait until an index holds the documents that existed before it."""
    client = connect(redis_search_url(), protocol=3)
    is_built = False
    while not is_built:
        is_built = (await client.execute_command("FT.INFO", name))[b"indexing"] == 0
        await asyncio.sleep(0.01)
    await client.aclose()


async def test_processes_that_start_together_make_one_index(prefix: str) -> None:
    providers = [provider_of(prefix, f"{redis_search_url()}?client_name={number}") for number in range(8)]
    await asyncio.gather(*(learn(provider, "bone", f"{number}") for number, provider in enumerate(providers)))
    assert [len(await provider.search("bone")) for provider in providers] == [8] * 8
    for provider in providers:
        await provider.close()


@pytest.mark.parametrize(
    ("schema", "difference"),
    [
        ("ON HASH PREFIX 1 {prefix}: SCHEMA words TEXT", "field number is missing, but must be NUMERIC"),
        ("ON HASH PREFIX 1 {prefix}: SCHEMA words TAG", "field words is TAG, but must be TEXT"),
        ("ON HASH PREFIX 1 other: SCHEMA words TEXT", "keys start with ['other:']"),
        (
            "ON HASH PREFIX 1 {prefix}: LANGUAGE spanish SCHEMA words TEXT",
            "language is spanish, but must be english",
        ),
        (
            "ON JSON PREFIX 1 {prefix}: SCHEMA $.words AS words TEXT",
            "documents are of type JSON, but must be of type HASH",
        ),
    ],
    ids=["fields", "kinds", "prefix", "language", "json"],
)
async def test_an_index_of_another_shape_is_named_and_can_be_made_anew(
    prefix: str, schema: str, difference: str
) -> None:
    client = connect(redis_search_url())
    await client.execute_command("FT.CREATE", prefix, *schema.format(prefix=prefix).split())
    await client.aclose()
    provider = provider_of(prefix)
    for _ in range(2):
        with pytest.raises(ProviderError) as raised:
            await provider.search("bone")
        assert difference in str(raised.value)
        assert "another index_name" in str(raised.value)
        assert "overwrite_index()" in str(raised.value)
    assert await provider.overwrite_index() == 0
    await learn(provider, "bone")
    assert len(await provider.search("bone")) == 1
    await provider.close()


async def test_an_embedder_of_another_dimension_is_named_and_the_memories_can_be_moved_to_it(prefix: str) -> None:
    async with provider_of(prefix, embedder=TopicEmbedder(8), defer=False) as provider:
        for text in ("My hound barks", "I bought an automobile"):
            await learn(provider, text)
    provider = provider_of(prefix, embedder=TopicEmbedder(16, model_id="bigger"), defer=False, max_distance=0.2)
    with pytest.raises(ProviderError, match="vectors have dim 8, but must have 16"):
        await provider.search("puppy")
    with pytest.raises(ProviderError, match="another shape"):
        await learn(provider, "a turn")
    assert await provider.overwrite_index() == 2
    assert [memory.text for memory in await provider.search("puppy")] == ["My hound barks"]
    await provider.close()
    async with provider_of(prefix) as provider:
        assert len(await provider.search("hound")) == 1, "without an embedder, an index with vectors will do"


async def test_an_index_without_vectors_is_named_when_there_is_an_embedder(prefix: str) -> None:
    async with provider_of(prefix) as provider:
        await learn(provider, "My hound barks")
    async with provider_of(prefix, embedder=TopicEmbedder()) as provider:
        with pytest.raises(ProviderError, match="has no vectors, but must have vectors of 8 dimensions"):
            await provider.search("puppy")
        await provider.overwrite_index()
        assert len(await provider.search("puppy")) == 1


async def test_moving_to_no_embedder_keeps_the_memories(prefix: str) -> None:
    async with provider_of(prefix, embedder=TopicEmbedder()) as provider:
        await learn(provider, "My hound barks")
    async with provider_of(prefix) as provider:
        assert await provider.overwrite_index() == 1
        assert len(await provider.search("hound")) == 1


async def test_an_embedder_that_changes_its_dimension_is_an_error_and_the_words_are_kept(prefix: str) -> None:
    embedder = TopicEmbedder()
    async with provider_of(prefix, embedder=embedder, defer=False) as provider:
        await learn(provider, "My hound barks")
        embedder.dimensions = 9
        with pytest.raises(EmbedderError, match="9 dimensions, but 8 are needed"):
            await provider.search("puppy")
        with pytest.raises(ProviderError, match="by its words only"):
            await learn(provider, "My puppy sleeps", "u")
    async with provider_of(prefix) as provider:
        assert len(await provider.search("puppy")) == 1


async def test_an_index_that_is_dropped_meanwhile_is_made_again_from_its_documents(prefix: str) -> None:
    provider = provider_of(prefix)
    await learn(provider, "bone")
    client = connect(redis_search_url())
    await client.execute_command("FT.DROPINDEX", prefix)
    await client.aclose()
    await learn(provider, "another bone")
    await provider.search("bone")
    await index_built(prefix)
    assert len(await provider.search("bone")) == 2
    assert await provider.forget(thread="t") == 2
    await provider.close()


async def test_a_language_has_its_own_endings_and_an_unknown_one_is_refused(prefix: str) -> None:
    async with provider_of(prefix, language="spanish") as provider:
        await learn(provider, "Tengo tres perros")
        assert len(await provider.search("¿Dónde está el perro?")) == 1
    async with provider_of(f"{prefix}-other", language="klingon") as provider:
        with pytest.raises(ProviderError, match="does not support this language"):
            await provider.search("targ")


async def test_a_redis_without_the_query_engine_says_what_is_needed(prefix: str) -> None:
    provider = provider_of(prefix, redis_url())
    for work in (lambda: provider.search("bone"), lambda: learn(provider, "bone"), provider.overwrite_index):
        with pytest.raises(ProviderError, match=r"has no query engine: RedisProvider needs Redis 8 .* Redis Stack"):
            await work()
    await provider.close()


async def test_another_database_than_the_first_is_refused_with_the_reason(prefix: str) -> None:
    async with provider_of(prefix, f"{redis_search_url()}/1") as provider:
        with pytest.raises(ProviderError, match="database 0"):
            await provider.search("bone")


async def test_vectors_can_be_searched_by_a_graph_and_the_kind_of_search_is_checked(prefix: str) -> None:
    async with provider_of(prefix, embedder=TopicEmbedder(), vector_algorithm="hnsw", max_distance=0.2) as provider:
        await learn(provider, "My hound barks")
        await provider.flush()
        assert [memory.text for memory in await provider.search("puppy")] == ["My hound barks"]
    async with provider_of(prefix, embedder=TopicEmbedder()) as provider:
        with pytest.raises(ProviderError, match="algorithm HNSW, but must have FLAT"):
            await provider.search("puppy")
