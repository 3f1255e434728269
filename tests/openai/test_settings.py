"""How a client is set up: by arguments, by the environment, by a ready SDK client."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
from openai import AsyncOpenAI

from recuerda import ChatClientError, ChatMessage, ChatRequest, ConfigurationError
from recuerda.openai import OpenAIChatClient
from recuerda.testing.openai_server import ScriptedOpenAIServer

KEY = "sk-secret-77"
HELLO = ChatRequest(messages=[ChatMessage("user", "Hello")])


# The environment


async def test_openai_is_read_from_the_environment(server: ScriptedOpenAIServer) -> None:
    server.default = "Hi"
    environ = {
        "OPENAI_API_KEY": f" {KEY}\n",
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_MODEL": "m1",
        "OPENAI_ORG_ID": "org-1",
        "AZURE_OPENAI_ENDPOINT": " ",
    }
    async with OpenAIChatClient.from_env(environ=environ, default_headers={"X-Team": "memory"}) as client:
        await client.respond(HELLO)
    request = server.requests[0]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (request.headers["openai-organization"], request.headers["x-team"]) == ("org-1", "memory")
    assert request.body["model"] == "m1"


def test_the_model_of_the_argument_goes_before_the_environments() -> None:
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_CHAT_MODEL_ID": "m1"}
    assert OpenAIChatClient.from_env(environ=environ).model_id == "m1"
    assert OpenAIChatClient.from_env(environ=environ, model_id="m2").model_id == "m2"
    azure = {"AZURE_OPENAI_ENDPOINT": "https://a.example", "AZURE_OPENAI_API_KEY": KEY}
    assert OpenAIChatClient.from_env(environ=azure, model_id="m2").model_id == "m2"


def test_the_processs_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    monkeypatch.setenv("OPENAI_MODEL", "m1")
    assert repr(OpenAIChatClient.from_env()) == "OpenAIChatClient(model_id='m1', url='http://localhost:1/v1')"


@pytest.mark.parametrize("suffix", ["", "/", "/openai/v1/", "/openai"])
async def test_azure_without_an_api_version_is_its_v1_interface(server: ScriptedOpenAIServer, suffix: str) -> None:
    server.default = "Hi"
    environ = {
        "AZURE_OPENAI_ENDPOINT": server.azure_endpoint + suffix,
        "AZURE_OPENAI_API_KEY": KEY,
        "AZURE_OPENAI_DEPLOYMENT": "chat",
        "OPENAI_API_KEY": "sk-of-openai",
        "OPENAI_MODEL": "gpt",
    }
    async with OpenAIChatClient.from_env(environ=environ) as client:
        assert (await client.respond(HELLO)).message.text == "Hi"
    request = server.requests[0]
    assert (request.path, request.body["model"]) == ("/openai/v1/chat/completions", "chat")
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_azure_with_an_api_version_is_its_dated_interface(
    server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.default = "Hi"
    environ = {
        "AZURE_OPENAI_ENDPOINT": f"{server.azure_endpoint}/",
        "AZURE_OPENAI_API_KEY": KEY,
        "AZURE_OPENAI_DEPLOYMENT": "chat",
        "OPENAI_API_VERSION": "2024-10-21",
    }
    async with OpenAIChatClient.from_env(environ=environ) as client:
        if is_streamed:
            pieces = [update async for update in client.stream(HELLO)]
            assert pieces[-1].usage is not None
        else:
            assert (await client.respond(HELLO)).message.text == "Hi"
    request = server.requests[0]
    assert request.path == "/openai/deployments/chat/chat/completions"
    assert request.query == {"api-version": "2024-10-21"}
    assert request.headers["api-key"] == KEY


def test_an_empty_environment_is_told_all_that_it_could_set() -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenAIChatClient.from_env(environ={})
    for name in ("OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"):
        assert name in str(caught.value)


def test_an_environment_without_a_service_asks_for_no_model_when_the_model_is_given() -> None:
    with pytest.raises(ConfigurationError, match="set OPENAI_API_KEY") as caught:
        OpenAIChatClient.from_env(environ={}, model_id="m1")
    assert "OPENAI_MODEL" not in str(caught.value)
    assert "AZURE_OPENAI_DEPLOYMENT" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "named", "unnamed"),
    [
        ({"OPENAI_API_KEY": KEY}, "OPENAI_MODEL is not set: set it to the name of the model", "AZURE"),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://a.example", "AZURE_OPENAI_API_KEY": KEY},
            "Also set AZURE_OPENAI_DEPLOYMENT",
            "remove",
        ),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://a.example", "OPENAI_API_KEY": KEY, "AZURE_OPENAI_DEPLOYMENT": "d"},
            "To use OpenAI, remove AZURE_OPENAI_ENDPOINT",
            "AZURE_OPENAI_DEPLOYMENT",
        ),
        ({"AZURE_OPENAI_API_KEY": KEY}, "AZURE_OPENAI_API_KEY set, but AZURE_OPENAI_ENDPOINT is not", "remove"),
    ],
)
def test_what_is_missing_in_the_environment_is_named_and_nothing_else(
    environ: dict[str, str], named: str, unnamed: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenAIChatClient.from_env(environ=environ)
    assert named in str(caught.value)
    assert unnamed not in str(caught.value)
    assert KEY not in str(caught.value)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, r"api_key is needed.*from_env"),
        ({"azure_endpoint": "https://a.example"}, "api_key is needed"),
        ({"api_key": KEY, "model_id": ""}, "model_id"),
        ({"api_key": f"{KEY}\n"}, "line break"),
        ({"api_key": f"{KEY}ñ"}, "an HTTP header cannot contain"),
        ({"base_url": "localhost:8000"}, "http://"),
        ({"base_url": f"http://me:{KEY}@localhost/v1"}, "contains credentials"),
        ({"base_url": "http://localhost", "azure_endpoint": "http://localhost"}, "base_url and azure_endpoint"),
        ({"api_key": KEY, "api_version": "2024-10-21"}, "api_version"),
        ({"api_key": KEY, "timeout_s": 0}, "timeout_s"),
        ({"api_key": KEY, "max_retries": -1}, "max_retries"),
    ],
)
def test_arguments_that_cannot_work_are_refused_at_once_without_showing_the_key(
    arguments: dict[str, Any], words: str
) -> None:
    model: dict[str, Any] = {"model_id": "m"}
    with pytest.raises(ConfigurationError, match=words) as caught:
        OpenAIChatClient(**model | arguments)
    assert KEY not in str(caught.value)


async def test_a_key_may_be_a_function_that_is_asked_before_each_call(server: ScriptedOpenAIServer) -> None:
    server.default = "Hi"
    tokens = iter(["token-1", "token-2"])

    async def fresh() -> str:
        return next(tokens)

    async with OpenAIChatClient(model_id="m", api_key=fresh, base_url=server.base_url) as client:
        await client.respond(HELLO)
        await client.respond(HELLO)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer token-1", "Bearer token-2"]


async def test_a_given_client_is_used_as_it_is_and_left_open(server: ScriptedOpenAIServer) -> None:
    server.default = "Hi"
    async with AsyncOpenAI(base_url=server.base_url, api_key=KEY) as sdk:
        async with OpenAIChatClient(model_id="m", client=sdk) as client:
            await client.respond(HELLO)
        assert not sdk.is_closed()
    with pytest.raises(ChatClientError, match="closed"):
        await client.respond(HELLO)


async def test_a_given_client_and_settings_are_a_contradiction() -> None:
    async with AsyncOpenAI(base_url="http://localhost", api_key=KEY) as sdk:
        with pytest.raises(ConfigurationError, match="base_url"):
            OpenAIChatClient(model_id="m", client=sdk, base_url="http://localhost")


# What is never shown, and never imported


async def test_the_key_is_in_no_repr_and_no_log(server: ScriptedOpenAIServer, caplog: pytest.LogCaptureFixture) -> None:
    server.default = "Hi"
    caplog.set_level(logging.DEBUG)
    headers = {"X-Other": "other-secret"}
    async with OpenAIChatClient(
        model_id="m", api_key=KEY, base_url=f"{server.base_url}?token={KEY}", default_headers=headers
    ) as client:
        agent = client.create_agent("Doctor", "Be brief.")
        shown = f"{client!r} {client} {agent!r}"
    async with OpenAIChatClient(model_id="m", api_key=KEY, base_url=server.base_url) as client:
        await client.respond(HELLO)
    assert KEY not in shown
    assert "other-secret" not in shown
    assert caplog.records
    assert KEY not in caplog.text


@pytest.mark.parametrize("missing", ["openai", "pybase64"])
def test_without_the_extra_the_import_says_what_to_install(missing: str) -> None:
    program = f"""
import sys
sys.modules["{missing}"] = None
import recuerda
try:
    import recuerda.openai
except ImportError as error:
    assert isinstance(error, recuerda.MissingExtraError)
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert 'pip install "recuerda[openai]"' in done.stdout


def test_importing_recuerda_does_not_import_the_sdk() -> None:
    program = "import sys, recuerda; assert 'openai' not in sys.modules; import recuerda.openai; sys.modules['openai']"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
