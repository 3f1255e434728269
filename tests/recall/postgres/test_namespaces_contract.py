"""What keeps namespaces apart in SQLite keeps them apart in PostgreSQL: the cases in which the index takes part."""

from tests.recall.test_namespaces import (
    everyday,
    shop,
    test_a_thread_is_moved_by_its_metadata_and_takes_its_facts_along,
    test_all_namespaces_that_are_read_are_ranked_together,
    test_an_agent_is_not_told_what_was_said_in_another_namespace,
    test_an_erasure_takes_all_namespaces_of_a_user_and_nothing_else,
    therapist,
)

__all__ = [
    "everyday",
    "shop",
    "test_a_thread_is_moved_by_its_metadata_and_takes_its_facts_along",
    "test_all_namespaces_that_are_read_are_ranked_together",
    "test_an_agent_is_not_told_what_was_said_in_another_namespace",
    "test_an_erasure_takes_all_namespaces_of_a_user_and_nothing_else",
    "therapist",
]
