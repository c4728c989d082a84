"""The report: complete, harmless whatever stands in the files, and the same again when it is written again."""

import csv
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rl_decay.compare import command
from rl_decay.compare.analysis import study
from rl_decay.compare.model import ENDPOINTS, Unfinished
from rl_decay.compare.reading.measures import DIRECTIONS
from rl_decay.compare.report import write
from rl_decay.compare.report.document import Code, Figure, Heading, Items, Paragraph, Table, to_html, to_markdown
from rl_decay.compare.report.explained import EXPLORED

FILES = ["index.html", "report.md", "runs.csv", "arms.csv", "contrasts.csv"]
FIGURES = {name: b"png of " + name.encode() for name in ("curves", "intervals", "seeds", "profiles")}
PNGS = ["curves.png", "intervals.png", "seeds.png", "profiles.png"]
EVIL = '<script>alert("1")</script> | `x` **b** [l](http://e.org) \n# h & \\'


def write_report(comparison, folder, figures=FIGURES):
    return write.write(comparison, folder, figures)


@pytest.fixture
def comparison(tmp_path, make_sweep):
    return command.compare([make_sweep(tmp_path / "sweep")], command.Options())


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def headings(markdown: str) -> list[str]:
    return re.findall(r"^## (.*)$", markdown, flags=re.MULTILINE)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_files_and_order(comparison, tmp_path):
    paths = write_report(comparison, tmp_path / "a" / "report")
    assert [path.name for path in paths] == FILES + PNGS
    assert sorted(path.name for path in (tmp_path / "a" / "report").iterdir()) == sorted(FILES + PNGS)
    text = paths[1].read_text()
    assert headings(text) == [
        "Verdict",
        "Figures",
        "Exploratory: other metrics",
        "How the arms' configurations differ",
        "Runs that are not compared",
        *(["Notes"] if comparison.notes else []),
        "How to read this",
        "Commands",
        "Versions",
    ]
    assert text.startswith("# Learning-rate schedules on CartPole-v1: 2 arms, 12 runs\n\n- **schedule=linear**: ")


def test_the_page_needs_nothing_but_itself(comparison, tmp_path):
    page = Page(write_report(comparison, tmp_path)[0].read_text())
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert len(page.links) == len(PNGS) and all(link.startswith("data:image/png;base64,") for link in page.links)


@pytest.mark.thorough
def test_writing_again_replaces_everything(comparison, tmp_path):
    paths = write_report(comparison, tmp_path)
    before = {path.name: path.read_bytes() for path in paths}
    (tmp_path / "mine.txt").write_text("kept")
    write_report(comparison, tmp_path)
    assert {path.name: path.read_bytes() for path in paths} == before
    assert [path.name for path in write_report(comparison, tmp_path, figures=None)] == FILES[1:]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted([*FILES[1:], "mine.txt"])
    assert "pip install -c constraints.txt -e '.[report]'" in (tmp_path / "report.md").read_text()


def test_nothing_from_files_is_obeyed(comparison, tmp_path):
    arms = [replace(arm, name=EVIL + arm.name, values={EVIL: EVIL}) for arm in comparison.arms]
    evil = replace(
        study.compare(arms, arms[0].name),
        unfinished=(Unfinished(Path(EVIL), EVIL, 0.25, EVIL),),
        skipped=(EVIL,),
        commands=(EVIL + "```",),
        versions={EVIL: EVIL},
    )
    page, markdown, *_ = write_report(evil, tmp_path)
    parsed = Page(page.read_text())
    assert "script" not in parsed.tags and "strong" not in parsed.tags
    assert parsed.text.count('<script>alert("1")</script>') > 10
    text, _, code = markdown.read_text().partition("## Commands")
    assert "````" in code
    assert not re.search(r"(?<!\\)[<`]", text)
    assert headings(text)[0] == "Verdict" and "\n# h" not in text[10:]
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_tables_hold_every_run_and_number(comparison, tmp_path):
    write_report(comparison, tmp_path)
    runs, arms, contrasts = (rows(tmp_path / name) for name in FILES[2:])
    members = [(arm, run) for arm in comparison.arms for run in arm.runs]
    assert [(row["arm"], int(row["seed"])) for row in runs] == [(arm.name, run.seed) for arm, run in members]
    for row, (_, run) in zip(runs, members, strict=True):
        for name, value in run.metrics.items():
            assert row[name] == "" if math.isnan(value) else float(row[name]) == value
    of_arms = (comparison.estimates, comparison.across)
    assert len(arms) == sum(len(numbers) for of in of_arms for numbers in of.values())
    assert [row["family"] for row in contrasts[:2]] == ["confirmatory"] * 2
    assert {row["family"] for row in contrasts[2:]} == {"exploratory"}
    for row, test in zip(contrasts, comparison.contrasts, strict=False):
        assert (float(row["effect"]), float(row["p_holm"])) == (test.effect.value, test.p_holm)


