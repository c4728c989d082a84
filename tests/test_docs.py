"""What the pages for developers point to is there."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DESCRIBED = 45  # the column in which the picture says what the rooms of a line are for
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
LISTED = ("training", "ppo", "ppo/cpu", "config")  # rooms of which the page lists every module


@cache
def package() -> list[tuple[str, ast.AST]]:
    """(file, node) of every piece of code in rl_decay."""
    nodes = []
    for path in (ROOT / "rl_decay").rglob("*.py"):
        file = path.relative_to(ROOT / "rl_decay").as_posix()
        nodes += [(file, node) for node in ast.walk(ast.parse(path.read_text()))]
    return nodes


def definitions() -> Iterator[tuple[str, str]]:
    """(file, name) of every function, class and assigned name."""
    for file, node in package():
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield file, node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield file, node.id


def parameter_counts() -> dict[str, set[int]]:
    """{name: numbers of parameters, self aside, of the functions with this name}."""
    counts = defaultdict(set)
    for _, node in package():
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args + node.args.kwonlyargs]
            counts[node.name].add(len([name for name in names if name != "self"]))
    return counts


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    named = set(re.findall(r"`([\w./]+\.(?:py|toml|md))`", (ROOT / page).read_text()))
    assert named
    places = (ROOT, ROOT / "rl_decay")
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_the_layers_of_the_picture_are_those_of_the_contract():
    """Every room that pyproject.toml orders stands in the picture, below those that may import it."""
    contract = (ROOT / "pyproject.toml").read_text().partition("layers = [")[2].partition("]")[0]
    picture = ARCHITECTURE.partition("## The layers")[2].partition("## One iteration")[0]
    order = [word for line in picture.splitlines() if line.startswith("    ") for word in line[:DESCRIBED].split()]
    above = -1
    for layer in re.findall(r'"(.+)"', contract):
        places = [order.index(room.removeprefix("rl_decay.")) for room in layer.split(" | ")]
        assert min(places) > above, layer
        above = max(places)


@pytest.mark.parametrize("room", LISTED)
def test_every_module_of_a_listed_room_is_named(room):
    (listed,) = re.findall(rf"^\| `{room}` \| (.+) \|$", ARCHITECTURE, re.M)
    modules = {path.stem for path in (ROOT / "rl_decay" / room).glob("*.py")} - {"__init__"}
    assert set(re.findall(r"`(\w+)`", listed)) == modules


def test_every_call_that_the_page_shows_fits_a_function():
    """`name(a, b)`, in backticks or in the block of one iteration, shows all parameters of a function."""
    section = ARCHITECTURE.partition("## One iteration")[2].partition("\n###")[0]
    block = "\n".join(line for line in section.splitlines() if line.startswith("    "))
    in_block = re.findall(r"(\w+)\(([^()]+)\)", block)
    assert len(in_block) >= 5
    counts = parameter_counts()
    for name, arguments in in_block + re.findall(r"`[\w.]*?(\w+)\(([^()`]+)\)`", ARCHITECTURE):
        assert len(arguments.split(",")) in counts.get(name, ()), f"{name}({arguments})"


@pytest.mark.parametrize("page", PAGES)
def test_every_name_that_a_page_places_in_a_file_is_defined_there(page):
    """Written as `name` in `file.py` or `name` (`file.py`)."""
    placed = re.findall(r"`(?:\w+\.)?(\w+)`\s+(?:in\s+|\()`([\w/]+\.py)`", (ROOT / page).read_text())
    defined = set(definitions())
    assert [(name, file) for name, file in placed if (file, name) not in defined] == []


def test_every_class_and_constant_that_the_page_names_is_defined():
    """`PPO.update`, `CURVES`: a name with a capital letter, and the attribute that follows."""
    mentioned = {name for pair in re.findall(r"`([A-Z]\w+)(?:\.(\w+))?`", ARCHITECTURE) for name in pair if name}
    assert len(mentioned) > 20
    assert sorted(mentioned - {name for _, name in definitions()}) == []
