"""What TensorBoard's custom-scalars and HParams pages are told, read back through TensorBoard's own data provider."""

# pyright: reportAttributeAccessIssue=false
# (protobuf makes its classes when its modules are imported, where a type checker cannot see them)

import os
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from rl_decay.runs.durable import truncate_synced
from rl_decay.runs.events import SESSION_STATUS, EventFile
from rl_decay.runs.layout import FINISHED, INTERRUPTED, RUNNING, STATUSES


def served(folder) -> MultiplexerDataProvider:
    """Where TensorBoard's own pages get their data from, for all runs below a folder."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, str(folder))


def hparams_table(folder) -> tuple[Any, dict[str, Any]]:
    """Columns and rows of the HParams page."""
    context = backend_context.Context(TBContext(data_provider=served(folder)))
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=10, allowed_statuses=list(api_pb2.Status.values())
    )
    ctx = RequestContext()
    found = context.hparams_metadata(ctx, "")
    experiment = context.experiment_from_metadata(ctx, "", True, found, context.hparams_from_data_provider(ctx, "", 0))
    groups = list_session_groups.Handler(ctx, context, "", request).run().session_groups
    return experiment, {group.name: group for group in groups}


def test_a_layout_puts_both_rates_into_one_chart(tmp_path):
    (tmp_path / "run").mkdir()
    events = EventFile(tmp_path / "run")
    events.add_chart_layout({"learning rate": {"actor & critic": ["lr/actor", "lr/critic"]}})
    events.flush()
    found = served(tmp_path).read_tensors(
        RequestContext(), experiment_id="", plugin_name="custom_scalars", downsample=1
    )
    (content,) = [point.numpy.item() for series in found["run"].values() for point in series]
    (category,) = Layout.FromString(content).category
    (chart,) = category.chart
    assert (category.title, chart.title) == ("learning rate", "actor & critic")
    assert list(chart.multiline.tag) == ["lr/actor$", "lr/critic$"]  # else lr/actor would match lr/actor_old too


def test_whole_numbers_beyond_float64_keep_their_digits_as_text(tmp_path):
    (tmp_path / "run").mkdir()
    events = EventFile(tmp_path / "run")
    events.hparams({"exact": 2**53, "seed": 2**63 + 1, "negative": -(2**53) - 1}, ["final/return"])
    events.flush()
    _, rows = hparams_table(tmp_path)
    (row,) = rows.values()
    assert row.hparams["exact"].number_value == 2**53
    assert row.hparams["seed"].string_value == "9223372036854775809"
    assert row.hparams["negative"].string_value == "-9007199254740993"


def test_hparams_are_a_row_of_this_very_run(tmp_path):
    values = {
        "seed": 3,
        "actor.lr": np.float64(3e-4),
        "schedule.actor.curve": "linear",
        "schedule.inclusive": False,
        "algo.target_kl": None,
        "net.hidden": [64, 64],
    }
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        events = EventFile(tmp_path / name)
        events.hparams(values, ["final/return"], first=["schedule.actor.curve"])
        events.scalars(10, {"final/return": 200.0, "eval/return": 1.0})
        events.session_end(FINISHED)
        events.flush()
        assert len(os.listdir(tmp_path / name)) == 1
    experiment, rows = hparams_table(tmp_path)
    types = {info.name: api_pb2.DataType.Name(info.type).removeprefix("DATA_TYPE_") for info in experiment.hparam_infos}
    assert list(types.items()) == [
        ("schedule.actor.curve", "STRING"),
        ("actor.lr", "FLOAT64"),
        ("algo.target_kl", "UNSET"),
        ("net.hidden", "STRING"),
        ("schedule.inclusive", "BOOL"),
        ("seed", "FLOAT64"),
    ]
    assert [info.name.tag for info in experiment.metric_infos] == ["final/return"]
    assert sorted(rows) == ["one", "two"]  # equal values, still two rows
    row = rows["one"]
    assert row.hparams["seed"].number_value == 3
    assert row.hparams["actor.lr"].number_value == 3e-4
    assert row.hparams["schedule.actor.curve"].string_value == "linear"
    assert row.hparams["schedule.inclusive"].HasField("bool_value")
    assert row.hparams["net.hidden"].string_value == "[64, 64]"
    assert "algo.target_kl" not in row.hparams
    assert [value.value for value in row.metric_values] == [200.0]
    assert row.sessions[0].status == api_pb2.STATUS_SUCCESS


def test_a_session_ends_with_any_status_but_running(tmp_path):
    assert SESSION_STATUS.keys() == set(STATUSES) - {RUNNING}
    with pytest.raises(KeyError):
        EventFile(tmp_path).session_end(RUNNING)


def test_a_resumed_run_ends_as_it_ended_last(tmp_path):
    (tmp_path / "run").mkdir()
    events = EventFile(tmp_path / "run", start_time=1000)
    events.hparams({"seed": 0}, ["a"])
    length = events.flush()
    events.session_end(INTERRUPTED)
    events.flush()
    assert hparams_table(tmp_path)[1]["run"].sessions[0].status == api_pb2.STATUS_UNKNOWN
    truncate_synced(events.path, length)
    resumed = EventFile(tmp_path / "run", start_time=2000)
    resumed.session_end(FINISHED)
    resumed.flush()
    assert hparams_table(tmp_path)[1]["run"].sessions[0].status == api_pb2.STATUS_SUCCESS
