"""`scan` of the policy: what scan-image asks of an image's packages and files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hallmark.documents.loading import Document
from hallmark.documents.paths import RepositoryPath
from hallmark.documents.rules_code import Ignored, Licences, Severity
from hallmark.documents.rules_inputs import Digest
from hallmark.documents.tighter import Earlier, Fewer, FewerOfAll, Fixed, Lower, StaysOff, StaysOn

ImagePath = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]
"""A path in the image, from its root."""

USUAL_SETUID = (
    "/usr/bin/chage",
    "/usr/bin/chfn",
    "/usr/bin/chsh",
    "/usr/bin/expiry",
    "/usr/bin/gpasswd",
    "/usr/bin/mount",
    "/usr/bin/newgrp",
    "/usr/bin/passwd",
    "/usr/bin/su",
    "/usr/bin/umount",
    "/usr/bin/wall",
    "/usr/bin/write",
    "/usr/sbin/pam_extrausers_chkpwd",
    "/usr/sbin/pam_timestamp_check",
    "/usr/sbin/unix_chkpwd",
)
"""What Debian, Ubuntu and Red Hat's base images have. A pod that allows no escalation makes nothing of them."""


class ScanVulnerabilities(Document):
    enabled: StaysOn[bool] = Field(
        default=False, description="Whether the image's packages are looked up in an advisory database."
    )
    advisories: Fixed[RepositoryPath | None] = Field(
        default=None,
        description="A folder with OSV's databases, as JSON files or as zip files of them, or one such zip file, below "
        "the policy's folder; left out: the workspace `advisories`.",
    )
    maximum_age_days: Lower[int] = Field(
        default=7, ge=0, description="Of the newest entry of each ecosystem; an older database is refused."
    )
    databases: FewerOfAll[list[Digest]] = Field(
        default=[],
        description="SHA-256 of the database's files, as `sha256sum` tells it: any other is refused, also in a folder "
        "that the run brings along; left out: any that is not too old.",
    )
    severity: Earlier[Severity] = Field(
        default="high", description="Advisories from this severity on are refused; those without one always are."
    )
    fixed_only: StaysOff[bool] = Field(
        default=False, description="Whether only those count of which a fixed version is known."
    )
    ignore: Fewer[list[Ignored]] = Field(default=[], description="Advisories that do not count.")
    leave_out: Fewer[list[Annotated[str, Field(pattern=r"^[a-z0-9.+-]+$")]]] = Field(
        default=[],
        description="Kinds of packages, by the type of their Package URL (golang, npm, ...), that need not be looked "
        "up; any other of which the database has nothing is an error.",
    )


class ScanLicences(Licences):
    enabled: StaysOn[bool] = Field(
        default=False, description="Whether the licences of the image's Python distributions are looked at."
    )


class ScanSecrets(Document):
    enabled: StaysOn[bool] = Field(
        default=True, description="Whether gitleaks looks for secrets in every layer and in the image's configuration."
    )
    packaged: StaysOn[bool] = Field(
        default=False,
        description="Whether it also reads files that a package of the image lists by their digest; it takes minutes.",
    )


class Files(Document):
    setuid: Fewer[list[ImagePath]] = Field(
        default_factory=lambda: list(USUAL_SETUID),
        description="Files that may be setuid, setgid or have capabilities; left out: those of usual distributions.",
    )
    setuid_above_base: Fewer[list[ImagePath]] = Field(
        default=[], description="Of these, and others, those that layers above the base image may bring or change."
    )
    world_writable: Fewer[list[ImagePath]] = Field(
        default=[], description="Files, and folders without the sticky bit, that everybody may write to."
    )


class Scan(Document):
    vulnerabilities: ScanVulnerabilities = ScanVulnerabilities()
    licences: ScanLicences = ScanLicences()
    secrets: ScanSecrets = ScanSecrets()
    files: Files = Files()
    user: Earlier[Literal["not-root", "any"]] = Field(
        default="not-root", description="Whether the image may start as root."
    )
    system: Earlier[Literal["told", "any"]] = Field(
        default="told", description="Whether an image may hide which packages its operating system is made of."
    )
    package_lists: Earlier[Literal["of-base", "any"]] = Field(
        default="of-base",
        description="Whether layers above the base image may change which operating system the image says it has, and "
        "which packages of it.",
    )
    baseline: Fixed[RepositoryPath | None] = Field(
        default=None, description="Accepted findings: a file below the policy's folder (baseline.schema.json)."
    )
