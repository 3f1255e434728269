"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.imports import measure_imports
from bench.many import measure_many
from bench.measures import judge
from bench.report import format_report
from bench.results import Environment, Report
from bench.size import measure_size
from bench.turns import measure_turns

PARTS = ("turns", "many", "size", "imports", "servers", "windows", "recall", "listing")
STORAGES = ("sqlite", "file", "memory")
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and return the exit status."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="recuerda-bench-", dir=options.dir) as folder:
        report = asyncio.run(_measure(options, Path(folder)))
    report.measures = judge(report)
    is_json_on_stdout = options.json == "-"
    print(format_report(report), file=sys.stderr if is_json_on_stdout else sys.stdout)
    if options.json is not None:
        data = msgspec.json.format(msgspec.json.encode(report)).decode()
        if is_json_on_stdout:
            print(data)
        else:
            Path(options.json).write_text(data + "\n", encoding="utf-8")
    return int(options.check and not all(measure.is_met for measure in report.measures))


async def _measure(options: argparse.Namespace, folder: Path) -> Report:
    report = Report(environment=_environment(), fsync=options.fsync)
    if "turns" in options.only:
        for kind in options.storages:
            _say(f"turns on {kind} ...")
            report.turns += await measure_turns(
                kind,
                options.sizes,
                rounds=options.turns,
                folder=folder,
                fsync=options.fsync,
                with_peers=options.peers and kind == "sqlite",
            )
    if "many" in options.only:
        await _measure_many(report, options, folder)
    if "size" in options.only:
        _say("size on the disk ...")
        report.size = await measure_size(options.storages, options.disk_sizes, folder=folder)
    if "imports" in options.only:
        _say("imports ...")
        report.imports = measure_imports(rounds=max(1, min(25, options.turns)), folder=folder / "bytecode")
    if "servers" in options.only:
        from bench.servers import SERVERS, measure_servers

        _say(f"turns on {' and '.join(SERVERS)} ...")
        costs, many = await measure_servers(
            SERVERS,
            options.sizes,
            rounds=options.turns,
            conversations=options.conversations,
            turns_each=options.turns_each,
        )
        report.turns += costs
        report.many += many
    if "windows" in options.only:
        from bench.windows import check_histories, measure_windows

        _say("windows ...")
        report.windows = await measure_windows(options.sizes, rounds=options.turns)
        report.histories = check_histories(options.histories)
    if "listing" in options.only:
        from bench.listing import measure_listing

        _say("lists of threads ...")
        report.listing = await measure_listing(
            threads=options.threads, users=max(1, options.threads // 100), rounds=options.turns, folder=folder
        )
    if "recall" in options.only:
        await _measure_recall(report, options, folder)
    return report


async def _measure_many(report: Report, options: argparse.Namespace, folder: Path) -> None:
    for kind in options.storages:
        _say(f"many conversations at once on {kind} ...")
        many = await measure_many(
            kind,
            conversations=options.conversations,
            turns_each=options.turns_each,
            rounds=max(1, min(5, options.turns)),
            folder=folder,
            fsync=options.fsync,
        )
        report.many.append(many)


async def _measure_recall(report: Report, options: argparse.Namespace, folder: Path) -> None:
    from bench.recall import embedder_of, measure_cost, measure_quality

    _say("memories ...")
    if options.data is not None:
        report.recall = await measure_quality(options.data, embedder=embedder_of(options.embedder), folder=folder)
    if options.memories:
        url = f"sqlite:///{folder.as_posix()}/memories.db"
        report.recall_cost = await measure_cost(memories=options.memories, users=options.users, url=url)


def _environment() -> Environment:
    return Environment(
        python=platform.python_version(),
        msgspec=msgspec.__version__,
        sqlite=sqlite3.sqlite_version,
        system=f"{platform.system()} {platform.machine()}",
        processors=os.cpu_count() or 1,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what recuerda costs.")
    parser.add_argument("--sizes", type=_list_of(int), default=[10, 1_000, 10_000, 100_000], metavar="N,N")
    parser.add_argument("--turns", type=int, default=200, metavar="N", help="rounds of each measurement (default 200)")
    parser.add_argument("--conversations", type=int, default=200, metavar="N", help="at once (default 200)")
    parser.add_argument(
        "--turns-each", type=int, default=3, metavar="N", help="of these conversations (default 3; 20 fill the windows)"
    )
    parser.add_argument("--histories", type=int, default=100_000, metavar="N", help="for windows (default 100000)")
    parser.add_argument("--data", type=Path, metavar="FILE", help="for recall: conversations in LoCoMo's format")
    parser.add_argument("--embedder", metavar="MODEL", help="for recall: also search by meaning")
    parser.add_argument("--memories", type=int, default=100_000, metavar="N", help="for recall (default 100000)")
    parser.add_argument("--users", type=int, default=100, metavar="N", help="for recall: whose (default 100)")
    parser.add_argument("--threads", type=int, default=1_000_000, metavar="N", help="for listing (default 1000000)")
    parser.add_argument("--disk-sizes", type=_list_of(int), default=[500, 10_000], metavar="N,N")
    parser.add_argument("--only", type=_list_of(_one_of(PARTS)), default=list(PARTS[:4]), metavar=",".join(PARTS))
    parser.add_argument(
        "--storages", type=_list_of(_one_of(STORAGES)), default=list(STORAGES), metavar=",".join(STORAGES)
    )
    parser.add_argument(
        "--dir", metavar="DIR", help="where the files go: the disk that is measured (default: temporary)"
    )
    parser.add_argument(
        "--no-fsync",
        dest="fsync",
        action="store_false",
        help="turns and many: sync no commit to the disk, on both sides, so that the software's cost shows",
    )
    parser.add_argument(
        "--peers",
        action="store_true",
        help="turns on sqlite: also the session of the OpenAI Agents SDK and the history files of Agent Framework",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the report as JSON; - for standard output")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a measure is not met")
    return parser


def _list_of(parse: Callable[[str], T]) -> Callable[[str], list[T]]:
    def items(text: str) -> list[T]:
        return [parse(item) for item in text.split(",")]

    return items


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def name(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return name


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
