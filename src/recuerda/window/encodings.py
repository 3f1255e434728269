"""Encodings of `tiktoken`, where they are to be had without a network.

tiktoken downloads an encoding's file when it is first asked for, which an application that only wants to count must
never be surprised by: it may be offline, and the download may hang. So it is asked only for encodings that it has
loaded already, or whose files lie whole in its own cache folder. What these files are is in tiktoken's constructors: an
address, and the hash of what is there.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from recuerda.errors import ConfigurationError

_ADDRESS = re.compile(r"[a-z]+://.+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SAME_TOKENS = {"o200k_harmony": "o200k_base"}
"""Encodings that differ from another one by special tokens alone, which texts don't have."""


class TextEncoding(Protocol):
    """What is needed of an encoding: `tiktoken.Encoding` has it."""

    def encode_ordinary(self, text: str, /) -> Sequence[int]:
        """Return the tokens of a text, in which nothing is special."""
        ...


def find_encoding(given: TextEncoding | str | None, model_id: str | None) -> TextEncoding | None:
    """Return an encoding: the one given, or that of the name or the model, if it is on this machine; else None.

    Raises:
        ConfigurationError: tiktoken is installed and knows no encoding of the given name.
    """
    if given is not None and not isinstance(given, str):
        return given
    if (given is None and model_id is None) or find_spec("tiktoken") is None:
        return None
    name = given or _name_for(model_id or "")
    if name is None:
        return None
    registry = importlib.import_module("tiktoken.registry")
    name = _SAME_TOKENS.get(name, name)
    known = cast("list[str]", registry.list_encoding_names())
    loaded = cast("dict[str, TextEncoding]", registry.ENCODINGS)
    if name in loaded:
        return loaded[name]
    if name not in known:
        raise ConfigurationError(f"tiktoken knows no encoding {name!r}; it has {', '.join(known)}")
    constructor = cast("dict[str, Callable[[], object]]", registry.ENCODING_CONSTRUCTORS)[name]
    return cast("TextEncoding", registry.get_encoding(name)) if _is_local(constructor) else None


def _name_for(model_id: str) -> str | None:
    model = importlib.import_module("tiktoken.model")
    try:
        return cast("str", model.encoding_name_for_model(model_id))
    except KeyError:
        return None


def _is_local(constructor: Callable[[], object]) -> bool:
    """Say whether every file that an encoding is made of lies in tiktoken's cache, undamaged.

    A damaged one would be deleted and downloaded again. A constructor in which no address is found is not trusted.
    """
    code = getattr(constructor, "__code__", None)
    texts = [value for value in getattr(code, "co_consts", ()) if isinstance(value, str)]
    addresses = [text for text in texts if _ADDRESS.fullmatch(text)]
    hashes = {text for text in texts if _SHA256.fullmatch(text)}
    folder = _cache_folder()
    return bool(addresses) and folder is not None and all(_is_whole(folder, each, hashes) for each in addresses)


def _is_whole(folder: Path, address: str, hashes: set[str]) -> bool:
    # The name is tiktoken's, which is no matter of security.
    path = folder / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() in hashes
    except OSError:
        return False


def _cache_folder() -> Path | None:
    """Return tiktoken's cache folder; None when it is told to have none."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable]) if os.environ[variable] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"
