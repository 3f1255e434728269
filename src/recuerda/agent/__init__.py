"""The agent: instructions, a client and a memory, and the run that ties them together."""

from recuerda.agent.agent import Agent
from recuerda.agent.chat import ChatModel, ChatRequest, ChatResponse, ChatUpdate, OutputSchema
from recuerda.agent.client import ChatClient
from recuerda.agent.decisions import CallDecision, Refusal
from recuerda.agent.events import (
    ApprovalEvent,
    ContentEvent,
    OutputRejectedEvent,
    ReasoningEvent,
    RunEvent,
    TextEvent,
    ToolCallEvent,
    ToolResultEvent,
    TurnCommittedEvent,
)
from recuerda.agent.hooks import RunHooks
from recuerda.agent.preview import EarlierTurns, Part, PartTokens, ProviderReport, RunPreview
from recuerda.agent.response import AgentResponse, AgentResponseUpdate, PendingCall, PendingPage, PendingTurn
from recuerda.agent.run_context import RunContext
from recuerda.agent.stream import AgentResponseStream
from recuerda.agent.summarizer import Summarizer
from recuerda.agent.titler import Titler
from recuerda.agent.tools import FunctionTool, tool
from recuerda.agent.usage_limits import UsageLimits

__all__ = [
    "Agent",
    "AgentResponse",
    "AgentResponseStream",
    "AgentResponseUpdate",
    "ApprovalEvent",
    "CallDecision",
    "ChatClient",
    "ChatModel",
    "ChatRequest",
    "ChatResponse",
    "ChatUpdate",
    "ContentEvent",
    "EarlierTurns",
    "FunctionTool",
    "OutputRejectedEvent",
    "OutputSchema",
    "Part",
    "PartTokens",
    "PendingCall",
    "PendingPage",
    "PendingTurn",
    "ProviderReport",
    "ReasoningEvent",
    "Refusal",
    "RunContext",
    "RunEvent",
    "RunHooks",
    "RunPreview",
    "Summarizer",
    "TextEvent",
    "Titler",
    "ToolCallEvent",
    "ToolResultEvent",
    "TurnCommittedEvent",
    "UsageLimits",
    "tool",
]
