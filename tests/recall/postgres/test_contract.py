"""What holds for memories in SQLite holds for those in PostgreSQL: the same cases, on the other index.

Taken over is every case that talks of memories and not of the files that SQLite keeps them in.
"""

from tests.recall import (
    test_about_me,
    test_chats,
    test_following,
    test_forgetting,
    test_meaning,
    test_scopes,
    test_search,
)
from tests.recall.postgres.taking_over import cases

taken_over = [test_about_me, test_chats, test_following, test_forgetting, test_meaning, test_scopes, test_search]
globals().update(cases(taken_over))
