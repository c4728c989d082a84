"""A worker that says nothing, one that is gone without a word, and what the main process makes of it."""

import json
import logging
import math
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress

import pytest

from rl_decay.config.schema import Config
from rl_decay.runs.jobs import Job
from rl_decay.sweeps import workers
from rl_decay.sweeps.reporter import PopulationEnded, Progress
from rl_decay.sweeps.worker import Farewell, Heartbeat, _MainProcess

PROGRESS = Progress(0, iteration=1, num_iterations=3, start=0, ended=0, valid_steps=32, returns=(1.0,))


class Process:
    """What the main process sees of a worker process."""

    pid, exitcode = 2**22 + 1, 0  # Linux gives no such number

    def __init__(self):
        self.killed = False

    def join(self, timeout=None):
        pass

    def is_alive(self):
        return False

    def kill(self):
        self.killed = True


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """(the far end of a worker's channel, its process, its jobs): a worker that was to be heard of long ago."""
    ours, theirs = multiprocessing.Pipe()
    jobs = [Job(number, Config(), tmp_path / f"job{number}", ()) for number in (3, 4)]
    process = Process()
    monkeypatch.setattr(workers, "_start", lambda *_: workers._Worker(0, jobs, process, ours, deadline=-math.inf))
    return theirs, process, jobs


@pytest.fixture
def answering(caplog):
    """Do something when a log line has these words: answering(words, deed)."""
    log, handlers = logging.getLogger("rl_decay"), []

    def answer(words, deed):
        class Handler(logging.Handler):
            def emit(self, record):
                if words in record.getMessage():
                    deed()

        handlers.append(Handler())
        log.addHandler(handlers[-1])

    caplog.set_level(logging.INFO)
    yield answer
    for handler in handlers:
        log.removeHandler(handler)


def summary_of(job):
    return json.loads((job.folder / "summary.json").read_text())


def test_a_worker_that_does_not_answer_is_named_once_and_not_killed(worker, answering, caplog):
    channel, process, jobs = worker

    def go_on():
        channel.send(Heartbeat())

    def end():
        channel.send(Farewell([(jobs[0].folder, "no room")]))
        channel.close()

    answering("does not answer", go_on)
    answering("answers again", end)
    heard = []
    outcome = workers.train([jobs], 2, heard.append)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"worker process {process.pid} (jobs 3 to 4)" in warning
    assert "swapped out or stopped" in warning and f"kill -9 {process.pid}" in warning
    assert not process.killed
    assert (outcome.complete, outcome.unrecorded, heard) == (True, [(jobs[0].folder, "no room")], [PopulationEnded(0)])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no /proc tells the state of a process")
@pytest.mark.parametrize("stopped", [True, False])
def test_a_silent_worker_is_called_stopped_only_if_it_is(worker, answering, caplog, stopped):
    channel, process, jobs = worker
    answering("does not answer", channel.close)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process.pid = child.pid
        if stopped:
            child.send_signal(signal.SIGSTOP)
            os.waitpid(child.pid, os.WUNTRACED)
        workers.train([jobs], 2, lambda progress: None)
        child.kill()
    (warning,) = [record.getMessage() for record in caplog.records if "does not answer" in record.getMessage()]
    assert ("it is stopped" in warning, f"kill -CONT {child.pid}" in warning) == (stopped, stopped)
    assert ("busy in code that does not let Python run" in warning) != stopped
    assert f"kill -9 {child.pid}" in warning


def test_a_worker_may_be_silent_longer_until_its_first_progress(worker, answering, caplog, monkeypatch):
    channel, _, jobs = worker
    monkeypatch.setattr(workers, "HEARTBEAT_TIMEOUT", -math.inf)
    monkeypatch.setattr(workers, "STARTUP_TIMEOUT", math.inf)
    for message in (Heartbeat(), Heartbeat(), PROGRESS):
        channel.send(message)
    answering("does not answer", channel.close)
    warned_before = []

    def listen(message):
        if isinstance(message, Progress):
            warned_before.append("does not answer" in caplog.text)

    workers.train([jobs], 2, listen)
    assert warned_before == [False] and "does not answer" in caplog.text


