"""What the pages for developers point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DESCRIBED = 45  # the column in which the picture says what the rooms of a line are for
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    named = set(re.findall(r"`([\w./]+\.(?:py|toml|md))`", (ROOT / page).read_text()))
    assert named
    places = (ROOT, ROOT / "rl_decay")
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_the_layers_of_the_picture_are_those_of_the_contract():
    """Every room that pyproject.toml orders stands in the picture, below those that may import it."""
    contract = (ROOT / "pyproject.toml").read_text().partition("layers = [")[2].partition("]")[0]
    page = (ROOT / "docs/architecture.md").read_text()
    picture = page.partition("## The layers")[2].partition("## One iteration")[0]
    order = [word for line in picture.splitlines() if line.startswith("    ") for word in line[:DESCRIBED].split()]
    above = -1
    for layer in re.findall(r'"(.+)"', contract)[:-1]:  # the last one, `plain`, is two functions that the ground shares
        places = [order.index(room.removeprefix("rl_decay.")) for room in layer.split(" | ")]
        assert min(places) > above, layer
        above = max(places)
