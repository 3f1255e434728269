"""The bench of memories: what it judges by, how it reads conversations, and that both parts run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.__main__ import main as bench
from bench.locomo import judge, load, mean
from bench.recall import MadeUp, main, measure_quality, quality_lines
from bench.results import Report

CONVERSATION: dict[str, Any] = {
    "speaker_a": "Ana",
    "session_2_date_time": "12:05 am on 9 May, 2023",
    "session_2": [{"speaker": "assistant", "dia_id": "D2:1", "text": "The dog is a Dalmatian."}],
    "session_1_date_time": "1:56 pm on 8 May, 2023",
    "session_1": [
        {"speaker": "Ana", "dia_id": "D1:1", "text": "Look at my dog!", "blip_caption": "a dog with spots"},
        {"speaker": "Ben", "dia_id": "D1:2", "text": "I prefer cats, and I paint them."},
    ],
}
QUESTIONS: list[dict[str, Any]] = [
    {"question": "What does Ben paint?", "evidence": ["D1:2"], "category": 4},
    {"question": "Which dog is it?", "evidence": ["D2:01; D:1:1"], "category": 1},
    {"question": "Does Ben have a dog?", "evidence": ["D1:2"], "category": 5},
    {"question": "Who is Eve?", "evidence": ["D9:9"], "category": 4},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.json"
    path.write_bytes(msgspec.json.encode([{"sample_id": "one", "conversation": CONVERSATION, "qa": QUESTIONS}]))
    return path


def test_conversations_are_read_in_order_with_names_roles_times_and_captions(data: Path) -> None:
    (sample,) = load(data)
    assert [(m.id, m.role, m.author) for m in sample.messages] == [
        ("D1:1", "user", "Ana"),
        ("D1:2", "user", "Ben"),
        ("D2:1", "assistant", None),
    ]
    assert sample.messages[0].text == "Look at my dog! [shares a dog with spots]"
    assert sample.messages[0].when == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert sample.messages[2].when == datetime(2023, 5, 9, 0, 5, tzinfo=UTC)


def test_only_questions_with_an_answer_and_evidence_are_asked(data: Path) -> None:
    (sample,) = load(data)
    assert [(q.category, q.evidence) for q in sample.questions] == [
        ("single-hop", ("D1:2",)),
        ("multi-hop", ("D2:1", "D1:1")),
    ]


def test_what_was_found_is_judged_by_its_evidence() -> None:
    judged = judge(["x", "a", *"123456789", "b"], ["a", "b"])
    assert judged.recall == {5: 0.5, 10: 0.5, 20: 1.0}
    assert judged.mrr == 0.5
    assert judged.ndcg == pytest.approx(0.6309 / 1.6309, abs=1e-4)
    assert judge(["x"], ["a"]).mrr == 0.0
    assert mean([judged, judge(["a", "b"], ["a", "b"])]).recall == {5: 0.75, 10: 0.75, 20: 1.0}


def test_both_parts_run_and_print(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.recall._TIMED", 20)  # a test measures nothing
    assert main(["--data", str(data), "--memories", "400", "--users", "2", "--dimensions", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:6] == ["all", "2", "1.000", "1.000", "1.000", "1.000"]
    assert [line.split()[0] for line in lines[2:5]] == ["multi-hop", "single-hop", "one"]
    assert any(" memories of 2 users, " in line for line in lines)
    assert any(line.startswith("with vectors: ") for line in lines)


async def test_questions_about_another_conversation_show_what_a_threshold_does(tmp_path: Path) -> None:
    other = {**CONVERSATION, "session_1": [{"speaker": "Eve", "dia_id": "D1:2", "text": "Two zebras live in Oslo."}]}
    asked = [{"question": "Where do Eve's zebras live?", "evidence": ["D1:2"], "category": 4}]
    path = tmp_path / "two.json"
    path.write_bytes(
        msgspec.json.encode(
            [
                {"sample_id": "one", "conversation": CONVERSATION, "qa": QUESTIONS},
                {"sample_id": "two", "conversation": other, "qa": asked},
            ]
        )
    )
    quality = await measure_quality(path, embedder=Lengths(), folder=tmp_path)
    assert all(kept == 1.0 for kept, _ in [quality.thresholds[0.15]])
    assert quality.embedder_ms is not None
    lines = list(quality_lines(quality))
    assert any(line.startswith("min_relevance=0.5: ") for line in lines)
    assert any(line.startswith("the embedder takes ") for line in lines)


class Lengths:
    """An embedder that knows only how long a text is."""

    model_id = "lengths"

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, float(len(text))] for text in texts]


def test_the_bench_judges_its_promises(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--only", "recall", "--data", str(data), "--memories", "200", "--users", "1", "--dir", str(tmp_path)]
    assert bench([*arguments, "--json", "-"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert [measure.limit for measure in report.measures] == [0.75, 10.0, 30.0, 1.0]
    assert report.measures[0].is_met


def test_made_up_sentences_are_the_same_in_every_run() -> None:
    assert MadeUp(1).sentence() == MadeUp(1).sentence()
    assert MadeUp(1).sentence() != MadeUp(2).sentence()
