"""The model under MLServer, as a custom runtime of its documentation.

It runs in MLServer's environment.
"""

from __future__ import annotations

import mlflow.sklearn
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Wine(MLModel):
    """A logged scikit-learn model in the folder `parameters.uri` of the settings.

    The settings are model-settings.json.
    """

    async def load(self) -> bool:
        """Load the model."""
        self._model = mlflow.sklearn.load_model(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer rows that come as one input for each column."""
        rows = self.decode_request(payload, default_codec=PandasCodec)
        output = NumpyCodec.encode_output("predictions", self._model.predict(rows))
        return InferenceResponse(model_name=self.name, outputs=[output])
