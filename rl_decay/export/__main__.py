"""Write a trained policy to a file: python -m rl_decay.export <run folder> --to onnx|pt2 [--out FILE]."""

from __future__ import annotations

import argparse
from pathlib import Path

from rl_decay.config.trust import TRUST
from rl_decay.errors import UserError
from rl_decay.evaluate.policy import load_policy
from rl_decay.export.formats import FORMATS, exported
from rl_decay.runs.durable import write_atomically
from rl_decay.runs.files import exists
from rl_decay.system.commands import answered
from rl_decay.system.stdout import keep_output


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser("python -m rl_decay.export", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run folder")
    parser.add_argument("--to", choices=tuple(FORMATS), required=True, help="onnx needs the extra `export`")
    parser.add_argument("--checkpoint", default="latest", help="latest, best, or the path of a checkpoint")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: policy.onnx or policy.pt2 in the run folder")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help=TRUST)
    args = parser.parse_args(argv)
    return answered(lambda: _export(args))


def _export(args: argparse.Namespace) -> int:
    """Write the file and say what is in it; returns the exit code."""
    path = args.out or args.folder / f"policy.{args.to}"
    policy = load_policy(args.folder, args.checkpoint, args.trust)
    _require_new(path, args.to)
    content = exported(policy, args.to)
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another file with --out") from error
    columns = policy.codec.spaces.obs_size
    print(f"{path}: {policy.env.id} after iteration {policy.iteration}, observations [B, {columns}] float32")
    return 0


def _require_new(path: Path, to: str) -> None:
    """UserError unless a file of the format `to` can be made there without replacing another."""
    if path.suffix != f".{to}" or not path.parent.is_dir():
        raise UserError(f"--out {path}: must name an .{to} file in a folder that exists")
    if exists(path):
        raise UserError(f"{path}: exists already, and would be overwritten; remove it, or name another file with --out")


if __name__ == "__main__":
    keep_output()
    raise SystemExit(main())
