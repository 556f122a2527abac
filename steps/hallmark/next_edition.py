"""The next edition of a policy's folder while a key is rotated: another list of keys, and the editions before trusted.

`policy.yaml` is read and written with its comments, and what came out is read again: nothing but `signing` may differ.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

from hallmark.documents.inheritance import EXTENDS
from hallmark.documents.policy import FILE_NAME, Policy, load_policy, policy_digest
from hallmark.errors import BadInputError
from hallmark.files import require_outside, write_text
from hallmark.signing_keys import require_public_only


def write(folder: Path, target: Path, *, keys: list[str], files: dict[str, str]) -> str:
    """Write the edition after that in `folder` to the new folder `target`, and return its digest.

    The file of a public key that is not named any more is left out: by hand too nothing shall be verified by it.

    Args:
        keys: the public keys' files, as `signing.publicKeys` shall name them.
        files: further files' texts by their names; public keys, that is.

    Raises:
        BadInputError: as :func:`require_new`, or a name is taken.
    """
    before, digest = load_policy(folder), policy_digest(folder)
    document = require_new(target, folder)
    signing = document.setdefault("signing", {})
    signing["publicKeys"] = keys
    signing["trustedPolicies"] = [*before.signing.trusted_policies, digest]
    shutil.copytree(folder, target, ignore=lambda _folder, names: [name for name in names if name.startswith("..")])
    try:
        for name in set(before.signing.public_keys) - set(keys):
            (target / name).unlink()
        for name, content in files.items():
            if (target / name).exists():
                raise BadInputError(f"the policy's folder has a file {name}", solution="give the key another name")
            write_text(target / name, content)
        write_text(target / FILE_NAME, _dump(document))
        _require_same(before, load_policy(target), FILE_NAME)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return policy_digest(target)


def require_new(target: Path, folder: Path) -> Any:
    """Hold `target` to be a place for the edition after that in `folder`, and that one to have the keys to change.

    Returns the document to edit.

    Raises:
        BadInputError: `target` exists or lies in `folder`, there is a private key, or a level above names the keys.
    """
    document = _yaml().load((folder / FILE_NAME).read_text(encoding="utf-8"))
    if EXTENDS in document:
        raise BadInputError(
            f"{FILE_NAME} extends {document[EXTENDS]}, whose owners say which keys there are",
            solution=f"have them change signing.publicKeys, and put {policy_digest(folder)} into trustedPolicies",
        )
    require_outside(target, folder, "which would be another edition then")
    require_public_only(folder)
    if target.exists():
        raise BadInputError(f"{target} exists", solution="give a new folder, and compare it with the old one")
    return document


def _require_same(before: Policy, after: Policy, name: str) -> None:
    """Prove that nothing but the two lists has changed."""
    lists = {"public_keys": after.signing.public_keys, "trusted_policies": after.signing.trusted_policies}
    expected = before.model_copy(update={"signing": before.signing.model_copy(update=lists)})
    if expected != after:
        raise BadInputError(f"{name} cannot be edited without changing more", solution="edit `signing` by hand")


def _dump(document: Any) -> str:
    buffer = io.StringIO()
    _yaml().dump(document, buffer)
    return buffer.getvalue()


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    return yaml
