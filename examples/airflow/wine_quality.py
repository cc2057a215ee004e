"""An Airflow DAG of one task: the chain of a project, in the project's image.

Airflow needs neither the library nor its environment: the contract is the image, the command, the exit code and one JSON object
on stdout. Only exit code 6 (a store, a server or the network was not available) is retried; every other failure is final.
For Airflow 3; the worker needs docker, or another command that runs the image and hands its exit code and stdout on.
"""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

#: To be set: the image, and a file with MLFLOW_TRACKING_URI, ARTIFACT_LOCATION and credentials, readable by the worker alone.
IMAGE, ENVIRONMENT = "registry.example/wine-quality:latest", "/etc/wine-quality.env"
COMMAND = ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--env-file", ENVIRONMENT, IMAGE]
CHAIN = ["python", "-m", "steps.main", "--profile", "server", "--promote", "manual", "--json"]

UNAVAILABLE = 6


def run_command(words: list[str]) -> tuple[int, str]:
    """Run a command; return its exit code and the last line of its stdout.

    Its stderr goes to the task's log, line by line. The end of the task ends the command too.
    """
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            stdout, _ = process.communicate()
        except BaseException:
            process.terminate()
            raise
    return process.returncode, (stdout.splitlines() or [""])[-1]


@dag(schedule="15 4 * * 1", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1, tags=["recipeline"])
def wine_quality() -> None:
    @task(retries=3, retry_delay=timedelta(minutes=5), retry_exponential_backoff=True, execution_timeout=timedelta(hours=2))
    def main() -> dict[str, str]:
        """Run the chain; return its run ID, outcome, version and reason, as XCom."""
        code, line = run_command([*COMMAND, *CHAIN])
        try:
            result = json.loads(line)
        except ValueError:
            raise AirflowFailException(f"exit code {code}, and no result on stdout: the image or docker failed") from None
        values = result["values"] or {}
        words = result["error"] or "; ".join(values["best"]["failures"])
        if code == UNAVAILABLE:
            raise AirflowException(words)
        if code:
            raise AirflowFailException(f"{result['outcome']} (exit code {code}): {words} Run {result['run_id'] or 'none'}.")
        return {
            "run_id": result["run_id"],
            "outcome": result["outcome"],
            "version": values["version"]["version"],
            "reason": values["decision"]["reason"],
        }

    main()


wine_quality()
