"""Licences of pinned packages, against what the policy allows.

A licence is read from the metadata of the same version where that is installed beside this command, as in a step
image, and from the policy's own list otherwise: a lock file names no licence, and nothing is asked over a network.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hallmark.code_gate.locks import Locked
from hallmark.documents.rules_code import Licences
from hallmark.errors import BadInputError
from hallmark.reporting.sarif import Finding

TOOL = "licences"
UNKNOWN, DENIED, NOT_ALLOWED = "unknown-licence", "denied-licence", "licence-not-allowed"

Metadata = Callable[[str], Mapping[str, list[str]] | None]
"""The fields `Version`, `License-Expression`, `License` and `Classifier` of an installed package, None if it is not."""

_CLASSIFIERS = {
    "Academic Free License (AFL)": "AFL-3.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}
"""Trove classifiers that mean one licence; those that name only a family (`BSD License`) are read as its commonest."""


@dataclass(frozen=True, kw_only=True)
class Licensed:
    """A package and its licence: an SPDX expression, empty where nobody tells it."""

    package: Locked
    licence: str


def installed(name: str) -> Mapping[str, list[str]] | None:
    """The metadata of a package that is installed in this interpreter."""
    try:
        found = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    fields = ("Version", "License-Expression", "License", "Classifier")
    return {field: [str(value) for value in found.get_all(field) or []] for field in fields}


def list_of(
    packages: Iterable[Locked], rules: Licences, metadata: Metadata = installed, *, where: str = "code.licences"
) -> list[Licensed]:
    """The licence of each package: the policy's word first, then the metadata of exactly this version.

    Args:
        where: the rules' place in the policy, for an error.

    Raises:
        BadInputError: the policy gives an expression that is not SPDX's.
    """
    known = {canonicalize_name(name): _require(text, f"{where}.known.{name}") for name, text in rules.known.items()}
    return [
        Licensed(package=package, licence=known.get(canonicalize_name(package.name)) or _told(package, metadata))
        for package in packages
    ]


def judge(licensed: Iterable[Licensed], rules: Licences, *, where: str = "code.licences") -> list[Finding]:
    """A finding for each package whose licence is unknown, denied, or not among those allowed; `where` as above.

    Raises:
        BadInputError: the policy names a licence that SPDX does not have.
    """
    allowed = {_require(one, f"{where}.allowed") for one in rules.allowed}
    denied = {_require(one, f"{where}.denied") for one in rules.denied}

    def accepted(licence: str) -> bool:
        plain = licence.partition(" WITH ")[0]
        if licence in denied or plain in denied:
            return False
        return not allowed or licence in allowed or plain in allowed

    found: list[Finding] = []
    for one in licensed:
        what = f"{one.package.name} {one.package.version}"
        if not one.licence:
            found.append(_finding(one.package, UNKNOWN, f"nobody tells the licence of {what}"))
        elif not holds(one.licence, accepted):
            rule = DENIED if any(licence in one.licence for licence in denied) else NOT_ALLOWED
            found.append(_finding(one.package, rule, f"the licence of {what} is {one.licence}"))
    return found


def holds(expression: str, accepted: Callable[[str], bool]) -> bool:
    """Whether somebody who accepts these licences may use what is under a normalized SPDX expression.

    >>> holds("MIT OR (GPL-3.0-only AND Zlib)", {"GPL-3.0-only", "Zlib"}.__contains__)
    True
    """
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    value, rest = _either(tokens, accepted)
    if rest:
        raise ValueError(f"{expression} goes on after its end")
    return value


def _either(tokens: list[str], accepted: Callable[[str], bool]) -> tuple[bool, list[str]]:
    value, tokens = _both(tokens, accepted)
    while tokens[:1] == ["OR"]:
        other, tokens = _both(tokens[1:], accepted)
        value = value or other
    return value, tokens


def _both(tokens: list[str], accepted: Callable[[str], bool]) -> tuple[bool, list[str]]:
    value, tokens = _one(tokens, accepted)
    while tokens[:1] == ["AND"]:
        other, tokens = _one(tokens[1:], accepted)
        value = value and other
    return value, tokens


def _one(tokens: list[str], accepted: Callable[[str], bool]) -> tuple[bool, list[str]]:
    if tokens[0] == "(":
        value, rest = _either(tokens[1:], accepted)
        return value, rest[1:]
    if tokens[1:2] == ["WITH"]:
        return accepted(" ".join(tokens[:3])), tokens[3:]
    return accepted(tokens[0]), tokens[1:]


def _told(package: Locked, metadata: Metadata) -> str:
    fields = metadata(package.name)
    if not fields or not _same_version(fields.get("Version", []), package.version):
        return ""
    classifiers = [text.rpartition(" :: ")[2] for text in fields.get("Classifier", []) if text.startswith("License ::")]
    candidates = [
        *fields.get("License-Expression", []),
        *fields.get("License", []),
        " AND ".join(_CLASSIFIERS.get(name, "?") for name in sorted(set(classifiers) - {"OSI Approved"})),
    ]
    return next((licence for text in candidates if (licence := _normal(text))), "")


def _same_version(told: list[str], locked: str) -> bool:
    try:
        return bool(told) and Version(told[0]).public == Version(locked).public
    except InvalidVersion:
        return False


def _normal(text: str) -> str:
    """An SPDX expression in its normal form; empty where `text` is a licence's whole text, or anything else."""
    try:
        return canonicalize_license_expression(text) if 0 < len(text) <= 200 else ""
    except InvalidLicenseExpression:
        return ""


def _require(text: str, where: str) -> str:
    if licence := _normal(text):
        return licence
    raise BadInputError(
        f"the policy's {where} names {text!r}, which is no licence of SPDX",
        solution="write it as on spdx.org/licenses, for instance Apache-2.0, or LicenseRef-Name for one of your own",
    )


def _finding(package: Locked, rule: str, message: str) -> Finding:
    return Finding(tool=TOOL, rule=rule, file=package.file, line=package.line, message=message[:400])
