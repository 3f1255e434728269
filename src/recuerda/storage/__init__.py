"""The storage contract. A storage is the home of many threads, and knows nothing about messages.

`open_storage` opens a storage by its URL. A storage of your own is a subclass of `Storage`.
"""

from recuerda.storage.contract import Storage, system_clock
from recuerda.storage.drafts import Draft, DraftInfo, DraftPage, DraftStep, first_drafts
from recuerda.storage.erasure import Erasure, Follower, Forgotten
from recuerda.storage.hooks import Clock
from recuerda.storage.leases import Lease, LeaseInfo
from recuerda.storage.operations import (
    Appended,
    Guard,
    NewBodies,
    NewRecord,
    ReadQuery,
    ThreadChanges,
    ThreadSlice,
    UndoneTurn,
)
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import Blob, NewTurn, TurnRecord
from recuerda.storage.registry import open_storage
from recuerda.storage.rules import check_state, check_user
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter, look_through, matching
from recuerda.storage.thread_info import Expected, ThreadInfo, ThreadPage, ThreadParent, Version
from recuerda.storage.thread_log import ThreadLog, list_infos
from recuerda.storage.view import UserStorage

__all__ = [
    "Appended",
    "Blob",
    "Clock",
    "Draft",
    "DraftInfo",
    "DraftPage",
    "DraftStep",
    "Erasure",
    "Expected",
    "Follower",
    "Forgotten",
    "Guard",
    "Lease",
    "LeaseInfo",
    "ListedThreads",
    "MemoryStorage",
    "NewBodies",
    "NewRecord",
    "NewTurn",
    "ReadQuery",
    "Storage",
    "ThreadChanges",
    "ThreadFilter",
    "ThreadInfo",
    "ThreadLog",
    "ThreadPage",
    "ThreadParent",
    "ThreadSlice",
    "TurnRecord",
    "UndoneTurn",
    "UserStorage",
    "Version",
    "check_state",
    "check_user",
    "first_drafts",
    "list_infos",
    "look_through",
    "matching",
    "open_storage",
    "system_clock",
]
