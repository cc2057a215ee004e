from __future__ import annotations

from flask.testing import FlaskClient

from tests.serving.helpers import Row, answer, post


def test_clients_of_mlflow_move_without_a_change(client: FlaskClient, row: Row) -> None:
    expected = answer(client, row)["predictions"]
    split = {"dataframe_split": {"columns": [*row, "color"], "data": [[*row.values(), "red"]]}}
    assert answer(client, split, "/invocations") == {"predictions": expected}
    csv = (",".join(row) + "\n" + ",".join(map(repr, row.values()))).encode()
    response = post(client, csv, "/invocations", **{"Content-Type": "text/csv"})
    assert response.get_json() == {"predictions": expected}
    assert client.get("/ping").data == b"\n"
    assert client.get("/health").status_code == 200
    assert client.get("/version").text.startswith("3.")
    assert post(client, {"instances": [[None] * len(row)]}, "/invocations").status_code == 422
