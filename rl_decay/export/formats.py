"""The bytes of an exported policy: a program with a dynamic number of rows, and what its reader must know beside it."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from rl_decay.errors import UserError, one_line
from rl_decay.evaluate.policy import Policy
from rl_decay.export.metadata import metadata
from rl_decay.export.program import Program

if TYPE_CHECKING:
    from torch.export import ExportedProgram

INPUT = "obs"
OUTPUT = "actions"
EXAMPLE_ROWS = 2  # torch.export would take 0 or 1 for a constant
ROWS = {INPUT: {0: torch.export.Dim("B", min=1)}}


def exported(policy: Policy, to: str) -> bytes:
    """The content of the file of a policy in the format `to`, a name in FORMATS; UserError if the extra is missing."""
    with _without_noise():
        return FORMATS[to](_traced(policy), metadata(policy))


def _traced(policy: Policy) -> ExportedProgram:
    """The program of a policy, for any number B >= 1 of rows."""
    example = torch.zeros(EXAMPLE_ROWS, policy.codec.spaces.obs_size, dtype=torch.float32, device="cpu")
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        program = torch.export.export(Program(policy), (example,), dynamic_shapes=ROWS, strict=False)
    for node in program.graph.nodes:  # stack traces hold the paths of this machine, and the file may be published
        node.meta.pop("stack_trace", None)
    return program


def _pt2(program: ExportedProgram, texts: Mapping[str, str]) -> bytes:
    """The file of `torch.export.save`; each text is one of its extra files."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files=dict(texts))
    return buffer.getvalue()


def _onnx(program: ExportedProgram, texts: Mapping[str, str]) -> bytes:
    """An ONNX model in one piece; the texts are its metadata_props."""
    try:
        import onnx
        import onnxscript  # noqa: F401 (torch.onnx imports it, and names no extra where it is missing)
    except ImportError as error:
        raise UserError(
            f"--to onnx needs the extra `export`: pip install -c constraints.txt -e '.[export]' ({one_line(error)})"
        ) from error
    model: Any = torch.onnx.export(
        program,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=ROWS,
        dynamo=True,
        verbose=False,
    )
    proto = model.model_proto
    onnx.helper.set_model_props(proto, dict(texts))
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


FORMATS: dict[str, Callable[[ExportedProgram, Mapping[str, str]], bytes]] = {"onnx": _onnx, "pt2": _pt2}


@contextmanager
def _without_noise() -> Iterator[None]:
    """Hold back what PyTorch's exporters warn of and log: it speaks of their own insides."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
