"""The model server of images without a Containerfile, as a process of its own that has nothing else of Hallmark."""

from __future__ import annotations

import ast
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import skops.io  # type: ignore[import-untyped]
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.preprocessing import FunctionTransformer  # type: ignore[import-untyped]

from hallmark import serving
from hallmark.files import sha256_file

SERVER = Path(serving.__file__).parent
V1, V2 = "/v1/models/iris:predict", "/v2/models/iris/infer"
Ask = Callable[..., tuple[int, Any]]


def described(folder: Path, *, kind: str = "skops", **changes: Any) -> Path:
    """Write serving.json beside the model in `folder`."""
    told = {
        "digest": sha256_file(folder / f"model.{kind}"),
        "size": (folder / f"model.{kind}").stat().st_size,
        "kept": "baked",
        "format": kind,
        "name": "iris",
        "version": "1.2.3",
        "task": "classification",
        "features": ["width", "length"],
        "trusted": [],
        "port": 8080,
        **changes,
    }
    (folder / "serving.json").write_text(json.dumps(told))
    return folder


def started(
    code: Path, model: Path, *flags: str, port: int | None = None, **told: object
) -> tuple[subprocess.Popen[str], int]:
    """A server's process and port; what is told goes into its environment, after `HALLMARK_MODEL_`."""
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(code), "PORT": str(port), "MODEL_FOLDER": str(model)}
    env |= {f"HALLMARK_MODEL_{name}": str(value) for name, value in told.items()}
    argv = [sys.executable, "-W", "error", *flags, "-m", "serving"]
    return subprocess.Popen(argv, env=env, cwd="/", stderr=subprocess.PIPE, text=True), port


def call(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body or None, headers=headers)
        answer = connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if "json" in (answer.getheader("Content-Type") or "") else data.decode()
    finally:
        connection.close()


