"""The textbook script: a tutorial in one file.

Usage: python benchmarks/textbook.py DATA STORE_FOLDER [--pinned]

Five models, five folds, log, register the best, promote it.
"""

from __future__ import annotations

import sys
import warnings
from importlib import metadata
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet, LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

warnings.filterwarnings("ignore")
NAME = "WineQualityBestModel"
PINNED = [f"{name}=={metadata.version(name)}" for name in ("mlflow", "scikit-learn", "skops", "pandas")]

data, folder, pinned = sys.argv[1], Path(sys.argv[2]), "--pinned" in sys.argv
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
mlflow.create_experiment("wine", artifact_location=(folder / "mlruns").as_uri())
mlflow.set_experiment("wine")

table = pd.read_csv(data, sep=None, engine="python")
features, target = table.drop(columns="quality"), table["quality"]
x_train, x_test, y_train, y_test = train_test_split(features, target, test_size=0.2, random_state=42)

models = {
    "LinearRegression": LinearRegression(),
    "DecisionTree": DecisionTreeRegressor(max_depth=6, random_state=42),
    "RandomForest": RandomForestRegressor(n_estimators=200, random_state=42),
    "ElasticNet": make_pipeline(StandardScaler(), ElasticNet(alpha=0.1, random_state=42)),
    "PCA_LinearRegression": make_pipeline(StandardScaler(), PCA(n_components=5, random_state=42), LinearRegression()),
}
best_score, best_uri = float("-inf"), ""
for name, model in models.items():
    with mlflow.start_run(run_name=name):
        cv = cross_val_score(model, x_train, y_train, cv=5)
        model.fit(x_train, y_train)
        predicted = model.predict(x_test)
        mlflow.log_params({"model": name})
        mlflow.log_metrics(
            {
                "cv_mean_score": cv.mean(),
                "cv_std": cv.std(),
                "r2": r2_score(y_test, predicted),
                "rmse": root_mean_squared_error(y_test, predicted),
                "mae": mean_absolute_error(y_test, predicted),
            }
        )
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=x_train.head(3),
            signature=infer_signature(x_train, predicted),
            pip_requirements=PINNED if pinned else None,
            skops_trusted_types=["sklearn.tree._tree.Tree"],
        )
        if cv.mean() > best_score:
            best_score, best_uri = cv.mean(), info.model_uri

version = mlflow.register_model(best_uri, NAME)
MlflowClient().transition_model_version_stage(NAME, version.version, "Production", archive_existing_versions=True)
print(f"{NAME} version {version.version} in Production, cv_mean_score {best_score:.4f}")
