"""Bearer tokens for HTTP, and the scope of each of them.

A token file holds only the hashes of tokens:

    [tokens.laptop]
    hash = "sha256:2bb8…"
    user = "ana"
    namespace = "work"     # these three may be left out
    reads = ["default"]
    agent = "claude"
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from recuerda._drivers.bearer_keys import BearerKeys, new_key, read_digest, written_digest
from recuerda.errors import ConfigurationError, InvalidInput
from recuerda.mcp_server.scope import Scope

if TYPE_CHECKING:
    from mcp.server.auth.provider import AccessToken

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELDS = {"hash", "user", "namespace", "reads", "agent"}


class Tokens:
    """The tokens that the server accepts. This is the SDK's `TokenVerifier`.

    Args:
        path: the token file.

    Raises:
        ConfigurationError: the file is invalid. The error names the token's name and shows no token.
    """

    def __init__(self, path: Path) -> None:
        self._scopes = _read(path)
        self._names = BearerKeys({digest: name for name, (digest, _) in self._scopes.items()})

    def __len__(self) -> int:
        return len(self._scopes)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the holder of a token; None if nobody has it."""
        from mcp.server.auth.provider import AccessToken

        name = self._names.holder_of(token)
        if name is None:
            return None
        return AccessToken(token=token, client_id=name, scopes=[], subject=self._scopes[name][1].user_id)

    def scope(self) -> Scope:
        """Return the scope of the request that is being answered.

        Raises:
            ConfigurationError: the request has no token.
        """
        from mcp.server.auth.middleware.auth_context import get_access_token

        found = get_access_token()
        if found is None or found.client_id not in self._scopes:
            raise ConfigurationError("the request has no token of this server: send it as a bearer token")
        return self._scopes[found.client_id][1]


def make_token(name: str, scope: Scope) -> tuple[str, str]:
    """Return a new token, and the lines for the token file that make the server accept it.

    Raises:
        ConfigurationError: the name cannot be used.
    """
    token = new_key()
    lines = [f"[tokens.{_checked(name)}]", f'hash = "{written_digest(token)}"', f"user = {_toml(scope.user_id)}"]
    lines.append(f"namespace = {_toml(scope.namespace)}")
    if scope.reads:
        lines.append(f"reads = [{', '.join(map(_toml, scope.reads))}]")
    if scope.agent is not None:
        lines.append(f"agent = {_toml(scope.agent)}")
    return token, "\n".join(lines)


def _read(path: Path) -> dict[str, tuple[str, Scope]]:
    """Return the digest and the scope of each token."""
    try:
        content: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"the token file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # The parser's error may quote a piece of the file.
        raise ConfigurationError(f"the token file {path} is not valid TOML") from None
    tokens = content.get("tokens")
    if not isinstance(tokens, dict) or not tokens:
        raise ConfigurationError(
            f"the token file {path} has no table [tokens.NAME]: `recuerda mcp --new-token NAME` makes a token and "
            "prints its table"
        )
    found: dict[str, tuple[str, Scope]] = {}
    for name, table in cast("dict[str, object]", tokens).items():
        digest, scope = _entry(_checked(name), table, path)
        if digest in (known for known, _ in found.values()):
            raise ConfigurationError(f"two names in {path} have the same token, one of them is {name!r}")
        found[name] = (digest, scope)
    return found


def _entry(name: str, table: object, path: Path) -> tuple[str, Scope]:
    fields = cast("dict[str, object]", table) if isinstance(table, dict) else {}
    where = f"[tokens.{name}] in {path}"
    if unknown := fields.keys() - _FIELDS:
        raise ConfigurationError(f"{where} has the unknown field {min(unknown)!r}: the fields are {sorted(_FIELDS)}")
    digest = read_digest(fields.get("hash"))
    if digest is None:
        raise ConfigurationError(f'{where} needs a hash of the form "sha256:" and 64 digits')
    reads = fields.get("reads", [])
    if not isinstance(reads, list):
        raise ConfigurationError(f"{where} needs a list of texts as reads")
    texts = [fields.get("user"), fields.get("namespace", "default"), *cast("list[object]", reads)]
    agent = fields.get("agent")
    if not all(isinstance(text, str) for text in texts) or not (agent is None or isinstance(agent, str)):
        raise ConfigurationError(f"{where} needs a text as user, and texts in its other fields")
    user_id, namespace, *further = cast("list[str]", texts)
    try:
        return digest, Scope(user_id=user_id, namespace=namespace, reads=tuple(further), agent=agent)
    except InvalidInput as error:
        raise ConfigurationError(f"{where} cannot be used: {error}") from None


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name!r} cannot be the name of a token: use up to 64 letters, digits, dashes and underscores"
        )
    return name


def _toml(text: str) -> str:
    """Return a text as a basic string of TOML, which is written like one of JSON, but for one control character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
