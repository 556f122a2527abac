"""The command line of tkn-solo: `run`, `start`, `graph`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tkn_solo.errors import InputError, SoloError

if TYPE_CHECKING:
    # The commands import what they use when they run: `--help` stays quick.
    from tkn_solo.catalog import Catalog
    from tkn_solo.events import Sink
    from tkn_solo.masking import Masker
    from tkn_solo.model import Run
    from tkn_solo.record import RunRecord

_RUN_EXAMPLE = """example:
  tkn-solo run -f tasks/ -f pipelines/ -f run.yaml --secret signing-key=./keys -o yaml > done.yaml

exit codes: 0 succeeded, 1 a step failed, 2 bad input, 3 the machine or a service failed, 130 interrupted
"""
_START_EXAMPLE = """example:
  tkn-solo start build -f pipelines/ -f tasks/ -p revision=main -p tags=a,b -w name=source,emptyDir=
"""
_GRAPH_EXAMPLE = """example:
  tkn-solo graph -f tasks/ -f pipelines/ -f run.yaml -o dot | dot -Tsvg > graph.svg
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Errors of the user or the machine are printed, bugs are not caught."""
    arguments = _parser().parse_args(argv)
    arguments.argv = list(sys.argv[1:] if argv is None else argv)
    try:
        return int(arguments.command(arguments))
    except SoloError as error:
        print(f"tkn-solo: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away; what is still in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tkn-solo", description="Run Tekton v1 YAML on this machine, each step in a sandbox, without a cluster."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    run = _command(commands, "run", "run the PipelineRun or TaskRun in the files", _RUN_EXAMPLE)
    run.set_defaults(command=_run)
    run.add_argument("--name", metavar="RUN", help="which run, if the files hold several")
    _running(run)
    start = _command(commands, "start", "run a Pipeline with parameters from flags", _START_EXAMPLE)
    start.set_defaults(command=_start)
    start.add_argument("pipeline", metavar="PIPELINE", help="name of the Pipeline")
    _starting(start)
    _running(start)
    graph = _command(commands, "graph", "print the tasks in order with their parents", _GRAPH_EXAMPLE)
    graph.set_defaults(command=_graph)
    graph.add_argument("--name", metavar="NAME", help="which run or Pipeline, if the files hold several")
    graph.add_argument("-o", "--output", choices=("text", "dot"), default="text", help="default: text")
    _sources(graph)
    return parser


def _command(commands: argparse._SubParsersAction, name: str, text: str, epilog: str) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-f",
        "--filename",
        action="append",
        required=True,
        metavar="FILE_OR_DIR",
        help="YAML file, folder (read recursively), or - for standard input; repeatable",
    )
    return parser


def _starting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter; arrays: repeat, or separate by commas; objects: key:value,key:value",
    )
    parser.add_argument(
        "-w",
        "--workspace",
        action="append",
        default=[],
        metavar="name=NAME,SOURCE",
        help="a workspace; sources: emptyDir=, secret=NAME, config=NAME, claimName=NAME[,subPath=PATH], "
        "volumeClaimTemplateFile=FILE",
    )


def _sources(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("folders that stand for a cluster's objects")
    group.add_argument("--secret", action="append", default=[], metavar="NAME=DIR", help="a Secret; each file is a key")
    group.add_argument(
        "--config-map", action="append", default=[], metavar="NAME=DIR", help="a ConfigMap; each file is a key"
    )
    group.add_argument("--claim", action="append", default=[], metavar="NAME=DIR", help="a PersistentVolumeClaim")


def _running(parser: argparse.ArgumentParser) -> None:
    _sources(parser)
    group = parser.add_argument_group("this machine")
    group.add_argument("--run-dir", metavar="DIR", help="folder of the run (default: .tkn-solo/RUN); new or empty")
    group.add_argument(
        "--tools",
        action="append",
        default=[],
        metavar="DIR",
        help="folder that steps see read-only at the same path, DIR/bin first on PATH; repeatable",
    )
    group.add_argument(
        "--image-store", metavar="DIR", help="podman storage for sidecars (default: in the user's cache)"
    )
    group.add_argument(
        "--jobs", type=_positive, metavar="N", help="run at most N tasks at once (default: all that are ready)"
    )
    group.add_argument("--network", choices=("host",), help="give every task this machine's network")
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", choices=("yaml", "json"), help="print the completed run on standard output")
    group.add_argument("--events", metavar="FILE", help="write events as JSON lines")
    group.add_argument("--quiet", action="store_true", help="only failures and the summary")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _run(arguments: argparse.Namespace) -> int:
    from tkn_solo import catalog as loading

    catalog = loading.load(arguments.filename)
    return _execute(arguments, catalog.choose_run(arguments.name), catalog)


def _start(arguments: argparse.Namespace) -> int:
    from tkn_solo import catalog as loading
    from tkn_solo.start import pipeline_run

    catalog = loading.load(arguments.filename)
    run = pipeline_run(arguments.pipeline, catalog, arguments.param, arguments.workspace)
    return _execute(arguments, run, catalog)


def _graph(arguments: argparse.Namespace) -> int:
    from tkn_solo import catalog as loading
    from tkn_solo.build import Place
    from tkn_solo.plan import make_plan, pipeline_plan
    from tkn_solo.resolve import resolve
    from tkn_solo.sources import read_sources

    catalog = loading.load(arguments.filename)
    pipeline = catalog.choose_pipeline(arguments.name)
    if pipeline is not None:
        plan = pipeline_plan(pipeline)
    else:
        run = resolve(catalog.choose_run(arguments.name), catalog)
        sources = read_sources(arguments.secret, arguments.config_map, arguments.claim)
        plan = make_plan(run, Place(Path(), sources))
    print(plan.dot() if arguments.output == "dot" else plan.text())
    return 0


def _execute(arguments: argparse.Namespace, run: Run, catalog: Catalog) -> int:
    from tkn_solo.backend import BackendOptions
    from tkn_solo.backends import BACKENDS
    from tkn_solo.build import Place
    from tkn_solo.engine import Engine
    from tkn_solo.masking import Masker
    from tkn_solo.plan import make_plan
    from tkn_solo.resolve import resolve
    from tkn_solo.sources import read_sources

    definition = resolve(run, catalog)
    sources = read_sources(arguments.secret, arguments.config_map, arguments.claim)
    run_dir = Path(arguments.run_dir or Path(".tkn-solo", definition.name)).absolute()
    place = Place(run_dir, sources, host_network=arguments.network == "host")
    plan = make_plan(definition, place)
    if os.geteuid() != 0 and (plan.needs_root or plan.needs_containers):
        from tkn_solo.userns import enter

        enter(arguments.argv, catalog.stdin)
    masker = Masker(sources.secret_values())
    options = BackendOptions(
        run_dir=run_dir,
        tools=tuple(_folder(tool, "--tools") for tool in arguments.tools),
        image_store=Path(arguments.image_store or _cache() / "images").absolute(),
        masker=masker,
    )
    _make_run_dir(run_dir)
    backend = BACKENDS["host"](options)
    backend.check(sidecars=plan.needs_containers, root=plan.needs_root)
    with ExitStack() as stack:
        sinks = _sinks(arguments, masker, stack)
        record = Engine(definition, plan, place, backend, sinks, arguments.jobs).run()
    if arguments.output:
        _print_completed(record, arguments.output, masker, sys.stdout)
    return record.exit_code


def _sinks(arguments: argparse.Namespace, masker: Masker, stack: ExitStack) -> list[Sink]:
    from tkn_solo.sinks.console import Console
    from tkn_solo.sinks.jsonlines import JsonLines

    out = sys.stderr if arguments.output else sys.stdout
    sinks: list[Sink] = []
    if out.isatty() and not arguments.quiet:
        from tkn_solo.sinks.live import Live

        sinks.append(stack.enter_context(Live(out)))
    else:
        sinks.append(Console(out, quiet=arguments.quiet))
    if arguments.events:
        try:
            file = stack.enter_context(Path(arguments.events).open("w", encoding="utf-8"))  # noqa: SIM115
        except OSError as error:
            raise InputError(f"--events {arguments.events}: {error.strerror}") from None
        sinks.append(JsonLines(file, masker))
    return sinks


def _print_completed(record: RunRecord, form: str, masker: Masker, out: TextIO) -> None:
    from tkn_solo.status import completed

    data = masker.data(completed(record))
    if form == "json":
        import json

        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    else:
        import yaml

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text = yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    out.write(text)
    out.flush()


def _make_run_dir(run_dir: Path) -> None:
    if run_dir.exists() and (not run_dir.is_dir() or any(run_dir.iterdir())):
        raise InputError(f"the run's folder {run_dir} is not empty", solution="Choose another one with --run-dir.")
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        # Secrets pass through it, and files there belong to the steps' users.
        run_dir.chmod(0o700)
    except OSError as error:
        raise InputError(f"cannot make the run's folder {run_dir}: {error.strerror}") from None


def _folder(path: str, flag: str) -> Path:
    folder = Path(path).absolute()
    if not folder.is_dir():
        raise InputError(f"{flag} {path} is no folder")
    return folder


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tkn-solo"


if __name__ == "__main__":
    sys.exit(main())