@pytest.mark.parametrize("exitcode", [0, 3, -9])
def test_a_worker_that_ends_without_a_farewell_leaves_its_jobs_failed(worker, exitcode):
    channel, process, jobs = worker
    process.exitcode = exitcode
    channel.close()
    outcome = workers.train([jobs], 2, lambda progress: None)
    assert outcome.unrecorded == []
    for job in jobs:
        said = summary_of(job)
        assert (said["status"], said["reason"]) == ("failed", f"its worker process died with exit code {exitcode}")


def test_a_worker_that_dies_in_the_middle_of_a_message_ends_no_other(worker):
    channel, _, jobs = worker
    os.write(channel.fileno(), struct.pack("!i", 1000) + b"the first of 1000 bytes")
    channel.close()
    assert workers.train([jobs], 2, lambda progress: None).complete
    assert [summary_of(job)["status"] for job in jobs] == ["failed", "failed"]


def test_failures_that_no_folder_can_take_are_told(worker, tmp_path):
    channel, _, jobs = worker
    channel.close()
    (tmp_path / "job3").write_text("a file where the folder should be")
    outcome = workers.train([jobs], 2, lambda progress: None)
    assert outcome.unrecorded == [(jobs[0].folder, "its worker process died with exit code 0")]
    assert summary_of(jobs[1])["status"] == "failed"


def stop_twice():
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def test_a_second_signal_ends_the_workers_at_once(worker, answering):
    _, process, jobs = worker
    answering("does not answer", stop_twice)
    outcome = workers.train([jobs], 2, lambda progress: None)
    assert process.killed and not outcome.complete
    assert [summary_of(job)["reason"] for job in jobs] == 2 * [
        "a second signal: what came after the last checkpoint is lost"
    ]


def test_recording_after_a_second_signal_may_take_its_time(monkeypatch, tmp_path, answering):
    """All workers are dead by then, and no StopRequest ends this process before all is written."""
    jobs = [Job(number, Config(), tmp_path / f"job{number}", ()) for number in (0, 1)]
    processes, pipes = [Process(), Process()], [multiprocessing.Pipe(), multiprocessing.Pipe()]
    before, found = signal.getsignal(signal.SIGINT), []

    def start(index, population):
        return workers._Worker(index, population, processes[index], pipes[index][0], deadline=-math.inf)

    def record(population, status, reason, make_folders):
        found.append((all(process.killed for process in processes), signal.getsignal(signal.SIGINT) == before))
        return []

    monkeypatch.setattr(workers, "_start", start)
    monkeypatch.setattr(workers, "record_endings", record)
    answering("does not answer", stop_twice)
    workers.train([jobs[:1], jobs[1:]], 2, lambda progress: None)
    assert found == [(True, True), (True, True)]


def test_a_second_signal_ends_a_worker_that_has_said_goodbye_and_hangs(worker, monkeypatch):
    channel, process, jobs = worker
    monkeypatch.setattr(process, "is_alive", lambda: not process.killed)
    monkeypatch.setattr(process, "join", lambda timeout=None: process.killed or stop_twice())
    channel.send(Farewell([(jobs[0].folder, "no room")]))
    channel.close()
    outcome = workers.train([jobs], 2, lambda progress: None)
    assert process.killed and outcome == workers.Outcome(False, [(jobs[0].folder, "no room")])
    assert not jobs[1].folder.exists()  # what the worker wrote stays


@pytest.fixture
def victims(breaking, monkeypatch, tmp_path):
    """Tasks may remove the run folder of seed 0 below `sweep` in the middle of training."""
    monkeypatch.setenv("VICTIMS", f"{tmp_path}/sweep/*_seed0_*")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["remove", "remove and raise", "leave", "leave at once"])
def test_whatever_happens_in_a_worker_reaches_the_main_process(victims, train_py, tiny, tmp_path, summaries, how):
    words = (*tiny, "env=generic", "env.num_envs=2", "seed=0,1", "total_steps=320", "hydra.launcher.workers=2")
    ended = train_py(*words, "env.id=sweep_tasks:Removing-v0", f"env.kwargs={{how:'{how}'}}")
    assert ended.code == 1 and "Traceback" not in ended.err
    reasons = {
        "remove": "was removed while the run was training",
        "remove and raise": "its step failed with OSError: the simulator is out of fuel",
        "leave": "its step failed with SystemExit: 0 (line ",
        "leave at once": "its worker process died with exit code 0",
    }
    assert "failed: linear-linear_seed0" in ended.out
    assert reasons[how] in ended.out
    assert "runs failed" in ended.err


