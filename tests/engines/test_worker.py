"""What a worker does by itself: it reads the work, and ends what is given up and nothing else."""

import sys
import threading
import time
import types

import cloudpickle
import keras
import pytest

from kerasdl.engines import worker


def test_a_worker_without_the_builders_module_says_what_to_install(monkeypatch):
    module = types.ModuleType("elsewhere")
    exec("def build(features): pass", vars(module))
    with monkeypatch.context() as here:
        here.setitem(sys.modules, "elsewhere", module)
        content = cloudpickle.dumps((module.build, ()))
    with pytest.raises(ImportError, match=r"cannot read the work .*'elsewhere'.*install"):
        worker.made(content)


def counting(steps):
    def count(number):
        while True:
            steps.append(number)
            time.sleep(0.001)

    return count


def in_a_thread(token, work, answers):
    """Let a thread do a piece of work as a worker does, which is put in its place unpickled."""

    def run():
        answers.append(worker.perform(keras.backend.backend(), token, work, 1))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_worker_stops_at_the_work_that_is_given_up_and_at_no_other(monkeypatch):
    monkeypatch.setattr(worker, "made", lambda work: work)
    steps, answers = [], []
    doing = in_a_thread("one", counting(steps), answers)
    waiting = in_a_thread("one", counting(steps), answers)
    while not steps:
        time.sleep(0.01)
    worker.stop("another")
    time.sleep(0.05)
    assert doing.is_alive()
    worker.stop("one")
    doing.join(10)
    waiting.join(10)
    assert [type(error) for _, error in answers] == [RuntimeError, RuntimeError]
    assert worker.perform(keras.backend.backend(), "two", lambda number: number + 1, 1) == (2, None)
