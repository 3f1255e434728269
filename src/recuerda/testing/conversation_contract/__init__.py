"""Tests for a conversation store of any framework, as pytest classes to inherit.

Write an adapter that tells the tests how to use the store, and inherit the classes whose promises the store gives:

    class TestMyStore(ConversationContract, LimitContract, RetryContract, DurableContract):
        adapter = MyStoreAdapter()

| class | promise |
|---|---|
| `ConversationContract` | order, items that come back unchanged, deletion, and two writers at once |
| `LimitContract` | the newest items on request |
| `PairContract` | such a list never begins with a result whose call is left out |
| `RetryContract` | a run that is repeated with its id is stored once |
| `DurableContract` | a killed process loses nothing, a run costs the same at any length, a deletion leaves no bytes |
| `DurableRetryContract` | a run that was killed is repeated with its id, and is then stored once and whole |

The tests need `pip install "recuerda[testing]"`. `DurableContract` needs a system that can fork processes.
"""

import pytest

pytest.register_assert_rewrite(
    "recuerda.testing.conversation_contract.durable",
    "recuerda.testing.conversation_contract.items",
    "recuerda.testing.conversation_contract.limits",
    "recuerda.testing.conversation_contract.retries",
    "recuerda.testing.conversation_contract.runs",
    "recuerda.testing.conversation_contract.writers",
)

from recuerda.testing.conversation_contract.adapter import ConversationAdapter, Part, Pause  # noqa: E402 - rewritten
from recuerda.testing.conversation_contract.durable import DurableContract, DurableRetryContract  # noqa: E402 - as above
from recuerda.testing.conversation_contract.items import ItemContract  # noqa: E402 - as above
from recuerda.testing.conversation_contract.limits import LimitContract, PairContract  # noqa: E402 - as above
from recuerda.testing.conversation_contract.retries import RetryContract  # noqa: E402 - as above
from recuerda.testing.conversation_contract.writers import WriterContract  # noqa: E402 - as above

__all__ = [
    "ConversationAdapter",
    "ConversationContract",
    "DurableContract",
    "DurableRetryContract",
    "LimitContract",
    "PairContract",
    "Part",
    "Pause",
    "RetryContract",
]


class ConversationContract(ItemContract, WriterContract):
    """Tests of what every conversation store promises. A subclass has an `adapter`.

    See `recuerda.testing.conversation_contract` for an example.
    """
