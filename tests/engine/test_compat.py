"""Undocumented parts of joblib in use."""

from __future__ import annotations

import os
import subprocess
import sys

from joblib import Parallel, delayed

from recipeline.engine._compat import pack, running_pool
from recipeline.engine.local import run_packed
from tests.conftest import ROOT

REFUSED = """
import time
from recipeline.engine.local import LocalWorkers, stop_workers

def work(number):
    if number == 1:
        raise ValueError("no")
    time.sleep(0.02)
    return number

if __name__ == "__main__":
    workers = LocalWorkers(2)
    try:
        list(workers.map([(work, (number,)) for number in range(40)]))
    except ValueError as error:
        print(error)
    print(list(workers.map([(work, (5,)), (work, (6,))])))
    stop_workers()
"""


def test_where_a_call_fails_those_that_wait_are_given_up_without_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", REFUSED], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "no\n[5, 6]\n")
    assert done.stderr == ""


def test_a_packed_function_of_any_kind_is_run_by_the_pool_that_joblib_uses() -> None:
    """The pool is there once joblib has been asked for something."""
    number, here = 3, os.getpid()
    assert list(Parallel(2)([delayed(abs)(-1), delayed(abs)(-2)])) == [1, 2]
    found = running_pool().submit(run_packed, here, pack((lambda: (number, os.getpid() != here), ()))).result()
    assert found == (3, True)
    assert list(Parallel(2)([delayed(abs)(-1), delayed(abs)(-2)])) == [1, 2]
