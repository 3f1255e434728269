"""What holds for corrections in SQLite holds for those in PostgreSQL: the same cases."""

from tests.recall import test_correcting
from tests.recall.postgres.taking_over import cases

globals().update(cases([test_correcting]))
