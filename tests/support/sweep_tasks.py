"""Tasks that break, as `sweep_tasks:Raising-v0`, and a callback that remembers; importable by worker processes."""

import glob
import json
import os
import shutil

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from hydra.experimental.callback import Callback


class Breaking(gym.Env):
    """Fine for 40 steps of all copies in this process, and for the 504 of the examination before training; then it
    raises, or ends the process with exit code 3.
    """

    observation_space = Box(-1, 1, (3,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)
    taken = 0

    def __init__(self, how="raise"):
        self.how = how

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        Breaking.taken, self.steps = Breaking.taken + 1, self.steps + 1
        if Breaking.taken > 544:
            if self.how == "exit":
                os._exit(3)
            raise OSError("the simulator is out of fuel")
        return np.zeros(3, np.float32), 1.0, False, self.steps == 5, {}


class Recorder(Callback):
    """Append what Hydra says of each job to calls.jsonl in the current folder."""

    def on_job_start(self, config, *, task_function, **kwargs):
        self._write("start", config.hydra.job.num, config.seed, config.hydra.runtime.output_dir, task_function.__name__)

    def on_job_end(self, config, job_return, **kwargs):
        job = config.hydra.job.num
        self._write("end", job, config.seed, job_return.return_value, [job_return.cfg.seed, job_return.status.name])

    def on_multirun_end(self, config, **kwargs):
        self._write("multirun_end")

    def _write(self, *row):
        with open("calls.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")


class Removing(Breaking):
    """Once the folders that VICTIMS names hold a checkpoint it removes them and goes on, raises or leaves."""

    def step(self, action):
        Breaking.taken = 0
        victims = glob.glob(os.environ["VICTIMS"])
        if any(os.path.exists(f"{folder}/checkpoints/best.pt") for folder in victims):
            if self.how == "leave":
                raise SystemExit(0)
            if self.how == "leave at once":
                os._exit(0)
            for folder in victims:
                shutil.rmtree(folder)
            if self.how == "remove and raise":
                raise OSError("the simulator is out of fuel")
        return super().step(action)


gym.register("Removing-v0", Removing, disable_env_checker=True)
gym.register("Raising-v0", Breaking, disable_env_checker=True)
gym.register("Exiting-v0", Breaking, disable_env_checker=True, kwargs={"how": "exit"})
