"""The examination of threads: damage, leftovers, and turns that wait, each with an explanation and the next step."""

from recuerda.examination.examining import (
    DRAFTS,
    REPAIRABLE,
    Examined,
    Finding,
    Kind,
    examine,
    load_files,
    orphans_of,
)
from recuerda.examination.unfinished import is_sealed, read_pending, shown_age, told_call, told_pending

__all__ = [
    "DRAFTS",
    "REPAIRABLE",
    "Examined",
    "Finding",
    "Kind",
    "examine",
    "is_sealed",
    "load_files",
    "orphans_of",
    "read_pending",
    "shown_age",
    "told_call",
    "told_pending",
]
