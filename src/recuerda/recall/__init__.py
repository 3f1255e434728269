"""Our own long-term memory: what was said, across a user's threads, found by words, time, speaker and meaning.

`RecallProvider` gives it to an agent. `RecallIndex` is what an index has to offer, and `SQLiteRecallIndex` the one that
is embedded.
"""
