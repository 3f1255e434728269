"""The effect on a run of a search service that fails, and of an index of another form."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from recuerda.azure_ai_search import AzureAISearchProvider
from recuerda.errors import EmbedderError, ProviderError
from recuerda.testing.scripted import ScriptedChatClient
from tests.azure_ai_search.conftest import ADMIN_KEY, QUERY_KEY, definition, fill
from tests.azure_ai_search.test_provider import Credential, ServiceEmbedder, keys
from tests.servers.azure_search_server import AzureSearchServer, refusal
from tests.servers.redis_server import free_port

Make = Callable[..., AzureAISearchProvider]


def refusing(status: int, **headers: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return refusal(status, "The words of the user: a secret dog", headers=headers)

    return answer


def saying(text: str, media_type: str = "application/json") -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return PlainTextResponse(text, media_type=media_type)

    return answer


async def too_slow(request: Request) -> Response:
    await asyncio.sleep(5)
    return Response()


async def hang_up(request: Request) -> Response:
    raise ConnectionResetError("in the middle of a request")


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (400, "the service refused the request (400)"),
        (401, "check the token's audience"),
        (403, "Search Index Data Reader"),
        (404, "check index_name and endpoint"),
        (429, "try again later, or add replicas"),
        (500, "the service refused the request (500)"),
        (503, "try again later"),
    ],
)
async def test_a_refusal_names_the_next_step_and_not_what_was_asked(
    provider_of: Make, service: AzureSearchServer, status: int, step: str
) -> None:
    service.faults.append(refusing(status))
    async with provider_of(mode="simple") as provider:
        with pytest.raises(ProviderError) as raised:
            await provider.search("a secret dog")
        assert step in str(raised.value)
        assert "'docs'" in str(raised.value)
        assert "secret" not in str(raised.value)
        assert ADMIN_KEY not in repr(raised.value)
        assert keys(await provider.search("dog")) == ["1"], "it can be asked again"


async def test_a_busy_service_is_asked_again_as_it_says(provider_of: Make, service: AzureSearchServer) -> None:
    service.faults += [refusing(429, **{"Retry-After": "0"}), refusing(503, **{"Retry-After": "0"})]
    async with provider_of(max_retries=2) as provider:
        assert keys(await provider.search("dog")) == ["1"]
    assert len(service.searches) == 3


@pytest.mark.parametrize(
    "answer",
    [
        saying("<html>a proxy's page</html>", "text/html"),
        saying("{"),
        saying("[]"),
        saying("null"),
        saying('{"value": 3}'),
        saying('{"value": ["dog"]}'),
        saying("{}"),
    ],
    ids=["html", "torn", "list", "null", "number", "texts", "nothing"],
)
async def test_an_answer_that_is_none_is_an_error(
    provider_of: Make, service: AzureSearchServer, answer: Callable[[Request], Awaitable[Response]]
) -> None:
    service.faults.append(answer)
    async with provider_of() as provider:
        with pytest.raises(ProviderError, match="cannot be read"):
            await provider.search("dog")


async def test_fields_of_unexpected_kinds_are_left_out(provider_of: Make, service: AzureSearchServer) -> None:
    service.faults.append(saying('{"value": [{"id": 7, "title": null, "text": ["a", 3, null]}, {"id": "8"}]}'))
    async with provider_of() as provider:
        (hit,) = await provider.search("dog")
    assert (hit.key, hit.title, hit.text, hit.score) == (None, None, "a", None)


async def test_a_service_that_is_slow_is_given_up(provider_of: Make, service: AzureSearchServer) -> None:
    service.faults.append(too_slow)
    async with provider_of(timeout_s=0.2) as provider:
        with pytest.raises(ProviderError, match=r"within 0\.2 s"):
            await provider.search("dog")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_service_that_hangs_up_is_an_error(provider_of: Make, service: AzureSearchServer) -> None:
    service.faults.append(hang_up)
    async with provider_of() as provider:
        with pytest.raises(ProviderError, match=r"refused the request \(500\)|connection broke"):
            await provider.search("dog")


async def test_a_connection_that_breaks_inside_of_an_answer_is_an_error(service: AzureSearchServer) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    async with await asyncio.start_server(break_off, "127.0.0.1", 0) as door:
        port = door.sockets[0].getsockname()[1]
        provider = AzureAISearchProvider(f"https://127.0.0.1:{port}", "docs", api_key="k", max_retries=0, timeout_s=2)
        with pytest.raises(ProviderError, match=f"127.0.0.1:{port}"):
            await provider.search("dog")
        await provider.close()


async def test_a_service_that_is_not_there_is_an_error(provider_of: Make) -> None:
    async with provider_of(endpoint=f"https://127.0.0.1:{free_port()}") as provider:
        with pytest.raises(ProviderError, match="cannot be reached; check the endpoint"):
            await provider.search("dog")


async def test_a_certificate_that_nobody_vouches_for_is_refused(service: AzureSearchServer) -> None:
    async with AzureAISearchProvider(service.endpoint, "docs", api_key=ADMIN_KEY, max_retries=0) as provider:
        with pytest.raises(ProviderError, match="cannot be reached"):
            await provider.search("dog")
    assert service.requests == []


@pytest.mark.parametrize("key", [ADMIN_KEY, QUERY_KEY], ids=["definition", "no definition"])
async def test_an_index_that_is_missing_is_named(provider_of: Make, key: str) -> None:
    async with provider_of(index_name="nowhere", api_key=key, mode="simple") as provider:
        with pytest.raises(ProviderError, match=r"'nowhere'.*no such index"):
            await provider.search("dog")


@pytest.mark.parametrize("key", [ADMIN_KEY, QUERY_KEY], ids=["definition", "no definition"])
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "simple", "content_fields": ["text", "nope"]}, "nope"),
        ({"mode": "simple", "content_fields": ["tenant"]}, "tenant"),
        ({"mode": "semantic", "semantic_configuration_name": "nope"}, "no semantic configuration"),
        ({"mode": "vector", "vector_field_name": "nope"}, "nope"),
        ({"mode": "vector", "vector_field_name": "title"}, "title"),
        ({"mode": "vector", "vector_field_name": "vector", "embedder": ServiceEmbedder(5)}, "embedder"),
        ({"mode": "simple", "filter": "title eq"}, "the filter is refused"),
        ({"mode": "simple", "scope": {"nope": "x"}}, "field nope"),
    ],
    ids=["content", "hidden", "semantic", "vector", "no vector", "length", "filter", "scope"],
)
async def test_what_does_not_fit_the_index_is_named(
    provider_of: Make, service: AzureSearchServer, key: str, options: dict[str, Any], text: str
) -> None:
    async with provider_of(api_key=key, **options) as provider:
        with pytest.raises(ProviderError, match=text):
            await provider.search("dog")
    is_known_before = key == ADMIN_KEY and not options.keys() & {"filter", "scope"}
    assert len(service.searches) == (not is_known_before)


@pytest.mark.parametrize("key", [ADMIN_KEY, QUERY_KEY], ids=["definition", "no definition"])
async def test_an_index_without_semantic_configuration_or_vectorizer_is_named(
    provider_of: Make, service: AzureSearchServer, key: str
) -> None:
    await fill(service, definition("plain", vectorizer=False, semantic=False))
    async with provider_of(index_name="plain", api_key=key, mode="semantic") as provider:
        with pytest.raises(ProviderError, match="no semantic configuration"):
            await provider.search("dog")
    async with provider_of(index_name="plain", api_key=key, mode="vector", vector_field_name="vector") as provider:
        with pytest.raises(ProviderError, match="no vectorizer"):
            await provider.search("dog")
    assert len(service.searches) == (0 if key == ADMIN_KEY else 2)


async def test_several_vector_fields_and_none_named_is_an_error(provider_of: Make, service: AzureSearchServer) -> None:
    await fill(service, definition("two", vectors=2))
    async with provider_of(index_name="two", mode="vector") as provider:
        with pytest.raises(ProviderError, match="vector, vector1; give vector_field_name"):
            await provider.search("dog")


@pytest.mark.parametrize("options", [{"api_key": "wr0ng"}, {"credential": Credential("wr0ng")}], ids=["key", "token"])
async def test_wrong_credentials_are_said_and_not_shown(provider_of: Make, options: dict[str, Any]) -> None:
    async with provider_of(mode="simple", **options) as provider:
        with pytest.raises(ProviderError, match=r"refused \(401\)|denied \(403\)") as raised:
            await provider.search("dog")
    assert "wr0ng" not in str(raised.value)
    assert "wr0ng" not in repr(provider)


async def test_a_credential_that_gives_no_token_is_an_error(provider_of: Make) -> None:
    class SignedOut(Credential):
        async def get_token(self, *scopes: str, **options: Any) -> Any:
            raise ClientAuthenticationError("not signed in")

    async with provider_of(mode="simple", credential=SignedOut()) as provider:
        with pytest.raises(ProviderError, match="returned no token"):
            await provider.search("dog")


async def test_an_embedder_that_is_down_is_an_error_of_its_own(provider_of: Make) -> None:
    class Down(ServiceEmbedder):
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            raise EmbedderError("the embedding model cannot be reached")

    async with provider_of(mode="hybrid", embedder=Down()) as provider:
        with pytest.raises(EmbedderError):
            await provider.search("dog")


@pytest.mark.parametrize("on_failure", ["raise", "warn"])
async def test_a_failure_comes_before_anything_is_paid_for_or_is_a_warning(
    provider_of: Make, service: AzureSearchServer, on_failure: str
) -> None:
    service.faults.append(refusing(503))
    client = ScriptedChatClient(default="ok")
    async with client.create_agent(context_providers=provider_of(mode="simple", on_failure=on_failure)) as agent:
        if on_failure == "raise":
            with pytest.raises(ProviderError):
                await agent.run("dog", thread="t")
            assert client.requests == []
            return
        (warning,) = (await agent.run("dog", thread="t")).warnings
        assert "overloaded" in warning
        assert len(await agent.get_thread("t").list_messages()) == 2


async def test_nothing_that_was_asked_and_no_key_is_logged(
    provider_of: Make, service: AzureSearchServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.faults.append(refusing(500))
    async with provider_of(api_key=QUERY_KEY, mode="simple") as provider:
        with pytest.raises(ProviderError):
            await provider.search("a secret dog")
    assert "may not read the definition" in caplog.text
    assert "secret" not in caplog.text
    assert QUERY_KEY not in caplog.text


async def test_a_closed_provider_says_so(provider_of: Make) -> None:
    provider = provider_of()
    await provider.search("dog")
    await provider.close()
    await provider.close()
    with pytest.raises(ProviderError, match="has been closed"):
        await provider.search("dog")


async def test_a_cancelled_search_leaves_the_provider_usable(provider_of: Make, service: AzureSearchServer) -> None:
    service.faults.append(too_slow)
    async with provider_of(mode="simple") as provider:
        searching = asyncio.create_task(provider.search("dog"))
        while not service.searches:  # noqa: ASYNC110 - a server in another thread sets no asyncio.Event
            await asyncio.sleep(0.005)
        searching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await searching
        assert keys(await provider.search("dog")) == ["1"]
