"""The settings of a service from environment variables, for OpenAI and for Azure OpenAI.

`AZURE_OPENAI_ENDPOINT` decides: if it is set, the service is Azure OpenAI, and otherwise OpenAI or a compatible server.
So setting this one variable moves a program with an OpenAI key in its environment to Azure, and removing it moves the
program back. A blank variable counts as not set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from recuerda.errors import ConfigurationError


class EnvironmentSettings(TypedDict, total=False):
    """The settings that the environment holds, as arguments of `OpenAIChatClient`."""

    model_id: str
    api_key: str | None
    base_url: str | None
    azure_endpoint: str | None
    api_version: str | None
    organization: str | None


def read_environment(environ: Mapping[str, str], *, model_id: str | None = None) -> EnvironmentSettings:
    """Return the settings that the variables hold.

    Args:
        environ: the variables.
        model_id: the model, or the deployment on Azure; it takes precedence over the environment. If None, the
            environment decides.

    Raises:
        ConfigurationError: variables are not set. The text names each missing variable and shows no value.
    """
    found = {name: value.strip() for name, value in environ.items() if value.strip()}
    if "AZURE_OPENAI_ENDPOINT" in found:
        return _azure(found, model_id)
    return _openai(found, model_id)


def _openai(found: Mapping[str, str], model_id: str | None) -> EnvironmentSettings:
    if "OPENAI_API_KEY" not in found and "OPENAI_BASE_URL" not in found:
        raise ConfigurationError(_nothing_set(found, model_id))
    model = model_id or found.get("OPENAI_MODEL") or found.get("OPENAI_CHAT_MODEL_ID")
    if model is None:
        raise ConfigurationError(
            "OPENAI_MODEL is not set: set it to the name of the model to use (OPENAI_CHAT_MODEL_ID is read as well), "
            "or pass model_id="
        )
    return EnvironmentSettings(
        model_id=model,
        api_key=found.get("OPENAI_API_KEY"),
        base_url=found.get("OPENAI_BASE_URL"),
        organization=found.get("OPENAI_ORG_ID"),
    )


def _nothing_set(found: Mapping[str, str], model_id: str | None) -> str:
    """Return the text of the error when neither OpenAI, a compatible server nor Azure OpenAI is configured."""
    model = "" if model_id else " and OPENAI_MODEL"
    keys = " and AZURE_OPENAI_API_KEY" if model_id else ", AZURE_OPENAI_API_KEY and AZURE_OPENAI_DEPLOYMENT"
    halfway = [name for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT") if name in found]
    hint = f" {' and '.join(halfway)} set, but AZURE_OPENAI_ENDPOINT is not." if halfway else ""
    return (
        f"no model service is configured in the environment.{hint} For OpenAI, set OPENAI_API_KEY{model}. "
        f"For a compatible server, set OPENAI_BASE_URL{model}, and OPENAI_API_KEY if the server wants a key. "
        f"For Azure OpenAI, set AZURE_OPENAI_ENDPOINT{keys}."
    )


def _azure(found: Mapping[str, str], model_id: str | None) -> EnvironmentSettings:
    needed = {
        "AZURE_OPENAI_API_KEY": "one of the two keys of the resource",
        "AZURE_OPENAI_DEPLOYMENT": "the name of the deployment, or pass model_id=",
    }
    if model_id is not None:
        del needed["AZURE_OPENAI_DEPLOYMENT"]
    missing = [f"{name} ({what})" for name, what in needed.items() if name not in found]
    if missing:
        other = " To use OpenAI, remove AZURE_OPENAI_ENDPOINT." if "OPENAI_API_KEY" in found else ""
        raise ConfigurationError(
            f"AZURE_OPENAI_ENDPOINT is set, so the client uses Azure OpenAI. Also set {' and '.join(missing)}.{other}"
        )
    return EnvironmentSettings(
        model_id=model_id or found["AZURE_OPENAI_DEPLOYMENT"],
        api_key=found["AZURE_OPENAI_API_KEY"],
        azure_endpoint=found["AZURE_OPENAI_ENDPOINT"],
        api_version=found.get("OPENAI_API_VERSION"),
    )
