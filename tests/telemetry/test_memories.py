"""The spans of work on memories."""

from __future__ import annotations

import json
from typing import get_args

from recuerda import Agent, Storage
from recuerda._observing import MemoryOperation
from recuerda.recall import RecallProvider
from recuerda.storage.ram import MemoryStorage
from recuerda.testing import ScriptedChatClient
from tests.mcp_server.conftest import ANA, Served
from tests.telemetry.recorded import Recorded


async def test_a_run_searches_and_creates_memories_in_its_trace(recorded: Recorded, storage: Storage) -> None:
    async with RecallProvider(user_id="ana", namespace="shop", recent_turns=0) as recall:
        agent = Agent(ScriptedChatClient(default="Good."), storage=storage, context_providers=recall)
        await agent.run("My sister lives in Lisbon.", thread="a")
        recorded.forget()
        await agent.run("Where does my sister live?", thread="b")
        await recall.flush()
    assert [name for name in recorded.names if name in get_args(MemoryOperation)] == ["search_memory", "create_memory"]
    in_run = {"gen_ai.memory.store.id": "RecallProvider/shop", "gen_ai.conversation.id": "b"}
    search = {"gen_ai.operation.name": "search_memory", "gen_ai.memory.record.count": 2}
    create = {"gen_ai.operation.name": "create_memory", "gen_ai.memory.record.count": 2}
    assert recorded.facts("search_memory") == in_run | search
    assert recorded.facts("create_memory") == in_run | create
    assert recorded.parent_of("search_memory") == recorded.parent_of("create_memory") == "invoke_agent"
    (hits,) = recorded.points("recuerda.recall.hits")
    assert (hits.count, hits.sum, hits.attributes) == (2, 2, {"gen_ai.memory.store.id": "RecallProvider/shop"})
    assert "Lisbon" not in "".join(span.to_json() for span in recorded.spans)


async def test_a_correction_updates_and_forgetting_deletes_memories(recorded: Recorded, storage: Storage) -> None:
    async with RecallProvider(user_id="ana", storage=storage, recent_turns=0) as recall:
        agent = Agent(ScriptedChatClient(default="Good."), storage=storage, context_providers=recall)
        await agent.run("My sister lives in Lisbon.", thread="a")
        recorded.forget()
        recorded.switch_on(content=True, redact=lambda text: text.upper())
        memory, _ = await recall.search("Where does my sister live?")
        found = recorded.facts("search_memory")
        assert found["gen_ai.memory.query.text"] == "WHERE DOES MY SISTER LIVE?"
        records = json.loads(found["gen_ai.memory.records"])
        assert records[0] == {"id": memory.turn_id, "content": "MY SISTER LIVES IN LISBON."}
        fact = await recall.correct(memory, "My sister lives in Porto.")
        assert recorded.facts("update_memory")["gen_ai.memory.record.id"] == memory.turn_id
        recorded.forget()
        assert await recall.take_back(fact)
        assert recorded.facts("update_memory")["gen_ai.memory.record.id"] == str(fact.id)
        assert await recall.forget(thread="a") == recorded.facts("delete_memory")["gen_ai.memory.record.count"] == 2
        recorded.forget()
        await agent.run("My brother lives in Rome.", thread="c")
        await storage.delete("c")
        assert recorded.facts("delete_memory")["gen_ai.memory.record.count"] == 2


async def test_the_tools_of_the_mcp_server_are_work_on_memories(recorded: Recorded) -> None:
    async with MemoryStorage() as storage:
        served = Served(storage)
        kept = await served.call("remember", ANA, text="Ana keeps bees.", idempotency_key="k")
        await served.call("recall", ANA, query="bees")
        await served.call("correct", ANA, memory=kept["memory"], text="Ana keeps ants.")
        shown = await served.call("forget", ANA, query="ants")
        recorded.forget()  # forgetting by words searches too
        await served.call("forget", ANA, memories=[kept["memory"]], confirmation=shown["confirmation"])
        store = {"gen_ai.memory.store.id": "MemoryServer/default", "gen_ai.memory.record.count": 1}
        assert recorded.facts("delete_memory") == store | {"gen_ai.operation.name": "delete_memory"}
        recorded.forget()
        again = await served.call("remember", ANA, text="Ana sails.", idempotency_key="s")
        named = {"gen_ai.memory.record.id": again["memory"]}
        assert recorded.facts("create_memory") == store | named | {"gen_ai.operation.name": "create_memory"}
        assert recorded.parent_of("append") == "create_memory"
        recorded.forget()
        await served.call("remember", ANA, text="Ana sails.", idempotency_key="s")
        assert recorded.facts("create_memory")["gen_ai.memory.record.count"] == 0
        await served.call("correct", ANA, memory=again["memory"], text="Ana swims.")
        assert recorded.facts("update_memory") == store | named | {"gen_ai.operation.name": "update_memory"}
        await served.call("recall", ANA, query="Does Ana swim?")
        assert recorded.facts("search_memory") == store | {"gen_ai.operation.name": "search_memory"}
        assert "Ana" not in "".join(span.to_json() for span in recorded.spans)
        recorded.switch_on(content=True)
        recorded.forget()
        await served.call("recall", ANA, query="Does Ana swim?")
        found = recorded.facts("search_memory")
        assert found["gen_ai.memory.query.text"] == "Does Ana swim?"
        assert json.loads(found["gen_ai.memory.records"]) == [{"id": again["memory"], "content": "Ana swims."}]
        await served.server.close()
