"""The YAML texts of many configurations that are almost equal, as OmegaConf writes them."""

from __future__ import annotations

import re
from typing import Any

from omegaconf import OmegaConf

PLAIN_NAME = re.compile(r"[A-Za-z_][\w/.-]{0,60}")  # a key that YAML writes on the line of its value
MOST = 10_000  # texts in memory, of some hundred bytes each
# A text that YAML writes as it is: no spaces, at which a line may break, and a / or =, so that it is no number and no
# word such as `yes`.
AS_IT_IS = re.compile(r"[A-Za-z/][\w./-]*[/=][\w./=-]*", re.ASCII)
STAND_IN = "a/a"
BEFORE = -len(f"{STAND_IN}\n")  # where such a text begins in its line


class YamlTexts:
    """Remembers the text of every value that it has written: PyYAML takes 10 milliseconds for a job's record."""

    def __init__(self) -> None:
        self._lines: dict[tuple[tuple[str, ...], str], list[str]] = {}

    def list_text(self, items: list[Any]) -> str:
        """The text of a list, equal to `OmegaConf.to_yaml` of it."""
        return "".join(self._of((), items))

    def text(self, content: dict[str, Any]) -> str:
        """The text of nested dicts, equal to `OmegaConf.to_yaml` of them."""
        values = list(_values(content, ()))
        if not values:
            return OmegaConf.to_yaml(OmegaConf.create(content))
        for path, _ in values:
            # In such files each value stands alone under the keys above it, whatever its neighbours are.
            if not all(isinstance(key, str) and PLAIN_NAME.fullmatch(key) for key in path):
                return OmegaConf.to_yaml(OmegaConf.create(content))
        lines: list[str] = []
        above: tuple[str, ...] = ()
        for path, value in values:
            shared = 0
            while shared < min(len(path), len(above)) - 1 and path[shared] == above[shared]:
                shared += 1
            lines += self._of(path, value)[shared:]
            above = path
        return "".join(lines)

    def _of(self, path: tuple[str, ...], value: Any) -> list[str]:
        """The lines of one value, one for each key above it first."""
        if type(value) is int:
            *above, last = self._remembered(path, 0)
            return [*above, f"{last[:-2]}{value}\n"]
        if isinstance(value, str) and AS_IT_IS.fullmatch(value):
            *above, last = self._remembered(path, STAND_IN)
            return [*above, f"{last[:BEFORE]}{value}\n"]
        if isinstance(value, list) and value and all(isinstance(v, str) and AS_IT_IS.fullmatch(v) for v in value):
            *above, last = self._remembered(path, [STAND_IN])
            return above + [f"{last[:BEFORE]}{item}\n" for item in value]
        return self._remembered(path, value)

    def _remembered(self, path: tuple[str, ...], value: Any) -> list[str]:
        """The lines of one value as OmegaConf writes them."""
        name = path, repr(value)  # `repr`, because 1, 1.0 and True are equal
        if name not in self._lines:
            nested = value
            for key in reversed(path):
                nested = {key: nested}
            if len(self._lines) >= MOST:
                self._lines.clear()
            self._lines[name] = OmegaConf.to_yaml(OmegaConf.create(nested)).splitlines(keepends=True)
        return self._lines[name]


def _values(content: dict[str, Any], path: tuple[Any, ...]) -> Any:
    """Yield (path of keys, value) of everything that is not a dict with content."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _values(value, (*path, key))
        else:
            yield (*path, key), value
