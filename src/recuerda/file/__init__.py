"""A storage of plain files, for people who like to read their threads, and for `grep` and `jq`.

Each thread is one file of JSON Lines: a first line of settings, then one line for each record. `lines.py` defines the
lines. `log.py` reads a file, `writing.py` adds to it, and `rewrite.py` makes its next version. `folder.py` builds the
operations of a storage from these modules. `names.py`, `locks.py` and `disk.py` deal with the operating system.
"""

from recuerda.file.storage import FileStorage

__all__ = ["FileStorage"]