def test_the_exploratory_table_holds_the_chosen_metrics_and_the_tables_all(comparison, tmp_path):
    text = write_report(comparison, tmp_path)[1].read_text()
    section = text.partition("## Exploratory: other metrics")[2].partition("\n## ")[0]
    names = [line.split(" | ")[0][2:] for line in section.splitlines() if line.startswith("| ")]
    assert [name for name in names if name in EXPLORED] == list(EXPLORED)
    assert EXPLORED.keys() <= DIRECTIONS.keys() and not EXPLORED.keys() & {*ENDPOINTS, "retention"}
    assert "All other metrics are in arms.csv (levels) and contrasts.csv (differences)." in section
    linear, none = comparison.arms
    everything = {(arm.name, metric) for arm in (linear, none) for metric in DIRECTIONS}
    assert everything <= {(row["arm"], row["metric"]) for row in rows(tmp_path / "arms.csv")}
    assert {row["metric"] for row in rows(tmp_path / "contrasts.csv")} == DIRECTIONS.keys()
    assert DIRECTIONS.keys() <= rows(tmp_path / "runs.csv")[0].keys()


def test_metrics_that_no_run_has_are_no_rows(comparison, tmp_path):
    lacking = []
    for arm in comparison.arms:
        runs = [replace(run, metrics={**run.metrics, "auc": math.nan}) for run in arm.runs]
        lacking.append(replace(arm, runs=tuple(runs)))
    text = write_report(study.compare(lacking, comparison.baseline), tmp_path)[1].read_text()
    assert "| max_drawdown |" in text and "| auc |" not in text


def test_unfinished_and_skipped_runs_are_named(comparison, tmp_path):
    listed = replace(
        comparison, unfinished=(Unfinished(Path("x/seed7"), "killed", 0.426, "why"),), skipped=("y: torn",)
    )
    text = write_report(listed, tmp_path)[1].read_text()
    assert "| x/seed7 | killed | 43% | why |" in text
    assert "- **skipped**: y: torn" in text


@pytest.mark.thorough
def test_one_arm_and_nothing_known(comparison, tmp_path):
    alone = study.compare(comparison.arms[:1], comparison.arms[0].name)
    text = write_report(alone, tmp_path)[1].read_text()
    assert "1 arm, 6 runs" in text and "Exploratory" not in text and "(not recorded)" in text


def test_returns_are_shown_beside_the_scores_of_one_task(comparison, tmp_path):
    text = write_report(comparison, tmp_path)[1].read_text()
    assert "| arm | runs | final return | final score | late oscillation | retention |" in text
    assert "Score 0 is a return of 22.97, a random policy; score 1 is 500." in text
    arms = [replace(a, runs=tuple(replace(r, unit="return", task="Own-v0") for r in a.runs)) for a in comparison.arms]
    text = write_report(study.compare(arms, arms[0].name), tmp_path)[1].read_text()
    assert "| arm | runs | final return | late oscillation | retention |" in text


BLOCKS = [
    Heading("a & b"),
    Paragraph("1. no list, snake_case, _no emphasis_"),
    Items((("lead", "text"), ("", "alone"))),
    Table(("h", "i"), (("0.5 [0.4, 0.6]", "a|b"),)),
    Figure("name", b"png", "what"),
    Code(("x < y",)),
]


def test_markdown_word_for_word():
    assert to_markdown("T*", BLOCKS) == (
        "# T\\*\n\n## a \\& b\n\n1\\. no list, snake_case, \\_no emphasis\\_\n\n- **lead**: text\n- alone\n\n"
        "| h | i |\n| --- | --- |\n| 0.5 \\[0.4, 0.6\\] | a\\|b |\n\n![what](name.png)\n\nwhat\n\n```\nx < y\n```\n"
    )


def test_html_word_for_word():
    body = to_html("T<", BLOCKS).partition("<body>\n")[2]
    assert body == (
        "<h1>T&lt;</h1>\n<h2>a &amp; b</h2>\n<p>1. no list, snake_case, _no emphasis_</p>\n"
        "<ul>\n<li><b>lead</b>: text</li>\n<li>alone</li>\n</ul>\n"
        '<div class="wide"><table>\n<tr><th>h</th><th>i</th></tr>\n'
        "<tr><td>0.5 [0.4,\u00a00.6]</td><td>a|b</td></tr>\n</table></div>\n"
        '<figure><img src="data:image/png;base64,cG5n" alt="what"><figcaption>what</figcaption></figure>\n'
        "<pre>x &lt; y</pre>\n</body>\n</html>\n"
    )