def until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited for {what}")


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_until_ready(process: subprocess.Popen[str], port: int) -> None:
    for _ in range(600):
        assert process.poll() is None
        try:
            if call(port, "GET", "/v2/health/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("the server was never ready")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    shutil.copytree(SERVER, folder / "serving")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    rows = np.array([[float(width), float(length)] for width in range(6) for length in range(6)])
    fitted = LogisticRegression().fit(rows, np.where(rows[:, 0] > rows[:, 1], "wide", "long"))
    skops.io.dump(fitted, folder / "model.skops")
    return described(folder)


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A regression as ONNX: the sum of its two features."""
    folder = tmp_path_factory.mktemp("sums")
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["rows", "axes"], ["sum"], keepdims=0)],
        "sums",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, folder / "model.onnx")
    return described(folder, kind="onnx", task="regression")


@pytest.fixture(scope="module")
def port(code: Path, model: Path) -> Iterator[int]:
    """A server for the tests that leave it as it is; it ends in order."""
    process, port = started(code, model)
    wait_until_ready(process, port)
    yield port
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said.splitlines()[-1]) == (0, "ended in order")


@pytest.fixture(scope="module")
def ask(port: int) -> Ask:
    def asked(method: str, path: str, content: Any = None, **headers: str) -> tuple[int, Any]:
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        return call(port, method, path, body, **headers)

    return asked


def tensor(name: str, shape: list[int], data: list[Any], datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def test_the_server_imports_nothing_of_hallmark_that_is_not_beside_it() -> None:
    for file in SERVER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [name for name in names if name.startswith("hallmark")], file


def test_it_tells_its_health_and_what_it_serves(ask: Ask) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2", "/v2/models/iris/ready", "/v1/models/iris"):
        assert ask("GET", path)[0] == 200, path
    told = ask("GET", "/v2/models/iris")[1]
    assert (told["name"], told["versions"]) == ("iris", ["1.2.3"])
    assert [entry["name"] for entry in told["inputs"]] == ["width", "length"]


def test_v1_answers_rows_in_order_and_by_name(ask: Ask) -> None:
    instances = [[5, 1], {"length": 5.0, "width": 1.0}]
    assert ask("POST", V1, {"instances": instances}) == (200, {"predictions": ["wide", "long"]})


@pytest.mark.parametrize(
    "inputs",
    [
        [tensor("rows", [2, 2], [5, 1, 1, 5])],
        [tensor("rows", [2, 2], [[5, 1], [1, 5]], "INT64")],
        [tensor("length", [2], [1, 5]), tensor("width", [2, 1], [[5], [1]])],
    ],
)
def test_v2_answers_one_tensor_or_one_for_each_feature(ask: Ask, inputs: list[Any]) -> None:
    status, answer = ask("POST", V2, {"id": "7", "inputs": inputs})
    assert (status, answer["id"], answer["model_version"]) == (200, "7", "1.2.3")
    assert answer["outputs"] == [{"name": "predict", "shape": [2], "datatype": "BYTES", "data": ["wide", "long"]}]


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        (V1, b"{", "not JSON"),
        (V1, b"[" * 100_000, "not JSON"),
        (V1, b"\xff\xfe", "not JSON"),
        (V1, [1], "no JSON object"),
        (V1, {}, "instances"),
        (V1, {"instances": []}, "at least one"),
        (V1, {"instances": [[1]]}, "no list of 2 values"),
        (V1, {"instances": [[1, 2, 3]]}, "no list of 2 values"),
        (V1, {"instances": [1, 2]}, "no list of 2 values"),
        (V1, {"instances": [{"width": 1}]}, "has no length"),
        (V1, {"instances": [{"width": 1, "length": 2, "depth": 3}]}, "does not know"),
        (V1, {"instances": [[1, "wide"]]}, "cannot take"),
        (V1, {"instances": [[1, None]]}, "cannot take"),
        (V1, {"instances": [[1, [2]]]}, "length is neither"),
        (V1, b'{"instances": [[1, NaN]]}', "not JSON"),
        (V1, b'{"instances": [[1, 1e999]]}', "length is neither"),
        (V1, {"instances": [[1, 10**400]]}, "neither"),
        (V2, {"inputs": [tensor("rows", [1, 3], [1, 2, 3])]}, "shape is not"),
        (V2, {"inputs": [tensor("rows", [2, 2], [1, 2, 3])]}, "as many values"),
        (V2, {"inputs": [tensor("rows", [-1, 2], [1, 2])]}, "above 0"),
        (V2, {"inputs": [tensor("rows", [1, 2], [1, 2], "FP12")]}, "datatype"),
        (V2, {"inputs": [tensor("rows", [1, 2], [1, "a"])]}, "datatype"),
        (V2, {"inputs": [tensor("width", [1], [1]), tensor("depth", [1], [1])]}, "has no length"),
        (V2, {"inputs": [tensor("width", [1], [1]), tensor("width", [1], [1])]}, "same name"),
        (V2, {"inputs": [tensor("width", [1], [1]), tensor("length", [2], [1, 2])]}, "numbers of rows"),
        (V2, {"inputs": [tensor("width", [1, 2], [1, 2]), tensor("length", [1], [1])]}, "neither"),
        (V2, {"inputs": []}, "inputs"),
    ],
)
def test_wrong_input_is_the_callers_fault(ask: Ask, path: str, content: Any, reason: str) -> None:
    status, answer = ask("POST", path, content)
    assert status == 400
    assert reason in answer["error"]


def test_what_is_no_request_for_a_prediction_is_refused(ask: Ask, port: int) -> None:
    assert ask("GET", "/admin")[0] == 404
    assert ask("POST", "/admin", {})[0] == 404
    assert ask("GET", V1)[0] == 405
    assert ask("DELETE", V1)[0] == 501
    for head, status in [
        ("Content-Length: 99999999\r\nExpect: 100-continue", b"413"),
        ("X-Length: 2", b"411"),
        ("Transfer-Encoding: gzip, chunked", b"501"),
        ("Transfer-Encoding: \x0bchunked", b"501"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2", b"400"),
        ("Content-Length: -1", b"400"),
        ("Content-Length: 2\r\nContent-Length: 3", b"400"),
    ]:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(f"POST {V1} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
            assert client.recv(100).split()[1] == status


CHUNKED = f"POST {V1} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def test_a_body_in_chunks_is_read_to_its_end_and_the_next_request_after_it(port: int, ask: Ask) -> None:
    body = json.dumps({"instances": [[5, 1]]}).encode()
    parts = b"".join(b"%x;why=not\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for _ in range(2):
            client.sendall(CHUNKED + parts + b"0\r\nX-Trailer: 1\r\n\r\n")
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert (answer.status, json.loads(answer.read())) == ask("POST", V1, {"instances": [[5, 1]]})


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        (b"-1\r\n", 400),
        (b"5 x\r\n", 400),
        (b"2\r\nabc\r\n0\r\n\r\n", 400),
        (b"2\nab\n0\n\n", 400),
        (b"800001\r\n", 413),
        (b"ffffffff\r\n", 413),
        (b"0\r\n" + b"X: 1\r\n" * 40, 400),
        (b"1;" + b"x" * 5000, 400),
    ],
)
def test_chunks_that_do_not_add_up_end_the_connection(port: int, ask: Ask, chunks: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(CHUNKED + chunks)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.headers["Connection"]) == (status, "close")


@pytest.mark.parametrize(
    "head",
    ["Content-Length: {}", "Content-Length: 0\r\nContent-Length: {}", "Transfer-Encoding: x"],
    ids=["a length", "two lengths", "a coding"],
)
def test_the_body_of_a_get_is_not_taken_for_the_next_request(port: int, head: str) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    start = f"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n{head.format(len(hidden))}\r\n\r\n".encode()
    assert answers(port, start + hidden) == [200]


def test_chunks_of_who_speaks_an_older_protocol_end_the_connection(port: int) -> None:
    body = json.dumps({"instances": [[5, 1]]}).encode()
    old = CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: x", b"Connection: keep-alive")
    hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    assert answers(port, old + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) + hidden) == [200]


def answers(port: int, sent: bytes) -> list[int]:
    """The status of each answer until the server closes the connection; a question that never comes is a failure."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as stream:
        client.sendall(sent)
        return [int(line.split()[1]) for line in stream if line.startswith(b"HTTP/1.")]


def test_metrics_count_answers_and_rows_and_never_what_a_client_wrote(ask: Ask) -> None:
    ask("GET", "/secret-of-mine")
    ask("POST", V1, {"instances": [[5, 1], [1, 5]]})
    status, text = ask("GET", "/metrics")
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert status == 200
    assert float(figures['model_server_rows_total{model="iris"}']) >= 2
    assert float(figures[f'model_server_requests_total{{path="{V1}",status="200"}}']) >= 1
    assert float(figures["process_resident_memory_bytes"]) > 1e7
    assert figures['model_server_request_seconds_bucket{le="+Inf"}'] == figures["model_server_request_seconds_count"]
    assert "secret" not in text


def test_more_connections_than_there_is_room_for_are_told_so(port: int) -> None:
    clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(64)]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as one_more:
            assert b" 503 " in one_more.recv(100)
    finally:
        for client in clients:
            client.close()


