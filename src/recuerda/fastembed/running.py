"""A model that is loaded once, when it is first needed, and runs in a thread beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from recuerda.errors import ConfigurationError, RecuerdaError
from recuerda.ids import check_limit

AnyModel = TypeVar("AnyModel")
AnyAnswer = TypeVar("AnyAnswer")

MAX_CHARACTERS = 100_000  # a model cuts a text after a few hundred or thousand tokens anyway


class Running(Generic[AnyModel]):
    """A model of fastembed. Several event loops and threads may use it at once.

    Args:
        model_id: the model's name, for errors.
        load: loads the model.
        folder: the folder that holds the model's files; None for the model's hub. It is for errors.
        error: the class of the errors.
    """

    def __init__(
        self, model_id: str, load: Callable[[], AnyModel], *, folder: str | None, error: type[RecuerdaError]
    ) -> None:
        self._model_id = model_id
        self._load = load
        self._folder = folder
        self._error = error
        self._mutex = threading.Lock()
        self._model: AnyModel | None = None

    async def load(self) -> None:
        """Load the model, unless it is loaded already."""
        await asyncio.to_thread(self._loaded)

    async def call(self, ask: Callable[[AnyModel], AnyAnswer]) -> AnyAnswer:
        """Return the answer of the model, which is loaded first if need be."""
        return await asyncio.to_thread(self._asked, ask)

    def _asked(self, ask: Callable[[AnyModel], AnyAnswer]) -> AnyAnswer:
        model = self._loaded()
        try:
            return ask(model)
        except Exception as error:
            raise self._error(f"the model {self._model_id} failed ({type(error).__name__})") from error

    def _loaded(self) -> AnyModel:
        with self._mutex:
            if self._model is None:
                self._model = self._try_to_load()
            return self._model

    def _try_to_load(self) -> AnyModel:
        try:
            return self._load()
        except Exception as error:  # ONNX Runtime and tokenizers raise no more specific class.
            raise self._error(
                f"the model {self._model_id} cannot be loaded from {self._folder or 'its hub'} "
                f"({type(error).__name__}): check the network, or give folder= a folder with the model's files"
            ) from error


def model_options(folder: str | Path | None, cache_folder: str | Path | None, threads: int) -> dict[str, Any]:
    """Return fastembed's options for a model.

    Raises:
        ConfigurationError: there is no such folder.
        InvalidInput: `threads` is below 1.
    """
    return {
        "cache_dir": None if cache_folder is None else str(cache_folder),
        "threads": check_limit(threads, "threads"),
        "specific_model_path": existing_folder(folder),
    }


def existing_folder(folder: str | Path | None) -> str | None:
    """Return the path of a folder that holds a model's files; None if None is given.

    Raises:
        ConfigurationError: there is no such folder.
    """
    if folder is not None and not Path(folder).is_dir():
        raise ConfigurationError(f"there is no folder {folder}: give the folder that holds the model's files")
    return None if folder is None else str(folder)


def encodable(text: str) -> str:
    """Return a text that a tokenizer accepts: of a bounded length, and without lone surrogates."""
    return text[:MAX_CHARACTERS].encode(errors="replace").decode()
