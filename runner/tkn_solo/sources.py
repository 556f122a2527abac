"""Folders of this machine that stand for Secrets, ConfigMaps and claims, and the values they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tkn_solo.decode import nearest
from tkn_solo.errors import InputError

_FLAGS = {"secret": "--secret", "configMap": "--config-map", "claim": "--claim"}


@dataclass(frozen=True)
class Sources:
    """Kind (`secret`, `configMap`, `claim`) and name to a folder; in the first two each file is a key."""

    folders: Mapping[tuple[str, str], Path] = field(default_factory=dict)

    def folder(self, kind: str, name: str, where: str) -> Path:
        """The folder of a name; raises InputError if it was not given."""
        if (kind, name) not in self.folders:
            known = [other for known_kind, other in self.folders if known_kind == kind]
            raise InputError(
                f"the {kind} {name!r} is not known on this machine",
                where=where,
                solution=f"Give its folder: {_FLAGS[kind]} {name}=DIR. {nearest(name, known, 'Given so far')}",
            )
        return self.folders[kind, name]

    def has(self, kind: str, name: str) -> bool:
        return (kind, name) in self.folders

    def keys(self, kind: str, name: str, where: str) -> dict[str, str]:
        """Key to value, from the files of the folder; bytes that are not UTF-8 are replaced."""
        folder = self.folder(kind, name, where)
        return {
            path.name: path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(folder.iterdir())
            if path.is_file() and not path.name.startswith("..")
        }

    def secret_values(self) -> list[str]:
        """Every value of every given secret, to be masked."""
        values: list[str] = []
        for kind, name in self.folders:
            if kind == "secret":
                values.extend(self.keys(kind, name, "").values())
        return values


def read_sources(secrets: list[str], config_maps: list[str], claims: list[str]) -> Sources:
    """Sources from `NAME=DIR` flags; raises InputError for a bad flag or a folder that is not there."""
    folders: dict[tuple[str, str], Path] = {}
    for kind, flags in (("secret", secrets), ("configMap", config_maps), ("claim", claims)):
        for flag in flags:
            name, equals, folder = flag.partition("=")
            if not (name and equals and folder):
                raise InputError(f"{_FLAGS[kind]} {flag!r} is not NAME=DIR")
            path = Path(folder).resolve()
            if not path.is_dir():
                raise InputError(f"{_FLAGS[kind]} {name}: {folder} is no folder")
            folders[kind, name] = path
    return Sources(folders)
