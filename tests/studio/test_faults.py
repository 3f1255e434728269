"""Refusals: they name the thing, they say the next step, and a page says them in the reader's language."""

from __future__ import annotations

import re
from html import unescape

import httpx2
import pytest

from recuerda import Storage, ThreadOwnershipError
from recuerda.errors import CorruptTurn, StorageUnavailable
from recuerda.studio.faults import Fault, fault_of
from recuerda.studio.rendering import ROOT
from recuerda.studio.words import LANGUAGES, WORDS
from tests.studio.client import settings_of, studio_client

MISSING = {
    "/nowhere": ("There is no page", "list of threads", "No hay ninguna página"),
    "/threads/nobody": ("no thread 'nobody'", "list of threads finds", "ningún hilo 'nobody'"),
    "/threads/nobody/seen": ("no thread 'nobody'", "list of threads finds", "ningún hilo 'nobody'"),
    "/threads/bill/turns/9": ("'bill' has no turn 9", "page of the thread", "'bill' no tiene el turno 9"),
    "/threads/bill/turns/1/files/3": ("has no file 3", "page of the turn", "no tiene aquí el archivo 3"),
    "/threads/a%00b": ("can have this id", "cut off", "puede tener este id"),
}


@pytest.mark.parametrize("path", MISSING)
async def test_what_is_missing_is_named_and_the_next_step_is_said(client: httpx2.AsyncClient, path: str) -> None:
    said, next_step, in_spanish = MISSING[path]
    for language in LANGUAGES:
        answer = await client.get(path, params={"lang": language})
        text = unescape(answer.text)
        assert answer.status_code == 404
        assert ((said in text), (next_step in text), (in_spanish in text)) == (
            (True, True, False) if language == "en" else (False, False, True)
        )


async def test_a_program_gets_english_whatever_its_reader_prefers(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/threads/nobody", params={"lang": "es"}, headers={"accept-language": "es"})
    assert answer.json()["error"] == {
        "status": 404,
        "kind": "not_found",
        "message": "There is no thread 'nobody' here.",
        "next_step": "It may have been deleted, or be in another storage. The list of threads finds a part of an id or "
        "of a title.",
    }


async def test_a_thread_of_another_user_is_refused_in_the_same_words_as_one_that_does_not_exist(
    storage: Storage,
) -> None:
    async with studio_client(settings_of(storage, user_id="ana")) as client:
        texts = {name: (await client.get(f"/api/threads/{name}")).json()["error"] for name in ("bill", "none")}
    texts["none"]["message"] = texts["none"]["message"].replace("'none'", "'bill'")
    assert texts["bill"] == texts["none"]
    owned = fault_of(ThreadOwnershipError("thread 'bill' belongs to ben"), "bill")
    assert (owned.status, owned.message("en")) == (404, texts["bill"]["message"])


def test_an_error_of_the_library_keeps_its_text_behind_words_in_the_readers_language() -> None:
    for error, status, words in (
        (CorruptTurn("t", 3, "no JSON"), 409, "Lo que está guardado no se puede leer."),
        (StorageUnavailable("the server is away: start it"), 503, "El almacén no responde."),
    ):
        fault = fault_of(error)
        assert (fault.status, fault.message("en")) == (status, str(error))
        assert fault.message("es") == f"{words} En detalle: {error}"


def test_an_unknown_error_shows_its_kind_alone() -> None:
    fault = fault_of(RuntimeError("password=hunter2"))
    assert [fault.message(language) for language in LANGUAGES] == [
        "The page failed with RuntimeError.",
        "La página falló con RuntimeError.",
    ]
    assert "hunter2" not in f"{fault!r} {fault.next_step('en')}"


def test_each_refusal_has_its_text_and_a_next_step() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py") if path.parent.name != "words")
    keys = set(re.findall(r'"(fault\.[a-z-]+)"', sources))
    assert {key for key in WORDS if key.startswith("fault.") and not key.endswith(".next")} == keys
    # The errors of the library say their next step themselves.
    own = {"conflict", "sealed", "damaged", "unavailable", "not-possible", "invalid"} | {"refused"}
    assert {key for key in keys if f"{key}.next" not in WORDS} == {f"fault.{name}" for name in own}
    assert Fault(404, "not_found", "fault.refused").next_step("en") is None
