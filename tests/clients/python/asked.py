"""The questions that every Python client asks, and the runner of a client's features.

A client's script has one function for each feature. It asks through the client, and returns the answer as a text. The
runner prints each answer, or the error in its place, as one line of JSON. `tests/clients/table.py` has the texts that
must come.
"""

# The answers of a feature have any type.
# pyright: basic
from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable

BASE_URL = os.environ["OPENAI_BASE_URL"]
KEY = os.environ["OPENAI_API_KEY"]
MODEL = "gpt-4.1"

GREETING = "Say hello."
WEATHER = "What is the weather in Paris and in Rome?"
CAPTAIN = "Who is the captain?"
NAME = "My name is Riker."
WHO = "What is my name?"
LOOK = "What do you see?"
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg=="
PICTURE_URL = f"data:image/png;base64,{PICTURE}"


def weather_in(city: str) -> str:
    """Return the weather in a city."""
    return {"Paris": "sunny", "Rome": "rainy"}[city]


def joined(pieces: list[str]) -> str:
    """Return the text of a stream, which must have come in several pieces."""
    pieces = [piece for piece in pieces if piece]
    if len(pieces) < 2:
        raise AssertionError(f"the text came in {len(pieces)} pieces")
    return "".join(pieces)


def run(*features: Callable[[], object]) -> None:
    """Run the features that the command line names, or all of them, and print what each returns."""
    with asyncio.Runner() as runner:
        for feature in features:
            if len(sys.argv) < 2 or feature.__name__ in sys.argv[1:]:
                print(json.dumps({"feature": feature.__name__, **_result(feature, runner)}), flush=True)  # noqa: T201


def _result(feature: Callable[[], object], runner: asyncio.Runner) -> dict[str, object]:
    try:
        got = feature()
        return {"got": runner.run(got) if inspect.iscoroutine(got) else got}
    except Exception as error:  # noqa: BLE001 - the test reports it
        return {"error": f"{type(error).__name__}: {error}"[:2000], "at": traceback.format_exc()[-2500:]}
