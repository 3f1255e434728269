"""The tokens of images, sound and documents, as OpenAI's guide counts them."""

from __future__ import annotations

from base64 import b64encode
from struct import pack

import pytest

from recuerda import ChatMessage, DataContent, FunctionResultContent, HostedFileContent, TextContent, UriContent
from recuerda.messages.extent import extent_of
from recuerda.messages.files import offloaded
from recuerda.messages.message import FileExtent
from recuerda.window.file_tokens import TOKENS_PER_FILE, TOKENS_PER_PAGE, file_tokens
from recuerda.window.tokens import TokenCounter


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + pack(">I4sII", 13, b"IHDR", width, height) + bytes(9)


def wav(seconds: int, rate: int = 32_000) -> bytes:
    fmt = pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate // 2, rate, 2, 16)
    extra = pack("<4sI", b"LIST", 3) + b"abc\0"
    return b"RIFF\0\0\0\0WAVE" + fmt + extra + pack("<4sI", b"data", seconds * rate) + bytes(seconds * rate)


def image(width: int, height: int, detail: str | None = None) -> DataContent:
    return DataContent(png(width, height), "image/png", detail=detail)


def as_url(part: DataContent) -> UriContent:
    uri = f"data:{part.media_type};base64,{b64encode(part.data).decode()}"
    return UriContent(uri, part.media_type, detail=part.detail)


def test_the_extent_is_read_from_the_first_bytes_and_never_fails() -> None:
    jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x11\x08" + pack(">HH", 480, 640) + b"rest"
    webp = {
        b"VP8X\x0a\0\0\0\0\0\0\0" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little"): (640, 480),
        b"VP8L\x05\0\0\0\x2f" + pack("<I", 639 | 479 << 14): (640, 480),
        b"VP8 \x0a\0\0\0abc\x9d\x01\x2a" + pack("<HH", 640, 480 | 1 << 14): (640, 480),
    }
    assert extent_of(png(3, 4), "image/png") == FileExtent(3, 4)
    assert extent_of(b"GIF89a" + pack("<HH", 5, 6), "image/gif") == FileExtent(5, 6)
    assert extent_of(jpeg, "image/jpeg") == FileExtent(640, 480)
    for chunk, size in webp.items():
        assert extent_of(b"RIFF\0\0\0\0WEBP" + chunk, "image/webp") == FileExtent(*size)
    assert extent_of(wav(3), "audio/wav") == FileExtent(duration_ms=3000)
    pdf = b"%PDF-1.4 /Type /Pages /Type/Page /Type /Page>>"
    assert extent_of(pdf, "application/pdf") == FileExtent(pages=2)
    for whole in (png(3, 4), jpeg, wav(0), pdf, *(b"RIFF\0\0\0\0WEBP" + chunk for chunk in webp)):
        for length in range(len(whole)):
            extent_of(whole[:length], "image/png")
    assert extent_of(b"RIFF\0\0\0\0WAVE" + bytes(40), "audio/wav") == FileExtent()


@pytest.mark.parametrize(
    ("model_id", "part", "tokens"),
    [
        (None, image(1024, 1024), 765),
        ("gpt-4o", image(2048, 4096), 1105),
        ("gpt-4o-2024-11-20", image(4096, 8192, "low"), 85),
        ("gpt-4o-mini", image(512, 512), 2833 + 5667),
        ("openai/gpt-5", image(1024, 1024), 70 + 4 * 140),
        ("gpt-4.1-mini", image(1024, 1024), 1659),
        ("o4-mini", image(1800, 2400), 2498),
        ("gpt-5-nano", image(100_000, 1), 3779),
        (None, UriContent("https://e.com/a.png", "image/png"), TOKENS_PER_FILE),
        (None, UriContent("https://e.com/a.png", "image/png", detail="low"), 85),
        (None, as_url(image(1024, 1024)), 765),
        ("gpt-5", as_url(image(1024, 1024, "low")), 70),
        (None, as_url(DataContent(wav(7), "audio/wav")), 70),
        (None, UriContent("data:text/csv,a;b", "text/csv"), TOKENS_PER_FILE),
        (None, HostedFileContent("file-1"), TOKENS_PER_FILE),
        (None, DataContent(wav(7), "audio/wav"), 70),
        (None, DataContent(bytes(32_000), "audio/mpeg"), 20),
        (None, DataContent(b"abcd" * 10, "text/csv"), 10),
        (None, DataContent(b"%PDF /Type /Page /Type /Page ", "application/pdf"), 2 * TOKENS_PER_PAGE),
    ],
)
def test_a_file_costs_what_the_guide_says(model_id: str | None, part: DataContent, tokens: int) -> None:
    assert file_tokens(part, model_id) == tokens
    (stored,), _ = offloaded([ChatMessage("user", [part])])
    counter = TokenCounter().for_model(model_id)
    assert counter.count([stored]) == counter.count([ChatMessage("user", [part])]) == 4 + tokens


def test_the_files_of_a_result_are_counted() -> None:
    result = FunctionResultContent("c", parts=(TextContent("Look:"), image(1024, 1024)))
    assert TokenCounter().count([ChatMessage("tool", [result])]) > 765


def test_an_exact_counter_counts_images_as_its_model_does() -> None:
    counter = TokenCounter(len)
    assert counter.for_model("gpt-5").count([ChatMessage("user", [image(1024, 1024)])]) == 4 + 70 + 4 * 140
    assert counter.for_model("gpt-5") is counter.for_model("gpt-5").for_model("gpt-5")
    assert counter.for_model("gpt-5").is_exact
