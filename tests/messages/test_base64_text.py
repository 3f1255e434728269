"""The base64 text of files, which is made once while a file is in use."""

from __future__ import annotations

import gc
from base64 import b64encode

import pytest

from recuerda import DataContent
from recuerda.messages import base64_text as module
from recuerda.messages.base64_text import base64_text

BYTES = bytes(range(256)) * 40
TEXT = b64encode(BYTES).decode()


def remembered() -> list[str]:
    gc.collect()
    return [text for _, text in module._texts.values()]  # pyright: ignore[reportPrivateUsage]  # the memory is not public


def test_a_text_is_made_once_and_goes_with_its_file() -> None:
    part = DataContent(BYTES, "image/png")
    assert base64_text(part) == TEXT
    assert base64_text(part) is base64_text(part)
    assert TEXT in remembered()
    del part
    assert TEXT not in remembered()


def test_a_small_file_and_bytes_that_may_change_are_not_remembered() -> None:
    changing = bytearray(BYTES)
    part = DataContent(changing, "image/png")  # pyright: ignore[reportArgumentType]  # callers without a checker
    assert base64_text(part) == TEXT
    changing[:] = b"other"
    assert base64_text(part) == b64encode(b"other").decode()
    small = DataContent(b"small", "image/png")
    assert base64_text(small) is not base64_text(small)
    assert remembered() == []


def test_the_oldest_texts_are_forgotten_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHARACTERS", 2 * len(TEXT))
    parts = [DataContent(BYTES, "image/png", str(number)) for number in range(3)]
    first, *others = [base64_text(part) for part in parts]
    assert remembered() == others
    assert base64_text(parts[0]) == first
    assert len(remembered()) == 2
