"""Tasks that cannot be trained are the person's mistake: one message that names the task and the way out."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Sequence, Text, Tuple
from variants import thorough

from rl_decay.config.schema import Env
from rl_decay.envs.examine import codec_of, examine
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.making import make_env
from rl_decay.errors import UserError

BOX = Box(-1.0, 1.0, (2,))
SAFETY = 120.0  # seconds; ends a test that hangs, and decides nothing else


class AnySpaces(gym.Env):
    """A task of whatever spaces; its third step, or its second reset, never ends if it `hangs` there.

    With `ctrl_c` one is pressed while it is made; its reset raises the error `fails`, if there is one.
    """

    def __init__(self, obs=BOX, action=BOX, hangs=None, ctrl_c=False, fails=None):
        self.observation_space, self.action_space, self.hangs, self.fails = obs, action, hangs, fails
        if ctrl_c:
            os.kill(os.getpid(), signal.SIGINT)
        self.resets = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if self.fails is not None:
            raise self.fails
        self.steps = 0
        self.resets += 1
        if self.hangs == "reset" and self.resets == 2:
            time.sleep(3600)
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        if self.hangs == "step" and self.steps == 3:
            time.sleep(3600)
        return self.observation_space.sample(), 0.0, False, False, {}


gym.register("tests/AnySpaces-v0", AnySpaces, disable_env_checker=True)


def task(**kwargs):
    rescale = kwargs.pop("rescale", False)
    return Env(id="tests/AnySpaces-v0", kwargs=kwargs, rescale_actions=rescale)


@pytest.mark.parametrize("obs", [Text(3), Dict({"a": BOX, "b": Sequence(BOX)})])
def test_observation_spaces(obs):
    with pytest.raises(
        UserError, match=r"env\.id=tests/AnySpaces-v0: observation .* is not supported .* Box, Discrete"
    ):
        GymnasiumVec(task(obs=obs), 2)


@pytest.mark.parametrize(
    "action, reason",
    [
        (Tuple((BOX,)), "the parts of a Tuple"),
        (Dict({"a": BOX}), "the parts of a Dict"),
        (Box(0, 9, (2,), np.int64), "whole numbers cannot be drawn from a normal distribution; a MultiDiscrete"),
        (Text(3), "choose a task with a float Box, Discrete, MultiDiscrete or MultiBinary"),
    ],
)
def test_action_spaces(action, reason):
    words = rf"env\.id=tests/AnySpaces-v0: action space .* is not supported.*{reason}"
    with pytest.raises(UserError, match=words) as error:
        GymnasiumVec(task(action=action), 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("vec", ["sync", "async"])
@pytest.mark.parametrize("action", [Box(-np.inf, 1.0, (2,)), Discrete(2), MultiBinary(2), MultiDiscrete([2, 3])])
def test_rescaling_needs_finite_bounds(vec, action):
    with pytest.raises(UserError, match=r"env\.rescale_actions=true: tests/AnySpaces-v0 .* env\.rescale_actions=false"):
        GymnasiumVec(task(action=action, rescale=True), 1, vec)
    with pytest.raises(UserError, match=r"net\.squash=tanh: tests/AnySpaces-v0 .* net\.squash=none"):
        GymnasiumVec(task(action=action), 1, vec, squash="tanh")


@pytest.mark.parametrize(("setting", "rescale"), [("env.rescale_actions=true", True), ("net.squash=tanh", False)])
def test_the_infinite_bounds_are_named(setting, rescale):
    low = np.array([[0.0, -3.0], [-1.0, -np.inf]], np.float32)
    env = task(action=Box(low, 7.0, (2, 2), np.float32), rescale=rescale)
    with pytest.raises(UserError) as error:
        codec_of(env, "none" if rescale else "tanh")
    assert str(error.value).startswith(setting)
    assert "(component 3 lies in [-inf, 7])" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("env_id", ["NoSuchTask-v0", "CartPole-v999", "no_such_module:Task-v0", "not an id"])
@pytest.mark.parametrize("make", [lambda env: GymnasiumVec(env, 1), make_env])
def test_unknown_tasks(env_id, make):
    with pytest.raises(UserError, match=f"env.id={env_id}"):
        make(Env(id=env_id))


def test_unknown_arguments():
    with pytest.raises(UserError, match=r"env\.kwargs=\{'colour': 'red'\}"):
        GymnasiumVec(Env(id="CartPole-v1", kwargs={"colour": "red"}), 1)


def test_a_hanging_task_is_given_up_after_its_timeout():
    env = task(hangs="step")
    env.timeout = 3.0  # every other step must be faster, on a busy machine too
    with closing(GymnasiumVec(env, 2, "async")) as envs:
        envs.reset([1, 2])
        idle = np.zeros((2, 2), np.float32)
        envs.step(idle)
        envs.step(idle)
        with pytest.raises(UserError, match=r"env\.timeout=3\.0: a step of tests/AnySpaces-v0 took longer"):
            envs.raw_step(idle)
    assert multiprocessing.active_children() == []


@pytest.mark.thorough
def test_a_hanging_reset_is_given_up_too():
    env = task(hangs="reset")
    env.timeout = 3.0  # every other step must be faster, on a busy machine too
    with closing(GymnasiumVec(env, 2, "async")) as envs:
        envs.reset([1, 2])
        with pytest.raises(UserError, match=r"env\.timeout=3\.0: a reset of tests/AnySpaces-v0 took longer"):
            envs.raw_reset([3, 4])


@pytest.mark.parametrize("hangs", [thorough("step"), None])
def test_processes_are_ended_where_their_parent_ignores_sigterm(hangs, request):
    """So it is in a sweep's worker: its signals are ignored, and its children inherit that."""
    env = task(hangs=hangs)
    env.timeout = 3.0
    request.addfinalizer(partial(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, signal.SIG_IGN)))
    with closing(GymnasiumVec(env, 2, "async")) as envs:
        envs.reset([1, 2])
        if hangs:
            with pytest.raises(UserError, match="took longer"):
                for _ in range(3):
                    envs.raw_step(np.zeros((2, 2), np.float32))
    assert multiprocessing.active_children() == []


