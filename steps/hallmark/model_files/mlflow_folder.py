"""Takes the one model file out of an MLflow model folder, and nothing else of it.

MLflow would import the loader module that the folder names, put its `code` on the path, and unpickle. Here the folder
is only a wrapping: its MLmodel says which file is the model (https://mlflow.org/docs/latest/ml/model), and that file
goes the way of every other, through its bytes, the audit and the allow-list. Requirements are not installed; they and
all other files stay behind.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hallmark import left_behind
from hallmark.documents.loading import compose, plain
from hallmark.errors import BadInputError

DESCRIPTION = "MLmodel"
MAXIMUM_BYTES = 1 << 20

_FILE_KEY = {"sklearn": "pickled_model", "onnx": "data"}
"""The flavours that are known, and the key of each that names its file."""
_LOADERS = {flavour: f"mlflow.{flavour}" for flavour in _FILE_KEY}
_FLAT_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,250}")


def model_file(folder: Path) -> Path:
    """The path of the model's file in an MLflow folder that a stranger wrote; the file itself is not looked at.

    Raises:
        BadInputError: no folder, no MLmodel that can be read, a flavour, loader module or code of its own beside those
            of scikit-learn and ONNX, or a file that is not in the folder.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise _bad("it is no folder")
    data = left_behind.read(folder / DESCRIPTION, what=f"MLflow's {DESCRIPTION}", maximum=MAXIMUM_BYTES)
    try:
        described = plain(compose(data.decode(), name=DESCRIPTION))
    except UnicodeDecodeError as error:
        raise _bad(f"its {DESCRIPTION} is not UTF-8 text") from error
    flavours = described.get("flavors") if isinstance(described, dict) else None
    if not isinstance(flavours, dict) or not all(isinstance(flavour, dict) for flavour in flavours.values()):
        raise _bad(f"its {DESCRIPTION} names no flavors")
    generic = flavours.pop("python_function", {})
    if len(flavours) != 1 or next(iter(flavours)) not in _FILE_KEY:
        raise _bad(f"its flavor has to be one of {', '.join(_FILE_KEY)}; it has {', '.join(map(str, flavours))[:200]}")
    name, flavour = next(iter(flavours.items()))
    loader = generic.get("loader_module", _LOADERS[name])
    if loader != _LOADERS[name]:
        raise _bad(f"it asks for the loader module {str(loader)[:80]!r}")
    if flavour.get("code") or generic.get("code"):
        raise _bad("it brings code of its own")
    return folder / _file(flavour.get(_FILE_KEY[name]))


def _file(name: Any) -> str:
    if not isinstance(name, str) or not _FLAT_NAME.fullmatch(name):
        raise _bad(f"it names a file that is not in the folder itself: {str(name)[:80]!r}")
    return name


def _bad(what: str) -> BadInputError:
    return BadInputError(
        f"the MLflow model folder is not one that can be read: {what}",
        solution="write it with mlflow.sklearn.save_model or mlflow.onnx.save_model, without code_paths",
    )
