"""The conformance kit passes on our stores, and finds the faults of other stores."""

from pathlib import Path
from typing import Any

from recuerda.testing.conversation_contract import (
    ConversationContract,
    DurableContract,
    DurableRetryContract,
    LimitContract,
    PairContract,
    RetryContract,
)
from tests.interop.kit.agents import NaiveFiles, OurSessions, OurSessionsInFiles, TheirSessions
from tests.interop.kit.chat_stores import OurChatStores
from tests.interop.kit.conversations import OurConversations, TheirConversations
from tests.interop.kit.events import OurEvents
from tests.interop.kit.graphs import OurSavers, TheirSavers
from tests.interop.kit.histories import OurHistories
from tests.interop.kit.strands_sessions import OurRepositories
from tests.interop.kit.threads import OurThreads


class TestRecuerdaSession(
    ConversationContract, LimitContract, PairContract, RetryContract, DurableContract, DurableRetryContract
):
    adapter = OurSessions()


class TestRecuerdaSessionInFiles(ConversationContract, LimitContract, PairContract, RetryContract):
    adapter = OurSessionsInFiles()


class TestRecuerdaConversationStore(ConversationContract, LimitContract, RetryContract, DurableContract):
    adapter = OurConversations()


class TestRecuerdaSaver(ConversationContract, DurableContract):
    adapter = OurSavers()


class TestRecuerdaSessionService(ConversationContract, DurableContract):
    adapter = OurEvents()


class TestRecuerdaChatStore(ConversationContract, RetryContract, DurableContract, DurableRetryContract):
    adapter = OurChatStores()


class TestRecuerdaSessionRepository(ConversationContract, RetryContract, DurableContract, DurableRetryContract):
    adapter = OurRepositories()


class TestRecuerdaStore(ConversationContract, LimitContract, RetryContract, DurableContract, DurableRetryContract):
    adapter = OurThreads()


class TestRecuerdaHistoryProvider(ConversationContract, DurableContract):
    adapter = OurHistories()


class TestPydanticsStoreInMemory(ConversationContract, LimitContract, RetryContract):
    adapter = TheirConversations()


# -- the faults of others ----------------------------------------------------------------------------------------------

EVERYTHING: tuple[Any, ...] = (ConversationContract, LimitContract, PairContract, RetryContract, DurableContract)


async def faults_of(adapter: Any, folder: Path, *contracts: Any) -> set[str]:
    """Return the names of the tests that fail on a store, except for tests that need killed processes."""
    failed: set[str] = set()
    for contract in contracts:
        suite = type("Suite", (contract,), {"adapter": adapter})()
        for name in dir(suite):
            if not name.startswith("test_") or "killed" in name:
                continue
            place = folder / name
            place.mkdir()
            try:
                await getattr(suite, name)(place)
            except Exception:  # noqa: BLE001 - a store may fail a test in any way
                failed.add(name)
    return failed


async def test_it_finds_the_faults_of_the_agents_sdks_session_on_sqlite(tmp_path: Path) -> None:
    # Whether SQLite overwrites deleted rows depends on how it was built.
    by_build = {"test_a_deleted_conversation_leaves_no_bytes"}
    assert await faults_of(TheirSessions(), tmp_path, *EVERYTHING) - by_build == {
        "test_two_runs_that_begin_together_do_not_mix",
        "test_a_limit_never_begins_with_a_result_without_its_call",
        "test_a_run_that_is_repeated_with_its_id_is_stored_once",
    }


async def test_it_finds_the_faults_of_langgraphs_saver_in_memory(tmp_path: Path) -> None:
    assert await faults_of(TheirSavers(), tmp_path, ConversationContract) == {
        "test_of_two_runs_that_begin_together_none_is_lost_without_an_error",
        "test_two_runs_that_begin_together_do_not_mix",
        "test_writers_that_try_again_all_get_in",
    }


async def test_it_finds_that_a_limit_of_pydantic_ai_begins_with_a_result(tmp_path: Path) -> None:
    # Pydantic AI says so, and mends such a history before it is sent.
    faults = {"test_a_limit_never_begins_with_a_result_without_its_call"}
    assert await faults_of(TheirConversations(), tmp_path, PairContract) == faults


async def test_it_finds_the_faults_of_a_file_that_is_rewritten(tmp_path: Path) -> None:
    assert await faults_of(NaiveFiles(), tmp_path, *EVERYTHING) == {
        "test_conversations_with_similar_ids_do_not_mix",
        "test_of_two_runs_that_begin_together_none_is_lost_without_an_error",
        "test_two_runs_that_begin_together_do_not_mix",
        "test_a_limit_never_begins_with_a_result_without_its_call",
        "test_a_run_that_is_repeated_with_its_id_is_stored_once",
        "test_a_run_writes_as_many_bytes_in_a_long_conversation_as_in_a_short_one",
    }
