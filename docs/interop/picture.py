"""Draw `one-conversation.svg`: one thread on which four frameworks write in turn. Run by `make picture`."""

from __future__ import annotations

from html import escape
from pathlib import Path

STOPS = (
    ("Monday", "OpenAI Agents SDK", "RecuerdaSession", "a picture, a tool"),
    ("Tuesday", "Pydantic AI", "RecuerdaConversationStore", "sees the picture"),
    ("Wednesday", "LangGraph", "RecuerdaSaver", "a graph goes on"),
    ("Thursday", "Agent Framework", "RecuerdaHistoryProvider", "writes the log"),
    ("Friday", "OpenAI Agents SDK", "RecuerdaSession", "its items, bit for bit"),
)
_STYLE = 'font-family="sans-serif" text-anchor="middle"'
STEP = 200
WIDTH = STEP * len(STOPS)


def draw() -> str:
    """Return the picture."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 200" role="img" {_STYLE}>',
        "<title>One thread, on which four frameworks write in turn</title>",
        f'<rect width="{WIDTH}" height="200" rx="8" fill="#292929"/>',
        f'<line x1="{STEP // 2}" y1="150" x2="{WIDTH - STEP // 2}" y2="150" stroke="#98a84b" stroke-width="4"/>',
    ]
    for number, (day, framework, adapter, done) in enumerate(STOPS):
        x = STEP * number + STEP // 2
        parts += [
            _text(x, 34, day, "#868887", 13),
            _text(x, 60, framework, "#ffffff", 17),
            _text(x, 82, adapter, "#98a84b", 12),
            _text(x, 112, done, "#c5c8c6", 13),
            f'<circle cx="{x}" cy="150" r="9" fill="#98a84b"/>',
            _text(x, 180, f"turn {number + 1}" if number != 2 else "turn 3, step by step", "#868887", 12),
        ]
    return "\n".join([*parts, "</svg>", ""])


def _text(x: int, y: int, text: str, color: str, size: int) -> str:
    return f'<text x="{x}" y="{y}" fill="{color}" font-size="{size}">{escape(text)}</text>'


if __name__ == "__main__":
    Path(__file__).with_name("one-conversation.svg").write_text(draw(), encoding="utf-8")
