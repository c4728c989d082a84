"""On a narrow terminal no name and no number is cut."""

import io

import pytest
from rich import box
from rich.console import Console
from rich.table import Table

from rl_decay.config.plan import Note, make_plan
from rl_decay.config.schema import Config
from rl_decay.console.run_tables import plan_table, results_table, schedule_table
from rl_decay.runs.jobs import Job
from rl_decay.sweeps.display import populations_table
from rl_decay.system.narrow import fitted

TASK = "MountainCarContinuous-v0"


def printed(table, width):
    console = Console(width=width, file=io.StringIO())
    console.print(fitted(console, table))
    return console.file.getvalue()


@pytest.fixture
def config():
    config = Config()
    config.env.id, config.schedule.actor.curve, config.schedule.actor.final = TASK, "linear_warmup", 0.123456
    return config


@pytest.mark.parametrize("width", [40, 60, 200])
def test_every_name_and_number_of_our_tables_is_there(config, tmp_path, width):
    laid_out = make_plan(config, 500, notes=[Note("reward", "[red]")])
    words = printed(plan_table(config, laid_out, "cpu"), width).split()
    assert {f"{TASK},", "500,000", "499,712", "evaluations", "reward", "[red]"} <= set(words)
    words = printed(schedule_table(config, laid_out), width).split()
    assert {"actor", "linear_warmup", "final=0.123456", "0.0003", "0.000183", "3.76e-05", "middle"} <= set(words)
    numbers = {"final_return": -1234.5678, "best_return": 500.0, "osc_late": 0.0123456, "retention": None}
    steps = {"env_steps": 1000, "valid_steps": 900}
    summary = {"seed": 123456, "status": "interrupted", "steps_per_second": 12345.6, **steps, **numbers}
    words = printed(results_table([summary]), width).split()
    assert {"123456", "interrupted", "-1235", "500", "0.01235", "-", "12,346", "osc_late"} <= set(words)
    words = printed(
        populations_table([[Job(n, config, tmp_path, ()) for n in range(30)]], 2, lambda *_: 10**9), width
    ).split()
    assert {"0..29", "30", TASK, "members"} <= set(words)


def test_a_table_that_fits_stays_as_it_is():
    table = Table("a", "b", box=box.SIMPLE_HEAD)
    table.add_row("1", "2")
    assert fitted(Console(width=40, file=io.StringIO()), table) is table
    assert fitted(Console(width=5, file=io.StringIO()), table) is not table


def test_rows_are_stacked_cell_by_cell():
    table = Table("name", "number", title="t", box=box.SIMPLE_HEAD)
    table.add_row("some_long_name", "123456789")
    table.add_row("another_name", "5")
    lines = [line.strip() for line in printed(table, 28).splitlines()]
    assert [line for line in lines if line] == [
        "t",
        "name     some_long_name",
        "number   123456789",
        "name     another_name",
        "number   5",
    ]
