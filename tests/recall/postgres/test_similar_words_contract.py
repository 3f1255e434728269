"""The words of PostgreSQL's index are similar as those of the file index: the same cases."""

from tests.recall import test_compounds, test_similar_words
from tests.recall.postgres.taking_over import cases

globals().update(cases([test_compounds, test_similar_words]))
