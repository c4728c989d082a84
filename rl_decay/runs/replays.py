"""What a run's record says of continuations whose replay differed from the first time. A record is a summary's part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NOT_EXACT = "not_exact"  # in an entry of `resumed`: why that continuation may differ from an undisturbed run


def notes_of(history: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for each continuation in `resumed` that was not exact."""
    return [
        f"not exact: {entry[NOT_EXACT]}, continued after iteration {entry['iteration']}"
        for entry in history
        if NOT_EXACT in entry
    ]


def with_difference(record: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The record with `reason` in the newest entry of `resumed`, and in `notes`."""
    *earlier, newest = record["resumed"]
    newest = {**newest, NOT_EXACT: reason}
    return {**record, "resumed": [*earlier, newest], "notes": [*record["notes"], *notes_of([newest])]}
