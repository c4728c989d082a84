"""Compare learning-rate schedules: python -m rl_decay.compare <folders> [--by KEYS] [--out FOLDER]."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rl_decay.compare.command import Options, run
from rl_decay.compare.reading.foreign import SOURCES
from rl_decay.errors import UserError
from rl_decay.system.commands import answered
from rl_decay.system.stdout import keep_output


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)
    keys = [word.strip() for word in args.by.split(",")]
    options = Options(
        by=tuple(filter(None, keys)),
        baseline=args.baseline,
        source=args.source,
        task=args.task,
        across_tasks=args.across_tasks,
        command=shlex.join(["python", "-m", "rl_decay.compare", *argv]),
    )
    return answered(lambda: _compare(args.folders, args.out, options))


def _compare(folders: Sequence[Path], out: str | None, options: Options) -> int:
    # An empty --out, of an unset shell variable say, would put the report into the working directory.
    if out == "":
        raise UserError("--out is empty; give a folder")
    run(folders, out, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m rl_decay.compare",
        description="Compare learning-rate schedules from the folders of their runs, and write a report.",
    )
    parser.add_argument("folders", type=Path, nargs="+", help="run folders, sweep folders, or folders above them")
    parser.add_argument("--by", default="", metavar="KEYS", help="tell arms apart by these keys or sections alone")
    parser.add_argument("--baseline", metavar="NAME", help="name of an arm (default: the one without decay)")
    parser.add_argument("--out", metavar="FOLDER", help="where the report goes (default: <folder>/report)")
    parser.add_argument("--from", dest="source", choices=tuple(SOURCES), help="also read event files of that program")
    parser.add_argument("--task", metavar="ID", help="task of the --from runs, where their names do not tell")
    parser.add_argument("--across-tasks", action="store_true", help="allow different tasks, by their scores")
    return parser


if __name__ == "__main__":
    keep_output()
    raise SystemExit(main())
