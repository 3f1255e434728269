"""The storage contract. A storage is the home of many threads, and knows nothing about messages.

`open_storage` opens a storage by its URL. A storage of your own is a subclass of `Storage`. Copies and retention work
on every storage.
"""

from recuerda.storage.contract import Erasure, Storage, system_clock
from recuerda.storage.copying import Copied, copy_thread, copy_threads
from recuerda.storage.hooks import Clock
from recuerda.storage.leases import Lease
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import (
    Appended,
    Draft,
    DraftStep,
    NewRecord,
    NewTurn,
    ReadQuery,
    ThreadChanges,
    ThreadInfo,
    ThreadPage,
    ThreadSlice,
    TurnRecord,
)
from recuerda.storage.registry import open_storage
from recuerda.storage.retention import Retained, RetentionPolicy
from recuerda.storage.thread_log import ThreadLog, list_infos

__all__ = [
    "Appended",
    "Clock",
    "Copied",
    "Draft",
    "DraftStep",
    "Erasure",
    "Lease",
    "MemoryStorage",
    "NewRecord",
    "NewTurn",
    "ReadQuery",
    "Retained",
    "RetentionPolicy",
    "Storage",
    "ThreadChanges",
    "ThreadInfo",
    "ThreadLog",
    "ThreadPage",
    "ThreadSlice",
    "TurnRecord",
    "copy_thread",
    "copy_threads",
    "list_infos",
    "open_storage",
    "system_clock",
]