def test_a_signal_before_the_first_iteration_reaches_a_population_of_this_process(monkeypatch, tmp_path):
    jobs = [Job(number, Config(), tmp_path / f"job{number}", ()) for number in (0, 1)]
    asked_after = []

    def interrupted_while_it_is_made(index, population, listen, asked):
        assert asked() is None
        os.kill(os.getpid(), signal.SIGINT)
        asked_after.append(asked())
        return []

    monkeypatch.setattr(workers, "train_jobs", interrupted_while_it_is_made)
    outcome = workers.train([jobs[:1], jobs[1:]], 1, lambda message: None)
    assert asked_after == ["SIGINT"] and not outcome.complete


def test_a_signal_in_the_last_iteration_of_a_population_stops_those_that_have_not_begun(configure, tmp_path):
    jobs = [Job(number, configure(env__id="CartPole-v1"), tmp_path / f"job{number}", ()) for number in (0, 1)]

    def in_the_last_iteration(message):
        if isinstance(message, Progress) and message.iteration == message.num_iterations:
            signal.raise_signal(signal.SIGINT)

    outcome = workers.train([jobs[:1], jobs[1:]], 1, in_the_last_iteration)
    assert not outcome.complete and not jobs[1].folder.exists()
    assert summary_of(jobs[0])["status"] == "finished"
    assert workers.train([jobs[1:]], 1, in_the_last_iteration).complete  # nothing was left to begin


def test_a_signal_while_a_worker_starts_reaches_the_sweep(monkeypatch, tmp_path):
    jobs = [Job(number, Config(), tmp_path / f"job{number}", ()) for number in (0, 1)]

    class Interrupted(Process):
        def __init__(self, target, args):
            super().__init__()

        def start(self):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(multiprocessing.get_context("spawn"), "Process", Interrupted)
    outcome = workers.train([jobs[:1], jobs[1:]], 2, lambda message: None)
    assert not outcome.complete and not jobs[1].folder.exists()


def test_only_a_farewell_waits_for_a_main_process_that_was_stopped(monkeypatch):
    ours, theirs = multiprocessing.Pipe()
    sent = []
    monkeypatch.setattr(theirs, "send", lambda message: sent.append(type(message)))  # the real one would wait
    main_process = _MainProcess(theirs)
    with socket.socket(fileno=os.dup(theirs.fileno())) as pipe, suppress(BlockingIOError):
        while True:
            pipe.send(b"unread", socket.MSG_DONTWAIT)
    main_process.send(PROGRESS)
    main_process.close(Farewell(()))
    assert Progress not in sent and sent[-1] == Farewell
    ours.close()


START = """
import probe
from rl_decay.sweeps import workers
workers.work = probe.tell_mask
worker = workers._start(0, [])
print(worker.channel.recv())
worker.process.join()
"""
PROBE = """
import signal

def tell_mask(index, population, channel):
    channel.send(sorted(number.name for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())))
"""


def test_a_worker_process_starts_with_the_signals_held_back(tmp_path):
    """In a process of its own, for the first worker is the one that multiprocessing starts a helper for."""
    (tmp_path / "probe.py").write_text(PROBE)
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    ended = subprocess.run([sys.executable, "-c", START], **options)
    assert (ended.stdout, ended.stderr) == ("['SIGHUP', 'SIGINT', 'SIGTERM']\n", "")


WORK = """
import json, multiprocessing, pathlib, signal
from rl_decay.sweeps import train_jobs, worker

def chatty(*_):
    for number in range(100_000):
        print("episode", number)
    ignored = [signal.getsignal(number) == signal.SIG_IGN for number in worker.SIGNALS]
    mask = list(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    pathlib.Path("done").write_text(json.dumps([ignored, mask]))
    return []

train_jobs.train_jobs = chatty
ours, theirs = multiprocessing.Pipe()
worker.work(0, [], theirs)
"""


def test_a_worker_outlives_the_reader_of_its_output_and_leaves_signals_to_the_main_process(tmp_path):
    command = f"{sys.executable} -c '{WORK}' | head -1"
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", command], **options)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "episode 0\n", "")
    assert json.loads((tmp_path / "done").read_text()) == [[True, True, True], []]
