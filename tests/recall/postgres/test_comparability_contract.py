"""What holds for vectors that cannot be compared in SQLite holds for those in PostgreSQL: the same cases."""

from tests.recall import test_comparability
from tests.recall.postgres.taking_over import cases

globals().update(cases([test_comparability]))
