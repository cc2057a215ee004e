"""A version as a function of Spark: the model is a plain MLflow model."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import NAME, ROOT, Project

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        shutil.which("java") is None or importlib.util.find_spec("pyspark") is None,
        reason="no Java, or no pyspark (it is in no lock: pip install pyspark into an environment of its own)",
    ),
]

#: As in docs/how-to/batch.md; in a process of its own, which ends with Spark's Java.
SCRIPT = """
import sys
import mlflow
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct

uri, store, source, output = sys.argv[1:]
mlflow.set_tracking_uri(store)
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
score = mlflow.pyfunc.spark_udf(spark, uri, result_type="double", env_manager="local")
rows = spark.read.parquet(source).repartition(3)
names = mlflow.pyfunc.load_model(uri).metadata.get_input_schema().input_names()
rows.withColumn("prediction", score(struct(*[f"`{name}`" for name in names]))).toPandas().to_parquet(output)
spark.stop()
"""


def test_spark_predicts_what_the_command_does(trained: Project, tmp_path: Path, wines: pd.DataFrame) -> None:
    source, output, plain = tmp_path / "in.parquet", tmp_path / "spark.parquet", tmp_path / "plain.parquet"
    wines.assign(number=np.arange(len(wines))).to_parquet(source)
    trained.ok("predict", input=str(source), output=str(plain))
    uri = f"models:/{NAME}/{trained.production().version}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    words = [sys.executable, "-c", SCRIPT, uri, trained.uri, str(source), str(output)]
    subprocess.run(words, env=environment, cwd=tmp_path, check=True, timeout=600)
    found, expected = (pd.read_parquet(path).set_index("number")["prediction"] for path in (output, plain))
    np.testing.assert_allclose(found.loc[expected.index], expected, rtol=1e-9)
