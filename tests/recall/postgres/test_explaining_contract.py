"""What holds for explanations and lists of memories in SQLite holds for those in PostgreSQL: the same cases."""

from tests.recall import test_explaining
from tests.recall.postgres.taking_over import cases

globals().update(cases([test_explaining]))
