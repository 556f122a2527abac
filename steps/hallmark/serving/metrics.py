"""Counts requests, and writes them in Prometheus' text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
Written here, and not by prometheus_client, so that a base image needs no more than what loads the model.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""


class Metrics:
    """The figures of one process; safe to use from many threads."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * len(BUCKETS)
        self._seconds = 0.0
        self._rows = 0
        self._started = time.time()

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count an answer; `path` is one of the server's own, never what a client wrote."""
        with self._lock:
            self._requests[path, status] += 1
            self._seconds += seconds
            for place, bound in enumerate(BUCKETS):
                self._buckets[place] += seconds <= bound

    def predicted(self, rows: int) -> None:
        """Count rows that the model answered."""
        with self._lock:
            self._rows += rows

    def text(self, *, ready: bool) -> str:
        """Everything, as a scraper wants it."""
        with self._lock:
            count = sum(self._requests.values())
            lines = [
                *_head("model_server_requests_total", "counter", "Answers by path and status."),
                *(
                    f'model_server_requests_total{{path="{path}",status="{status}"}} {number}'
                    for (path, status), number in sorted(self._requests.items())
                ),
                *_head("model_server_request_seconds", "histogram", "Seconds from a request's head to its answer."),
                *(
                    f'model_server_request_seconds_bucket{{le="{bound}"}} {number}'
                    for bound, number in zip(BUCKETS, self._buckets, strict=True)
                ),
                f'model_server_request_seconds_bucket{{le="+Inf"}} {count}',
                f"model_server_request_seconds_sum {self._seconds}",
                f"model_server_request_seconds_count {count}",
                *_head("model_server_rows_total", "counter", "Rows that the model answered."),
                f'model_server_rows_total{{model="{self._model}"}} {self._rows}',
                *_head("model_server_ready", "gauge", "1 once the model is loaded, until the server is told to end."),
                f'model_server_ready{{model="{self._model}"}} {int(ready)}',
                *_head("process_start_time_seconds", "gauge", "Seconds since 1970 at which the process started."),
                f"process_start_time_seconds {self._started}",
                *_head("process_resident_memory_bytes", "gauge", "Memory that the process has now."),
                f"process_resident_memory_bytes {_resident_bytes()}",
            ]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]


def _resident_bytes() -> int:
    """The second number of /proc/self/statm is in pages (proc(5))."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - the server needs no pathlib here
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
