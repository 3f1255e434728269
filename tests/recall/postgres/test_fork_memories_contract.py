"""What holds for the memories of forks in SQLite holds for those in PostgreSQL: the same cases."""

from tests.recall import test_fork_memories
from tests.recall.postgres.taking_over import cases

globals().update(cases([test_fork_memories]))
