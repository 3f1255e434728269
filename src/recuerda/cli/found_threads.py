"""The threads that `recuerda threads --search` finds: the search, and its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from recuerda.cli.index_place import check_place
from recuerda.cli.messages import shown_time
from recuerda.cli.options import opened_to_read, public_url
from recuerda.cli.output import clean_line, console, print_json
from recuerda.json_value import JsonObject
from recuerda.recall import FoundThread, Passage, ThreadSearch
from recuerda.storage.thread_info import ThreadInfo


async def search_threads(
    storage: str | None, words: str, *, user: str | None, limit: int, index: str | None
) -> list[FoundThread]:
    """Return the threads in which words were said or stand in the title."""
    async with opened_to_read(storage, may_be_new=True) as opened_storage:
        check_place(index, opened_storage, public_url(storage))
        async with ThreadSearch(opened_storage, index) as search:
            return await search.search(words, user_id=user, limit=limit)


def print_found(
    found: Sequence[FoundThread], *, as_json: bool, thread_json: Callable[[ThreadInfo], JsonObject]
) -> None:
    """Print threads with their passages. The words are bold on a terminal."""
    if as_json:
        print_json({"threads": [_found_json(one, thread_json(one.thread)) for one in found]})
        return
    page = console()
    for one in found:
        title = _marked(one.thread.title or "", one.title_matches)
        line = Text.assemble((clean_line(one.thread.id), "cyan"), "  ", title)
        line.append(f"  {shown_time(one.thread.updated_at)}{'  archived' * one.thread.archived}", style="dim")
        page.print(line, soft_wrap=True)
        for passage in one.passages:
            who = clean_line(passage.speaker or passage.role)
            said = Text.assemble((f"  {who}, turn {passage.turn}: ", "dim"), _marked(passage.text, passage.matches))
            page.print(said, soft_wrap=True)


def _marked(text: str, places: Sequence[tuple[int, int]]) -> Text:
    """Return a text in which places are bold. Control characters are spelled out."""
    shown, last = Text(), 0
    for start, end in places:
        shown.append(clean_line(text[last:start]))
        shown.append(clean_line(text[start:end]), style="bold")
        last = end
    return shown.append(clean_line(text[last:]))


def _found_json(found: FoundThread, thread: JsonObject) -> JsonObject:
    return {
        **thread,
        "title_matches": [list(place) for place in found.title_matches],
        "passages": [_passage_json(passage) for passage in found.passages],
    }


def _passage_json(passage: Passage) -> JsonObject:
    return {
        "text": passage.text,
        "matches": [list(place) for place in passage.matches],
        "turn": passage.turn,
        "turn_id": passage.turn_id,
        "position": passage.position,
        "role": passage.role,
        "speaker": passage.speaker,
        "created_at": passage.created_at.isoformat(),
        "share": round(passage.share, 3),
    }
