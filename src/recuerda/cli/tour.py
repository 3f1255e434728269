"""`recuerda tour`: show the whole idea on a real database, without a key."""

from __future__ import annotations

import asyncio
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recuerda.cli.options import JsonOption
from recuerda.cli.output import clean_line, console, print_json, print_table
from recuerda.cli.tour_scenes import SCENES, Scene, Step, play, stage
from recuerda.cli.tour_service import SERVICE_SCENES, service_stage
from recuerda.cli.tour_texts import ENGLISH, SPANISH, TourTexts


class Language(StrEnum):
    """The languages of the tour."""

    EN = "en"
    ES = "es"


TEXTS = {Language.EN: ENGLISH, Language.ES: SPANISH}

EXAMPLES = (
    "recuerda tour",
    "recuerda tour --lang es",
    "recuerda tour --service",
)


def tour(
    language: Annotated[Language, typer.Option("--lang", help="The language of the tour.")] = Language.EN,
    on_service: Annotated[
        bool,
        typer.Option(
            "--service",
            help="Keep the history on a service: `recuerda serve`, which the tour starts. This needs the extras "
            "`openai` and `server`.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """See the whole idea at work, scene by scene. The tour needs no key.

    It runs on a SQLite file in a temporary folder. The exit code is 1 when a scene does not give the expected result.

    With --json, the output is {"scenes": [{"id", "title", "expected", "got", "ok"}], "ok": true}.
    """
    texts = TEXTS[language]
    page = None if as_json else console()
    with tempfile.TemporaryDirectory(prefix="recuerda-tour-") as folder:
        play_all = _play_on_service if on_service else _play_all
        scenes = asyncio.run(play_all(texts, Path(folder) / "memory.db", page))
    if page is None:
        print_json(_json(scenes, texts))
    else:
        _print_end(page, scenes, texts)
    if not all(scene.is_well for scene in scenes):
        raise typer.Exit(1)


async def _play_all(texts: TourTexts, database: Path, page: Console | None) -> list[Scene]:
    scenes: list[Scene] = []
    if page is not None:
        _print_start(page, texts, database)
    async with stage(texts, database) as on:
        for number, scene_id in enumerate(SCENES, 1):
            scene = await play(SCENES, scene_id, on)
            scenes.append(scene)
            if page is not None:
                _print_scene(page, number, scene, texts)
    return scenes


async def _play_on_service(texts: TourTexts, database: Path, page: Console | None) -> list[Scene]:
    scenes: list[Scene] = []
    async with service_stage(texts, database) as on:
        if page is not None:
            _print_start(page, texts, database)
            page.print(Text(texts.about_the_service.format(on.service.url, on.pid), style="dim"), soft_wrap=True)
        for number, scene_id in enumerate(SERVICE_SCENES, 1):
            scene = await play(SERVICE_SCENES, scene_id, on)
            scenes.append(scene)
            if page is not None:
                _print_scene(page, number, scene, texts)
    return scenes


def _json(scenes: list[Scene], texts: TourTexts) -> dict[str, object]:
    return {
        "scenes": [
            {
                "id": scene.id,
                "title": texts.titles[scene.id],
                "expected": scene.expected,
                "got": scene.got,
                "ok": scene.is_well,
            }
            for scene in scenes
        ],
        "ok": all(scene.is_well for scene in scenes),
    }


def _print_start(page: Console, texts: TourTexts, database: Path) -> None:
    page.print(Text(f"recuerda · {texts.heading}", style="bold"))
    _print_indented(page, Text(texts.about_the_model, style="dim"), 0)
    page.print(Text(texts.about_the_storage.format(database), style="dim"), soft_wrap=True)


def _print_scene(page: Console, number: int, scene: Scene, texts: TourTexts) -> None:
    page.print()
    page.print(Text.assemble(_mark(scene), (f" {number}. {texts.titles[scene.id]}", "bold")))
    for step in scene.steps:
        _print_indented(page, _code(step), 4)
        _print_indented(page, Text(clean_line(step.gave)), 8)
    if not scene.steps:
        _print_indented(page, Text(clean_line(scene.got), style="red"), 8)


def _print_indented(page: Console, text: Text, indent: int) -> None:
    for line in text.wrap(page, page.width - indent) if text else ():
        line.rstrip()
        page.print(Text(" " * indent).append_text(line))


def _code(step: Step) -> Text:
    remark = f"  # {step.remark}" if step.remark else ""
    return Text.assemble((step.code, "cyan"), (remark, "dim"))


def _mark(scene: Scene) -> Text:
    return Text("✓", style="bold green") if scene.is_well else Text("✗", style="bold red")


def _print_end(page: Console, scenes: list[Scene], texts: TourTexts) -> None:
    well = sum(scene.is_well for scene in scenes)
    page.print()
    print_table(page, _table(scenes, texts))
    page.print()
    summary = texts.all_well if well == len(scenes) else texts.not_well
    page.print(Text(summary.format(well, len(scenes)), style="bold"))
    page.print()
    page.print(texts.swap)
    for code, remark in (("OfflineChatClient()", texts.swap_from), ("OpenAIChatClient.from_env()", texts.swap_to)):
        _print_indented(page, _code(Step(f"client = {code:<28}", remark=remark)), 4)
    page.print(texts.next_step)


def _table(scenes: list[Scene], texts: TourTexts) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", title=texts.table_heading, title_justify="left")
    table.title_style = "bold"
    table.add_column("")
    for name in texts.table:
        table.add_column(name)
    for number, scene in enumerate(scenes, 1):
        title = f"{number}. {texts.titles[scene.id]}"
        style = "" if scene.is_well else "bold red"
        table.add_row(_mark(scene), title, scene.expected, Text(clean_line(scene.got), style=style))
    return table