def test_an_onnx_model_answers_by_both_protocols_and_sigterm_lets_a_request_under_way_end(
    code: Path, sums: Path
) -> None:
    process, port = started(code, sums)
    wait_until_ready(process, port)
    body = b'{"instances": [[5, 1]]}'
    assert call(port, "POST", V1, body) == (200, {"predictions": [6.0]})
    rows = json.dumps({"inputs": [tensor("rows", [1, 2], [5, 1])]}).encode()
    assert call(port, "POST", V2, rows)[1]["outputs"][0]["datatype"] == "FP64"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"POST {V1} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:5])
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        until(lambda: call(port, "GET", "/v2/health/ready")[0] == 503, "the server not to be ready any more")
        until(lambda: not listens(port), "the server to accept nothing more")
        assert process.poll() is None
        client.sendall(body[5:])
        answer = client.recv(1000)
    assert b" 200 " in answer
    assert b"Connection: close" in answer
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said.splitlines()[-1]) == (0, "ended in order")


def test_a_signal_that_comes_before_the_server_is_ready_ends_it_too(code: Path, sums: Path) -> None:
    process, port = started(code, sums)
    until(lambda: listens(port), "the server to listen")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said.splitlines()[-1]) == (0, "ended in order")


def test_a_model_that_is_not_the_one_of_the_build_or_asks_for_trust_is_not_served(
    code: Path, model: Path, tmp_path: Path
) -> None:
    ends = {}
    for name in ("changed", "untrusted"):
        folder = tmp_path / name
        shutil.copytree(model, folder)
        if name == "untrusted":
            skops.io.dump(FunctionTransformer(threading.excepthook), folder / "model.skops")
            described(folder)
        else:
            with (folder / "model.skops").open("r+b") as file:
                file.write(b"!")
        ends[name] = started(code, folder)[0]
    for name, words in (("changed", "has the digest"), ("untrusted", "UntrustedTypesFoundException")):
        _, said = ends[name].communicate(timeout=60)
        assert ends[name].returncode == 1
        assert words in said
