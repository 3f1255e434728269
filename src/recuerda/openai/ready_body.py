"""Messages as a part of the request's body that the SDK sends as it is.

The SDK looks at each field of each message, to rename fields and to read files. Our messages are ready JSON, and to
look at 20 of them takes eight times as long as the rest of a call. The fields of `extra_body` are sent as they are.

Some programs record the calls of an application. For this they replace methods of the SDK, and look for the messages
among the arguments, so then the messages stay there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, cast

import openai
from openai import AsyncOpenAI

_SDK = f"{Path(openai.__file__).parent}{os.sep}"


def with_ready(arguments: Mapping[str, Any], field: str, *, create: object, sdk: AsyncOpenAI) -> Mapping[str, Any]:
    """Return the arguments of `create` with a field as a part of the body that is ready.

    Args:
        arguments: the arguments of a call. A field that the caller gives in `extra_body` stays as it is.
        field: the name of the argument that holds the messages.
        create: the method that is going to be called.
        sdk: the client to which the method belongs.
    """
    given: object = arguments.get("extra_body") or {}
    if not isinstance(given, Mapping) or not all(map(is_sdks_own, (create, sdk.post, sdk.request))):
        return arguments
    body = {field: arguments[field], **cast("Mapping[str, Any]", given)}
    return {**arguments, field: (), "extra_body": body}


def is_sdks_own(method: object) -> bool:
    """Return whether a method is the one that the SDK has defined."""
    function = method.__func__ if type(method) is MethodType else None
    return isinstance(function, FunctionType) and function.__code__.co_filename.startswith(_SDK)
