"""The part of the conformance suite that can differ between two variants of one storage.

A variant is the same storage on another server, behind a pooler, or below another storage. The whole suite runs on each
storage in `tests/storage/test_contract.py`. Most of its tests ask about rules that `Storage` itself keeps, such as the
arguments that are refused, and a variant cannot change those. A variant can change how a hook reaches the server. So
`VariantContract` calls each hook with each of its refusals: the random sequences of `ModelContract` compare all results
with those of the RAM storage, and `CHOSEN` adds the tests for everything that those sequences do not do.
"""

from __future__ import annotations

from recuerda.testing.storage_contract import BlobContract, DraftListContract, StorageContract
from recuerda.testing.storage_contract.model import ModelContract

CHOSEN = (
    # Hooks that the random sequences do not call.
    "test_several_turns_are_appended_in_order",
    "test_several_turns_with_another_revision_write_nothing",
    "test_several_turns_go_on_where_they_broke_off",
    "test_pages_give_each_thread_once_and_the_newest_first",
    "test_a_listing_goes_on_when_its_cursors_thread_is_gone",
    "test_a_users_listing_has_that_users_threads",
    "test_a_walk_meets_every_thread_while_threads_are_used",
    "test_a_walk_over_a_users_threads_meets_each_of_them",
    "test_a_trim_by_age_looks_at_each_turn",
    "test_a_trim_by_age_empties_the_summaries_that_stay",
    "test_an_erasure_takes_all_of_a_user_and_nothing_of_others",
    "test_an_erasure_leaves_a_thread_that_became_anothers",
    # Refusals that depend on the owner, on a past id, or on more of the state than its revision.
    "test_an_operation_is_refused_in_any_other_state",
    "test_an_operation_is_refused_on_a_thread_that_was_made_anew",
    "test_an_operation_for_another_user_is_refused",
    "test_an_operation_for_the_threads_user_passes",
    "test_the_id_of_a_dropped_turn_is_refused",
    "test_ids_are_remembered_for_the_newest_records",
    "test_a_made_title_goes_with_its_turn",
    # Writers at the same moment, and cancelled ones.
    "test_of_concurrent_appends_on_one_revision_exactly_one_wins",
    "test_concurrent_unchecked_appends_all_land_in_consecutive_numbers",
    "test_concurrent_appends_of_one_id_commit_it_once",
    "test_concurrent_appends_to_many_threads_do_not_mix",
    "test_concurrent_undos_never_take_one_turn_twice",
    "test_concurrent_summaries_and_turns_all_land",
    "test_of_concurrent_saves_of_one_step_exactly_one_wins",
    "test_of_concurrent_beginnings_exactly_one_wins",
    "test_steps_beside_an_append_never_outlive_it",
    "test_of_many_conditional_updates_at_once_one_succeeds",
    "test_a_look_is_of_one_moment",
    "test_a_cancelled_append_leaves_all_or_nothing",
    "test_a_cancelled_append_does_not_harm_those_beside_it",
    # Ids and values of any form and size.
    "test_a_body_may_be_any_bytes",
    "test_a_long_draft_is_loaded_whole",
    "test_a_draft_may_be_large",
    "test_hundreds_of_summaries_read_as_the_newest",
    "test_metadata_reads_back_as_it_was",
    "test_a_title_is_any_text",
    "test_every_hostile_thread_id_is_a_thread_of_its_own",
    "test_every_hostile_thread_id_can_be_updated_drafted_and_deleted",
    "test_every_hostile_turn_id_is_a_turn_of_its_own",
    "test_every_hostile_user_id_is_a_user_of_their_own",
    # The end of the connections.
    "test_closing_finishes_what_was_begun",
    "test_use_after_close_is_an_error",
    "test_several_event_loops_may_share_one_storage",
)


CHOSEN_OF_BLOBS = (
    "test_blobs_come_back_with_the_digests_of_their_turns",
    "test_a_blob_goes_with_the_last_turn_that_names_it",
    "test_writers_who_show_the_same_picture_share_it",
)


class VariantContract(ModelContract, DraftListContract):
    """Tests for a variant of a storage that runs the whole `StorageContract` elsewhere."""


for _test in CHOSEN:
    setattr(VariantContract, _test, getattr(StorageContract, _test))

for _test in CHOSEN_OF_BLOBS:
    setattr(VariantContract, _test, getattr(BlobContract, _test))
