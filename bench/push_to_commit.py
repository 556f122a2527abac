"""Time from a `git push` to the manifest commit on the one-machine cluster, and what it was spent on.

    make cluster-up
    .venv/bin/python bench/push_to_commit.py [PUSHES]

Prints each task's waiting, pod start and step time, and the ratio of the whole to the pod starts and tools on the
critical path, with image pulls told apart; writes a picture of the last run's timeline beside the kubeconfig.
Kubernetes tells times in seconds.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cluster import gitea, kubectl
from cluster.enrolment import push_change
from cluster.places import PIPELINES_NAMESPACE, USER_KUBECONFIG

SOURCE, CONFIG = "makers/iris", "operators/config"
PATIENCE = 600.0
PICTURE = USER_KUBECONFIG.parent / "timeline.svg"
COLOURS = {"pod start": "#f0a030", "step": "#3070b0"}


@dataclass(frozen=True)
class Span:
    """One task: seconds since the push at which it was created, its step began, and its step ended."""

    task: str
    created: float
    began: float
    ended: float
    pulls: float
    """Of the time between `created` and `began`: what the kubelet says that its image pulls took."""


def main(pushes: int) -> None:
    totals = []
    for number in range(1, pushes + 1):
        total, spans = measure(number)
        totals.append(total)
        show(total, spans)
        PICTURE.write_text(picture(total, spans))
    print(f"push to commit: median {statistics.median(totals):.1f} s of {[round(total, 1) for total in totals]}")
    print(f"timeline: {PICTURE}")


def measure(number: int) -> tuple[float, list[Span]]:
    forge = gitea.forge()
    before = forge.head(CONFIG)
    started = time.time()
    commit = push_change(SOURCE, f"Bench {number} at {started:.0f}")
    while forge.head(CONFIG) == before:
        if time.time() - started > PATIENCE:
            sys.exit(f"no manifest commit within {PATIENCE:.0f} s: kubectl get pipelineruns -n {PIPELINES_NAMESPACE}")
        time.sleep(0.3)
    total = time.time() - started
    runs = kubectl.items("pipelineruns", namespace=PIPELINES_NAMESPACE, selector=f"hallmark.dev/commit={commit}")
    name = runs[0]["metadata"]["name"]
    wait = ["wait", "--for=condition=Succeeded", f"pipelinerun/{name}", f"--namespace={PIPELINES_NAMESPACE}"]
    kubectl.kubectl(*wait, "--timeout=120s", timeout=125)
    children = kubectl.items("taskruns", namespace=PIPELINES_NAMESPACE, selector=f"tekton.dev/pipelineRun={name}")
    events = kubectl.items("events", namespace=PIPELINES_NAMESPACE)
    return total, sorted((span(child, started, events) for child in children), key=lambda item: item.created)


def span(child: dict[str, Any], push: float, events: list[dict[str, Any]]) -> Span:
    pod = child["status"]["podName"]
    said = [item["message"] for item in events if item["involvedObject"].get("name") == pod]
    step = child["status"]["steps"][0]["terminated"]
    return Span(
        task=child["metadata"]["labels"]["tekton.dev/pipelineTask"],
        created=seconds(child["metadata"]["creationTimestamp"]) - push,
        began=seconds(step["startedAt"]) - push,
        ended=seconds(step["finishedAt"]) - push,
        pulls=sum(pull_seconds(message) for message in said),
    )


def pull_seconds(message: str) -> float:
    """What the kubelet's event says of a pull (`... in 1m2.5s (...`), whose durations are Go's; 0 for other events."""
    found = re.match(r'Successfully pulled image "[^"]*" in (\S+)', message)
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6}
    parts = re.findall(r"([\d.]+)(h|ms|µs|m|s)", found[1]) if found else []
    return sum(float(number) * units[unit] for number, unit in parts)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def critical_path(spans: list[Span]) -> list[Span]:
    """From the last task back: each time the task that ended last before the next was created."""
    path = [max((item for item in spans if item.task != "report"), key=lambda item: item.ended)]
    while earlier := [item for item in spans if item.ended <= path[-1].created + 1 and item.created < path[-1].created]:
        path.append(max(earlier, key=lambda item: item.ended))
    return path[::-1]


def show(total: float, spans: list[Span]) -> None:
    print(f"{'task':18}{'created':>9}{'pod start':>11}{'step':>7}   seconds")
    path = critical_path(spans)
    for item in spans:
        mark = "*" if item in path else " "
        print(f"{mark}{item.task:17}{item.created:9.0f}{item.began - item.created:11.0f}{item.ended - item.began:7.0f}")
    starts = sum(item.began - item.created for item in path)
    steps = sum(item.ended - item.began for item in path)
    pulls = sum(item.pulls for item in path)
    print(f"{total:.1f} s: on the critical path (*) {starts:.0f} s pod starts", end=" ")
    print(f"({pulls:.1f} s of them image pulls), {steps:.0f} s tools,", end=" ")
    print(f"{total - starts - steps:.0f} s between; {total / (starts + steps):.2f} x pod starts + tools\n")


def picture(total: float, spans: list[Span]) -> str:
    """A Gantt chart as SVG: for each task when it was created, its pod started, and its step ran."""
    width, row, left = 900, 24, 150
    scale = (width - left - 20) / max(total, *(item.ended for item in spans))
    parts = []
    for number, item in enumerate(spans):
        y = 40 + number * row
        parts.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{item.task}</text>')
        for name, begin, end in (("pod start", item.created, item.began), ("step", item.began, item.ended)):
            x, w = left + begin * scale, max(1.0, (end - begin) * scale)
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="{row - 6}" fill="{COLOURS[name]}"/>')
    height = 60 + len(spans) * row
    for tick in range(0, int(total) + 10, 10):
        x = left + tick * scale
        parts.append(f'<line x1="{x:.1f}" y1="34" x2="{x:.1f}" y2="{height - 18}" stroke="#0002"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">{tick}</text>')
    commit = left + total * scale
    parts.append(f'<line x1="{commit:.1f}" y1="30" x2="{commit:.1f}" y2="{height - 18}" stroke="#b03030"/>')
    title = f"From push to manifest commit: {total:.1f} s (orange: pod start, blue: step, red: the commit)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        ' font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/><text x="10" y="20" font-size="14">{title}</text>'
        f"{''.join(parts)}</svg>\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
