"""What holds for a provider whose memories are in SQLite holds for one with PostgreSQL: the same cases."""

from tests.recall import test_provider
from tests.recall.postgres.taking_over import cases

globals().update(cases([test_provider]))
