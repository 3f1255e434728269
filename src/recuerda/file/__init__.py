"""Threads in plain files, one of JSON Lines each: for people who like to look, and for `grep` and `jq`.

`FileStorage` is what there is to use. A thread is one file, whole: a first line of settings, then a line per record.
`lines.py` has the lines' format; `log.py` reads a file, `writing.py` adds to it, `rewrite.py` makes its next version;
`folder.py` does what a storage does with them. `names.py`, `locks.py` and `disk.py` are what the operating system is
asked for.
"""

from recuerda.file.storage import FileStorage

__all__ = ["FileStorage"]
