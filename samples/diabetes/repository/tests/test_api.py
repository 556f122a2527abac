import http.client
import json
import threading
from http.server import ThreadingHTTPServer

import numpy as np
import pytest

import api


class Always:
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), 99.5)


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
    body = json.dumps({"instances": [[51, 2, 26.2, 101, 161, 99.6, 48, 3, 4.2, 88]] * 3})
    assert call(connection, "POST", api.PREDICT, body) == (200, {"predictions": [99.5] * 3})


@pytest.mark.parametrize("body", ["", "{}", "[1]", '{"instances": [[1, 2]]}', '{"instances": [["a", 1, 1, 1, 1, 1, 1, 1, 1, 1]]}'])
def test_wrong_input_is_the_callers_fault(connection, body: str) -> None:
    status, answer = call(connection, "POST", api.PREDICT, body)
    assert status == 400
    assert "instance" in answer["error"]


def test_another_path_is_not_found(connection) -> None:
    assert call(connection, "GET", "/admin")[0] == 404
    assert call(connection, "POST", "/admin", "{}")[0] == 404
