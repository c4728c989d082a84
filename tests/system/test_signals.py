"""A request to stop: which signals it answers, and that it ends."""

import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

from rl_decay.system.signals import SIGNALS, StopRequest, held_back, watched


def test_a_request_to_stop_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
        assert stop.signal == "SIGTERM"
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_it_ends_although_a_process_that_was_forked_meanwhile_lives_on():
    """So it is with the processes of a task: they have a copy of the pipe that the watching thread reads."""
    for watching in (watched("a task"), StopRequest()):
        reader, writer = os.pipe()
        with watching, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the child touches none of the other threads' locks
            child = os.fork()
            if child == 0:
                os.close(writer)
                os.read(reader, 1)  # until the parent, behind the `with`, closes its end
                os._exit(0)
        os.close(writer)
        assert os.waitpid(child, 0)[1] == 0
        os.close(reader)


def test_a_request_reaches_all_that_it_came_inside_of():
    with StopRequest() as outer:
        with StopRequest() as quiet:
            pass
        assert (quiet.signal, outer.signal) == (None, None)
        with StopRequest() as middle, StopRequest() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert (inner.signal, middle.signal, outer.signal) == ("SIGTERM", "SIGTERM", "SIGTERM")
        with StopRequest() as later:
            signal.raise_signal(signal.SIGINT)
        assert (later.signal, outer.signal) == ("SIGINT", "SIGTERM")


def test_a_second_request_is_an_interrupt():
    interrupted = False
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert stop.signal == "SIGHUP"
            signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        interrupted = True
    assert interrupted


CHILD = """
import sys
from rl_decay.system.signals import SIGNALS, leave_to_parent
sys.stdin.read()
leave_to_parent(*SIGNALS)
print("alive")
"""


def test_a_process_that_was_started_with_signals_held_back_never_sees_one():
    with held_back(*SIGNALS):
        command, pipe = [sys.executable, "-c", CHILD], subprocess.PIPE
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    for number in SIGNALS:
        child.send_signal(number)  # while the interpreter starts
    assert child.communicate() == ("alive\n", "")


def test_of_several_signals_that_are_held_back_the_second_is_answered_at_once():
    came = []
    before = signal.signal(signal.SIGHUP, lambda *_: came.append("SIGHUP"))
    try:
        with ThreadPoolExecutor(1) as others:  # its thread takes what this one does not
            others.submit(int).result()
            with held_back(signal.SIGHUP):
                for answers in (0, 1, 2):
                    others.submit(signal.raise_signal, signal.SIGHUP).result()
                    assert len(came) == answers
            assert len(came) == 3
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_that_was_held_back_comes_afterwards():
    came = []
    before = signal.signal(signal.SIGHUP, lambda *_: came.append("SIGHUP"))
    try:
        with held_back(signal.SIGHUP):
            signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
            assert came == []
        assert came == ["SIGHUP"]
    finally:
        signal.signal(signal.SIGHUP, before)
