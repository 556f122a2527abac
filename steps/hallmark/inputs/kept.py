"""Keeps an input that had to be fetched in a folder, for tasks that have neither its credential nor a network."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from hallmark.documents.rules_inputs import InputRules, is_database
from hallmark.errors import BadInputError
from hallmark.inputs.errors import WrongDigestError, told
from hallmark.inputs.fetching import Fetched, fetch
from hallmark.inputs.opening import Input, opened, scratch_folder
from hallmark.inputs.unpack import Budget

_FOLDER = "data"
_INDEX = "index.json"


def keep(location: str, folder: Path, *, rules: InputRules, credential: Path | None, what: str) -> str:
    """Fetch the input and put its files, as they are, into `folder`; whole or not at all.

    Returns:
        Its digest.

    Raises:
        WrongDigestError: it is another input than the rules name; nothing of it is kept, nor was any of it parsed.
        BadInputError: it is missing, too large, or may not be read.
        ToolFailedError: a service did not answer, or the disk is full.
    """
    with told(what), scratch_folder(folder, what) as own:
        shutil.rmtree(folder / _FOLDER, ignore_errors=True)
        budget = Budget(rules.maximum_bytes)
        found = fetch(location, base=own, own=own, credential=credential, rules=rules, budget=budget, what=what)
        digest = found.digest()
        if rules.sha256 is not None and digest != rules.sha256:
            raise WrongDigestError(what, found=digest, expected=rules.sha256)
        ready = own / "ready"
        ready.mkdir()
        # Under numbers: a name in a store may be `../passwd`.
        for number, name in enumerate(sorted(found.files)):
            found.files[name].rename(ready / str(number))
        (ready / _INDEX).write_text(json.dumps({"names": sorted(found.files)}), encoding="utf-8")
        ready.rename(folder / _FOLDER)
    return digest


@contextlib.contextmanager
def open_kept(location: str, folder: Path, *, scratch: Path, rules: InputRules, what: str) -> Iterator[Input]:
    """Open what `keep` put into `folder`. Raises as `hallmark.inputs.opening.open_input` does.

    The folder is on the run's volume: what the digest is computed over, the location says and not the index.
    """
    kept = folder / _FOLDER
    several = location.startswith("s3://") and location.endswith("/")
    try:
        names = [str(name) for name in json.loads((kept / _INDEX).read_text(encoding="utf-8"))["names"]]
        if not names or names != sorted(set(names)) or (len(names) > 1 and not several):
            raise ValueError("names that `keep` would not have written")
        files = {name: kept / str(number) for number, name in enumerate(names)}
        found = Fetched(files=files, several=several, digests={}, database=is_database(location))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{what} was not fetched", solution="let fetch-data run before") from error
    with (
        scratch_folder(scratch, what) as own,
        opened(found, own, location=location, rules=rules, budget=Budget(rules.maximum_bytes), what=what) as data,
    ):
        yield data
