"""Undocumented parts of joblib in use."""

from __future__ import annotations

import subprocess
import sys

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
