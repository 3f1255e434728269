"""A small storage with one of everything that a thread may hold."""

from __future__ import annotations

import base64

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    NewTurn,
    RefusalContent,
    Storage,
    TextReasoningContent,
    Turn,
    Usage,
)
from recuerda.agent.steps import Step, encode_step
from recuerda.storage import DraftStep
from recuerda.window.summary import Summary, encode_summary

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


async def seed(storage: Storage) -> None:
    """Fill a storage: a thread with calls, files, a summary and a damaged turn, a fork, and an unfinished turn."""
    store = ChatMessageStore(storage=storage, thread_id="rich", user_id="ana")
    await store.append(
        Turn(
            messages=(
                ChatMessage("user", ["Where is my parcel?", DataContent(PNG * 50, "image/png", "label.png")]),
                ChatMessage(
                    "assistant",
                    [
                        TextReasoningContent("The tracker knows."),
                        FunctionCallContent("c1", "track", {"parcel": 7}),
                        FunctionCallContent("c2", "track", '{"parcel": 8}'),
                    ],
                ),
                ChatMessage("tool", [FunctionResultContent("c1", {"place": "Fez"})]),
                ChatMessage("tool", [FunctionResultContent("c2", "no such parcel", is_error=True)]),
                ChatMessage("assistant", "It is in Fez."),
            ),
            usage=Usage(10, 5, 15),
            metadata={"trace": "t-1"},
        )
    )
    await store.append(Turn(messages=(ChatMessage("user", "Swear."), ChatMessage("assistant", RefusalContent("No.")))))
    await store.append(
        Turn(messages=(ChatMessage("user", DataContent(SVG, "image/svg+xml", "logo.svg")),), error="the model was gone")
    )
    await store.fork(through=2, thread_id="rich-2")
    fork = ChatMessageStore(storage=storage, thread_id="rich-2", user_id="ana")
    await fork.append(Turn(messages=(ChatMessage("user", "Thanks!"), ChatMessage("assistant", "Gladly."))))
    await store.summarize(encode_summary(Summary(text="A parcel is in Fez.", model="small")), through=2)
    await storage.append("rich", NewTurn(body=b"no turn at all", message_count=1))
    await store.append(Turn(messages=(ChatMessage("user", "Undo me."),)))
    await store.undo()
    info = await storage.head("rich")
    assert info is not None
    first = Step(input=(ChatMessage("user", "Pay 5 euros."),))
    call = FunctionCallContent("c9", "pay", {"euros": 5})
    steps = (first, Step(messages=(ChatMessage("assistant", call),), expires={0: 10**12}))
    for number, step in enumerate(steps, 1):
        draft = DraftStep(
            turn_id="paying", revision=info.revision, number=number, body=encode_step(step), id=f"s{number}"
        )
        await storage.save_draft("rich", draft)
