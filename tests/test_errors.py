"""Errors travel: between processes, in copies, with their fields."""

from __future__ import annotations

import copy
import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest

from recuerda import errors

SAMPLES: list[errors.RecuerdaError] = [
    errors.MissingExtraError(module="recuerda.redis", extra="redis"),
    errors.EncodeError("messages[1]", "it is a set"),
    errors.ThreadConflict("t", expected=1, actual=2),
    errors.TurnDropped("t", turn_id="x", number=3),
    errors.TurnGone("t", turn=3, revision=4),
    errors.ThreadNotFound("t"),
    errors.CorruptTurn("t", 1, "it is no JSON"),
    errors.DecryptionError("t", None, "its key is missing"),
    errors.ChatClientError("overloaded", status=503),
    errors.EmbedderError("too many requests", status=429, retry_after_s=2.5),
    errors.ServiceThreadNotFound("conv_1", thread_id="t", status=404),
    errors.ThreadDiverged("t", "conv_1", "part 1 is another one"),
    errors.TurnPending("t", turn_id="x", step=1, age=timedelta(hours=1), waiting=("c1",)),
    errors.DraftConflict("t", turn_id="x", number=1),
    errors.AlreadyDecided("t", call_id="c", decision="approved", decided_by="ana", decided_at=datetime.now(UTC)),
    errors.ToolOutcomeUnknown("t", call_id="c", name="pay", arguments={"euros": 9}),
    errors.OutputError("Trip", reason="Expected `int` - at `$.days`", field="days"),
    errors.OutputRefused("Trip"),
    errors.UsageLimitExceeded("request_limit", allowed=2, used=2),
    errors.RunLimitError(3),
]
PLAIN = [
    kind("a text")
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.RecuerdaError) and "__init__" not in vars(kind) and not issubclass(kind, ImportError)
    if kind not in {type(sample) for sample in SAMPLES}
]


def test_an_error_survives_pickling_and_copying() -> None:
    for error in (*SAMPLES, *PLAIN):
        for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(other) is type(error)
            assert (str(other), vars(other), other.args) == (str(error), vars(error), error.args)


def test_every_kind_of_error_is_tried() -> None:
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RecuerdaError)}
    assert {type(error) for error in (*SAMPLES, *PLAIN)} == kinds


def _conflict() -> None:
    raise SAMPLES[2]


def test_an_error_leaves_a_process_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(errors.ThreadConflict) as error:
        pool.submit(_conflict).result()
    assert (error.value.expected, error.value.actual) == (1, 2)
