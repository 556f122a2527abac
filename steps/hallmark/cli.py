"""`hallmark <command>`: parses flags, runs one command, writes its report and results, and picks the exit code."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from hallmark.command import COMMANDS, Command, Context, Outcome, load
from hallmark.contract import Artifact, Flag, flags_of, parse_value
from hallmark.errors import BadInputError, HallmarkError, InternalError, ToolFailedError
from hallmark.files import cannot_write, sha256_bytes, write_text
from hallmark.gate_report import Check, GateReport
from hallmark.nearest import hinted
from hallmark.versions import installed

USAGE_ERROR = 2
MACHINE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM),
}
"""The system's errors that are nobody's mistake in the code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0 if arguments else USAGE_ERROR
    name, rest = _named(arguments)
    if name not in COMMANDS:
        return _fail(unknown_command(name, rest))
    # Else pydantic reads every installed package's metadata, for plugins that may change what a document means.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        command = load(name)
    except Exception as error:
        return _fail(_unexpected(error))
    options = _parser(name, command).parse_args(rest)
    # Some commands have a key's password in their memory, which a crash may not leave in a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with _terminated_as_error(), _report_folder(options.report) as folder:
            outcome = _outcome(name, command, options, folder)
            _write(name, command, outcome, options, folder)
    except HallmarkError as error:
        return _fail(error)
    except Exception as error:
        return _fail(_unexpected(error))
    _say(outcome.report.to_text())
    return outcome.report.exit_code


def _outcome(name: str, command: Command, options: argparse.Namespace, folder: Path) -> Outcome:
    try:
        return command.run(_params(command, options), Context(report_dir=folder, say=_say))
    except HallmarkError as error:
        return Outcome(report=_error_report(name, error))
    except Exception as error:
        return Outcome(report=_error_report(name, _unexpected(error)))


def _named(arguments: list[str]) -> tuple[str, list[str]]:
    """The command and its flags; a name of two words may be written with a blank too: `policy check`."""
    name, *rest = arguments
    joined = f"{name}-{rest[0]}" if rest else name
    return (joined, rest[1:]) if joined in COMMANDS and rest else (name, rest)


def overview() -> str:
    """The text of `hallmark --help`: every command in a line, without importing one."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: hallmark <command> [--flag=value ...]",
            "",
            "Takes a machine-learning model from a commit to a signed image and a manifest commit,",
            "and refuses it wherever it should be refused.",
            "",
            "commands:",
            *lines,
            "",
            "exit codes: 0 passed, 1 the gate said no, 2 bad input or usage, 3 a tool or service failed,",
            "            70 a bug in Hallmark",
            "example: hallmark check-code --help",
        ]
    )


def unknown_command(name: str, rest: Sequence[str] = ()) -> BadInputError:
    """The error for a command that does not exist, with the nearest one that does, or those that begin so."""
    of_group = [known for known in COMMANDS if known.startswith(f"{name}-")]
    word = rest[0] if rest and of_group else ""
    if of_group and (not word or word.startswith("-")):
        return BadInputError(f"{name} alone is no command", solution=f"give one of {', '.join(of_group)}")
    asked = f"{name}-{word}" if word else name
    return BadInputError(
        f"there is no command {asked}", solution=hinted(asked, COMMANDS, "`hallmark --help` lists them")
    )


def _parser(name: str, command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"hallmark {name}",
        description=f"{name}: {COMMANDS[name]}.",
        epilog=f"example:\n  {command.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for flag in flags_of(command.Params):
        many = flag.tekton_type == "array"
        parser.add_argument(
            flag.flag,
            dest=flag.field,
            required=flag.required,
            nargs="*" if many else None,
            metavar=_metavar(flag),
            help=_help(flag),
        )
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="where this command's report is written")
    results = parser.add_argument_group("results", "files to write a result to; left out: not written")
    for flag in flags_of(command.Results):
        results.add_argument(flag.flag, dest=f"result_{flag.field}", metavar="FILE", help=flag.description)
    results.add_argument("--result-report-digest", metavar="FILE", help="SHA-256 of the JSON report")
    return parser


def _metavar(flag: Flag) -> str:
    return "PATH" if flag.kind == "path" else "VALUE"


def _help(flag: Flag) -> str:
    default = f" (default: {flag.tekton_default})" if flag.tekton_default not in (None, "", []) else ""
    return f"{flag.description}{default}".replace("%", "%%")


def _params(command: Command, options: argparse.Namespace) -> Any:
    """The command's frozen `Params`; a flag that was not given keeps its declared default."""
    values: dict[str, Any] = {}
    for flag in flags_of(command.Params):
        given = getattr(options, flag.field)
        if given is not None:
            values[flag.field] = tuple(given) if isinstance(given, list) else parse_value(flag, given)
    return command.Params(**values)


def _write(name: str, command: Command, outcome: Outcome, options: argparse.Namespace, folder: Path) -> None:
    """Report first, then results: a result that exists always has its report."""
    report = dataclasses.replace(outcome.report, tools={**installed(), **outcome.report.tools})
    text = report.to_json()
    if options.report is not None:
        write_text(folder / f"{name}.json", text)
        write_text(folder / f"{name}.junit.xml", report.to_junit())
    for flag in flags_of(command.Results):
        target = getattr(options, f"result_{flag.field}")
        value = None if outcome.results is None else getattr(outcome.results, flag.field)
        if target:
            _replace(Path(target), value)
    if options.result_report_digest:
        _replace(Path(options.result_report_digest), sha256_bytes(text.encode()))


def _replace(target: Path, value: str | Artifact | None) -> None:
    """Write a result, or take away what code of the model's repository may have put in its place."""
    if value is None:
        target.unlink(missing_ok=True)
    else:
        write_text(target, json.dumps(value.properties()) if isinstance(value, Artifact) else value)


def _error_report(name: str, error: HallmarkError) -> GateReport:
    return GateReport(
        command=name,
        status="error",
        summary=error.message,
        solution=error.solution,
        checks=(Check(name=error.kind, passed=False, value=error.message),),
        exit_code=error.exit_code,
    )


def _unexpected(error: Exception) -> HallmarkError:
    """What nothing else has caught: the machine says no, or there is a bug.

    Of a bug the traceback is printed, which Python would do too, but with the exit code of a refusal.
    """
    if isinstance(error, OSError) and error.errno in MACHINE:
        return ToolFailedError(
            f"{error.strerror}: {error.filename or 'no file is named'}",
            solution="see who may read and write there, and whether the disk has room",
        )
    import traceback

    traceback.print_exception(error)
    return InternalError.of(error)


def _fail(error: HallmarkError) -> int:
    print(f"hallmark: {error.message}\n  what to do: {error.solution}", file=sys.stderr)
    return error.exit_code


def _say(message: str) -> None:
    try:
        print(message, flush=True)
    except BrokenPipeError:
        # Whoever reads has heard enough (`| head`); what is decided and written does not depend on it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _report_folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        try:
            chosen.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(chosen, error) from error
        yield chosen
        return
    with tempfile.TemporaryDirectory(prefix="hallmark-report-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def _terminated_as_error() -> Iterator[None]:
    """Turn SIGTERM into an error, so that temporary files go and the report says why there is no answer."""

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise ToolFailedError(
            "stopped by SIGTERM before it had finished; nothing was decided", solution="start the run again"
        )

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


if __name__ == "__main__":
    sys.exit(main())
