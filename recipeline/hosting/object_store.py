"""An S3 endpoint that keeps its objects on disk: SeaweedFS from a wheel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import psutil

from recipeline.hosting import processes
from recipeline.hosting.state import Secrets, ServerFolder

NAME = "s3"

#: The bucket of the artifacts, and any region: the endpoint has none.
BUCKET, REGION = "mlflow", "us-east-1"

#: The object that shows that all parts work together; it is written and read at each start.
_PROBE = ".probe"

#: SeaweedFS often does not end when it is told to; what it acknowledged is on the disk either way.
_START_SECONDS, _STOP_SECONDS = 60, 2


def find_program() -> str | None:
    """Return SeaweedFS's program: the wheel's, else the one on PATH.

    None if there is none.
    """
    own = Path(sys.executable).with_name("weed")
    return str(own) if own.is_file() else shutil.which("weed")


def start(folder: ServerFolder, ports: dict[str, int], secrets: Secrets) -> psutil.Process:
    """Start the S3 endpoint on the loopback address; do not wait for it.

    Raises
    ------
    UnavailableError : it cannot be started.
    """
    program, data = find_program(), folder.path / "objects"
    assert program
    data.mkdir(mode=0o700, exist_ok=True)
    key = {"accessKey": secrets.s3_access_key, "secretKey": secrets.s3_secret_key}
    user = {"name": "mlflow", "credentials": [key], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    folder.write("s3.json", json.dumps({"identities": [user]}))
    command = [program, "-logtostderr=true", "server", "-dir", str(data), "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"]
    # One master, so no election; small volumes, loaded without reading them; no telemetry, no catalogues.
    command += ["-master.peers", "none", "-master.telemetry=false", "-master.volumeSizeLimitMB", "256", "-volume.max", "100"]
    command += ["-volume.index", "leveldb", "-s3", "-s3.config", str(folder.path / "s3.json")]
    command += ["-s3.port.iceberg", "0", "-s3.port.lance", "0"]
    for part in ("s3", "filer", "master", "volume"):
        command += [f"-{part}.port", str(ports[part]), f"-{part}.port.grpc", str(ports[f"{part}_grpc"])]
    used = [port for name, port in ports.items() if name not in ("mlflow", "postgres")]
    return processes.start(folder, NAME, command, environment=_environment(secrets), ports=used)


def wait(folder: ServerFolder, process: psutil.Process, port: int, secrets: Secrets) -> None:
    """Wait until the endpoint keeps objects.

    Its bucket is made if it does not exist.

    Raises
    ------
    UnavailableError : it ended, or does not answer in time.
    """
    log, client = processes.log_of(folder, NAME), connect(port, secrets)
    processes.wait_until(lambda: is_ready(client), process, log, name="The object store", seconds=_START_SECONDS)


def stop(folder: ServerFolder) -> bool:
    """Stop the S3 endpoint; return whether it was running."""
    return processes.stop(folder, NAME, how=signal.SIGTERM, seconds=_STOP_SECONDS)


def connect(port: int, secrets: Secrets) -> Any:
    """Return a boto3 client of the endpoint; it does not repeat requests."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=secrets.s3_access_key,
        aws_secret_access_key=secrets.s3_secret_key,
        region_name=REGION,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5),
    )


def is_ready(client: Any) -> bool:
    """Whether the endpoint writes and reads an object.

    The bucket is made if it does not exist.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key=_PROBE, Body=b"ready")
        return bool(client.get_object(Bucket=BUCKET, Key=_PROBE)["Body"].read() == b"ready")
    except (BotoCoreError, ClientError):
        return False


def client_environment(port: int, secrets: Secrets) -> dict[str, str]:
    """Return the environment variables of a client of the endpoint."""
    return {
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": secrets.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": secrets.s3_secret_key,
        "AWS_DEFAULT_REGION": REGION,
    }


def _environment(secrets: Secrets) -> dict[str, str]:
    """Return the environment, with the key that protects the store's inner HTTP ports."""
    names = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    keys = {f"WEED_JWT_{name}_KEY": secrets.store_key for name in names}
    return {name: value for name, value in os.environ.items() if not name.startswith(("WEED_", "AWS_", "S3_"))} | keys
