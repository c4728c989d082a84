"""What a person reads in the tables of the plan and of the results."""

import io

import pytest
from rich.console import Console

from rl_decay.config.plan import make_plan
from rl_decay.console.run_tables import plan_table, results_table


def words(table) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize(
    "iterations, limit, said",
    [
        (100, None, "10 of 10 iterations"),
        # rollouts of 32 steps: 40 iterations are 1,280 steps of a slot
        (40, None, "40 of 1 iterations (100 asked: each must hold one iteration)"),
        (40, 30, "4 of 10 iterations (100 asked: each must hold 10 time limits of 30 steps, and one iteration)"),
        (40, 999, "1 of 40 iterations (100 asked: the run is shorter than 10 time limits of 999 steps)"),
    ],
)
def test_the_plan_says_of_segments_what_is_true(iterations, limit, said, configure):
    config = configure(segments=10 if iterations == 100 else 100, total_steps=iterations * 64)
    lines = [
        " ".join(line.split()) + "\n" for line in words(plan_table(config, make_plan(config, limit), "cpu")).split("\n")
    ]
    assert any(said in line for line in lines), lines


def test_the_plan_names_the_wrappers_in_their_order(configure):
    wrappers = ["gymnasium.wrappers.ClipAction", {"wrapper": "a.B", "x": 1}]
    for items, expected in ((wrappers, "gymnasium.wrappers.ClipAction, then a.B"), ([], None)):
        config = configure(env__wrappers=items)
        table = plan_table(config, make_plan(config, 500), "cpu")
        rows = dict(zip(*(column.cells for column in table.columns)))
        assert rows.get("wrappers") == expected


def test_the_plan_says_that_resets_count(configure):
    config = configure()
    assert "256 asked, 256 trained, resets included" in words(plan_table(config, make_plan(config, 500), "cpu"))


@pytest.mark.parametrize("valid, shown", [(1000, False), (990, False), (989, True), (500, True)])
def test_valid_steps_are_shown_where_resets_took_more_than_a_hundredth(valid, shown):
    summary = dict.fromkeys(("final_return", "best_return", "osc_late", "retention"), 1.0)
    summary |= {"seed": 1, "status": "finished", "steps_per_second": 5.0, "env_steps": 1000, "valid_steps": valid}
    text = words(results_table([summary]))
    assert ("valid steps" in text) == shown
    assert (f"{valid}" in text) == shown