class OddError(Exception):
    """An error that cannot be made anew from its message, as Gymnasium's parent process tries to."""

    def __init__(self, part, reason):
        super().__init__(f"{part}: {reason}")


class Failing(AnySpaces):
    """A task whose copies in processes cannot be made, or whose reset raises an error that cannot be sent."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        if how == "constructor" and multiprocessing.parent_process() is not None:
            raise RuntimeError("no licence for a second copy")

    def reset(self, *, seed=None, options=None):
        class LocalError(OddError):
            pass

        if self.how == "reset":
            raise LocalError("pump", "out of fuel")
        if self.how == "exit":
            raise SystemExit(0)
        return super().reset(seed=seed)


gym.register("tests/Failing-v0", Failing, disable_env_checker=True)


def test_a_copy_that_cannot_be_made_is_one_message(capfd):
    with pytest.raises(UserError, match=r"env\.id=tests/Failing-v0.*RuntimeError: no licence for a second copy"):
        GymnasiumVec(Env(id="tests/Failing-v0", kwargs={"how": "constructor"}), 3, "async")
    assert multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""


def test_an_error_that_cannot_be_sent_is_told_all_the_same(capfd):
    envs = GymnasiumVec(Env(id="tests/Failing-v0", kwargs={"how": "reset"}), 2, "async")
    with closing(envs), pytest.raises(UserError, match="failed with LocalError: pump: out of fuel"):
        envs.raw_reset([1, 2])
    assert capfd.readouterr().err == ""


def test_a_task_that_ends_the_program_is_named():
    envs = GymnasiumVec(Env(id="tests/Failing-v0", kwargs={"how": "exit"}), 2)
    with closing(envs), pytest.raises(UserError, match="its reset failed with SystemExit: 0"):
        envs.raw_reset([1, 2])


def test_a_task_that_ends_the_program_while_it_is_examined_is_left_to_training():
    assert examine(Env(id="tests/Failing-v0", kwargs={"how": "exit"}), "sync").spaces.obs_size == 2


ORPHANS = """
import sys, time
import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete
from rl_decay.config.schema import Env
from rl_decay.envs.examine import examine
from rl_decay.envs.gymnasium_vec import GymnasiumVec

class Endless(gym.Env):
    observation_space, action_space = Box(-1, 1, (1,)), Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        print("in a step", flush=True)
        while True:
            time.sleep(1)

gym.register("Endless-v0", Endless, disable_env_checker=True)
envs = GymnasiumVec(Env(id=sys.argv[1]), 3, "async")
envs.reset([1, 2, 3])
print("ready", flush=True)
envs.step(np.zeros(3, np.int64)) if sys.argv[1] == "Endless-v0" else sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes notice their parent's death by its pipe alone")
@pytest.mark.parametrize("name, awaited", [("CartPole-v1", "ready"), ("Endless-v0", "in a step")])
def test_the_processes_of_a_killed_parent_die_without_a_word(name, awaited):
    command, pipe = [sys.executable, "-c", ORPHANS, name], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as parent:
        while awaited not in parent.stdout.readline():
            assert parent.poll() is None
        parent.kill()
        try:
            _, errors = parent.communicate(timeout=SAFETY)  # reads until the last process has closed its standard error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
    assert errors == ""


FEW_FILES = """
import resource
from rl_decay.config.schema import Env
from rl_decay.envs.examine import examine
from rl_decay.envs.gymnasium_vec import GymnasiumVec
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
GymnasiumVec(Env(id="CartPole-v1"), 100, "async")
"""


def test_more_processes_than_open_files_are_refused_with_both_numbers():
    ended = subprocess.run([sys.executable, "-c", FEW_FILES], capture_output=True, text=True)
    *_, line = ended.stderr.splitlines()
    # three files a process, 64 to spare, and those that Python has open
    assert "vec=async with 100 environments in one process: needs about 3" in line
    assert "`ulimit -n` allows 100; raise that limit, choose vec=sync" in line


@pytest.mark.parametrize("vec", ["sync", "async"])
def test_a_ctrl_c_while_copies_are_made_comes_through_and_leaves_no_process(vec):
    before = multiprocessing.active_children()
    with pytest.raises(KeyboardInterrupt):
        GymnasiumVec(task(ctrl_c=True), 3, vec)
    assert multiprocessing.active_children() == before


def test_a_task_in_this_process_that_loses_a_connection_is_named_by_its_error():
    with (
        closing(GymnasiumVec(task(fails=ConnectionError("no simulator")), 1)) as envs,
        pytest.raises(UserError, match="no simulator"),
    ):
        envs.raw_reset([0])


@pytest.mark.parametrize("vec", ["sync", "async"])
@pytest.mark.parametrize("error", [GeneratorExit("no more"), SystemExit(0)])
def test_an_error_that_is_no_exception_is_named_too(error, vec):
    with closing(GymnasiumVec(task(fails=error), 1, vec)) as envs, pytest.raises(UserError, match=type(error).__name__):
        envs.raw_reset([0])


@pytest.mark.thorough
def test_the_timeout_holds_for_the_examination_too():
    hanging = replace(task(hangs="reset"), timeout=0.5)
    assert examine(hanging, "async").notes == ()  # training meets it again, and says so in the run's summary
