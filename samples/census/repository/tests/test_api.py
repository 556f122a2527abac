import http.client
import json
import threading
from http.server import ThreadingHTTPServer

import numpy as np
import pytest

import api


class Always:
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), "above")


@pytest.fixture
def connection():
    server = ThreadingHTTPServer(("127.0.0.1", 0), api.handler_for(Always()))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    yield client
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def call(connection, method: str, path: str, body: str | None = None) -> tuple[int, dict]:
    connection.request(method, path, body=body)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_it_is_ready(connection) -> None:
    assert call(connection, "GET", "/v2/health/ready") == (200, {})


def test_it_predicts_each_instance(connection) -> None:
    body = json.dumps({"instances": [[42, "north", "master", "engineering", 40.0, 7.5, 20]] * 3})
    assert call(connection, "POST", api.PREDICT, body) == (200, {"predictions": ["above"] * 3})


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[1]",
        '{"instances": [[1, 2]]}',
        '{"instances": [["a", "north", "master", "care", 40, 7, 20]]}',
        '{"instances": [[42, 1, "master", "care", 40, 7, 20]]}',
        '{"instances": [[42, "north", "master", "care", NaN, 7, 20]]}',
    ],
)
def test_wrong_input_is_the_callers_fault(connection, body: str) -> None:
    status, answer = call(connection, "POST", api.PREDICT, body)
    assert status == 400
    assert "instance" in answer["error"]


def test_another_path_is_not_found(connection) -> None:
    assert call(connection, "GET", "/admin")[0] == 404
    assert call(connection, "POST", "/admin", "{}")[0] == 404
