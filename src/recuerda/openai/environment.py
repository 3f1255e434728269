"""The settings of a service from environment variables, for OpenAI and for Azure OpenAI.

Azure OpenAI is meant when `AZURE_OPENAI_ENDPOINT` is set, and OpenAI otherwise. So a program that has a key of OpenAI
in its environment all the time goes to Azure by setting one variable, and back by removing it. A variable that is
blank counts as not set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from recuerda.errors import ConfigurationError


class EnvironmentSettings(TypedDict, total=False):
    """What the environment says, as arguments of `OpenAIChatClient`."""

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
        model_id: the model, or Azure's deployment, instead of the environment's.

    Raises:
        ConfigurationError: variables are missing; the text names each of them, and never a value.
    """
    found = {name: value.strip() for name, value in environ.items() if value.strip()}
    if "AZURE_OPENAI_ENDPOINT" in found:
        return _azure(found, model_id)
    has_openai = "OPENAI_API_KEY" in found or "OPENAI_BASE_URL" in found
    if not has_openai:
        halfway = [name for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT") if name in found]
        hint = f" ({' and '.join(halfway)} set, but AZURE_OPENAI_ENDPOINT is not.)" if halfway else ""
        raise ConfigurationError(
            "no model service is configured in the environment. "
            "For OpenAI set OPENAI_API_KEY and OPENAI_MODEL; "
            "for a compatible server OPENAI_BASE_URL and OPENAI_MODEL (and OPENAI_API_KEY if it wants one); "
            "for Azure OpenAI AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and AZURE_OPENAI_DEPLOYMENT." + hint
        )
    model = model_id or found.get("OPENAI_MODEL") or found.get("OPENAI_CHAT_MODEL_ID")
    if model is None:
        raise ConfigurationError(
            "OPENAI_MODEL is missing: set it to a model's name (OPENAI_CHAT_MODEL_ID is read too), or give model_id="
        )
    return EnvironmentSettings(
        model_id=model,
        api_key=found.get("OPENAI_API_KEY"),
        base_url=found.get("OPENAI_BASE_URL"),
        organization=found.get("OPENAI_ORG_ID"),
    )


def _azure(found: Mapping[str, str], model_id: str | None) -> EnvironmentSettings:
    needed = {
        "AZURE_OPENAI_API_KEY": "one of the resource's two keys",
        "AZURE_OPENAI_DEPLOYMENT": "the deployment's name, or give model_id=",
    }
    if model_id is not None:
        del needed["AZURE_OPENAI_DEPLOYMENT"]
    missing = [f"{name} ({what})" for name, what in needed.items() if name not in found]
    if missing:
        other = " Or remove AZURE_OPENAI_ENDPOINT to use OpenAI." if "OPENAI_API_KEY" in found else ""
        raise ConfigurationError(
            f"AZURE_OPENAI_ENDPOINT is set, so Azure OpenAI is meant; missing: {', '.join(missing)}.{other}"
        )
    return EnvironmentSettings(
        model_id=model_id or found["AZURE_OPENAI_DEPLOYMENT"],
        api_key=found["AZURE_OPENAI_API_KEY"],
        azure_endpoint=found["AZURE_OPENAI_ENDPOINT"],
        api_version=found.get("OPENAI_API_VERSION"),
    )
