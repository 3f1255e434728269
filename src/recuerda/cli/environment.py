"""The settings around the command line: `.env` in the current folder, and the folder for the user's data.

`.env` holds lines of the form `NAME=value`. Comments with `#`, quotes and a leading `export` are allowed. Only names
that start with OPENAI_, AZURE_OPENAI_ or RECUERDA_ are used. A variable of the environment wins over the file, and no
value is ever shown. The file cannot set a service's address when the service's key comes from the environment.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from urllib.parse import quote

from recuerda.cli.output import warn
from recuerda.errors import ConfigurationError

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>(?:AZURE_OPENAI|OPENAI|RECUERDA)_\w+)\s*=\s*"""
    r"""(?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'|(?P<plain>[^#\n]*?))\s*(?:\#.*)?"""
)

_ADDRESSES = {"OPENAI_API_KEY": "OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY": "AZURE_OPENAI_ENDPOINT"}


def read_env(text: str) -> dict[str, str]:
    """Return the settings in the text of a `.env` file."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {match["name"]: match["double"] or match["single"] or match["plain"] or "" for match in found if match}


def load_env_file(path: Path, environ: MutableMapping[str, str] = os.environ) -> None:
    """Add the settings of a `.env` file to an environment. Variables that are set already stay unchanged."""
    if not path.is_file():
        return
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        warn(f"{path} cannot be read ({error.strerror}), so it is ignored")
        return
    # A file in any folder must not make us send a key from the user's environment to an address in that file.
    refused = {address for key, address in _ADDRESSES.items() if key in environ}
    for name, value in read_env(text).items():
        if "\0" not in value and name not in refused:
            environ.setdefault(name, value)


def default_storage_url(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str:
    """Return the URL of the SQLite file in the user's data folder.

    Raises:
        ConfigurationError: the folder is not known, as for a user without a name in a container.
    """
    try:
        path = (_data_folder(environ, platform) / "recuerda" / "memory.db").absolute()
    except RuntimeError as error:
        raise ConfigurationError(f"{error}: set HOME or RECUERDA_STORAGE, or give --storage") from None
    return "sqlite:///" + quote(path.as_posix(), safe="/:")


def _data_folder(environ: Mapping[str, str], platform: str) -> Path:
    if given := environ.get("XDG_DATA_HOME"):
        return Path(given)
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "share"
