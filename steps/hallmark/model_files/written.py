"""What a training script wrote, against what hallmark.yaml promises: told at once, and by the file's bytes.

Every file here is a stranger's: none is loaded, links are not followed, and names are shown as printable text only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.model_files.formats import READABLE_AS, Format, detect
from hallmark.model_files.mlflow_folder import DESCRIPTION as MLFLOW

_SUFFIXES = frozenset({".skops", ".onnx", ".pkl", ".pickle", ".joblib"})
_LOOKED_AT = 20_000
"""Files that are looked at, at most; a script may write any number."""
_SHOWN = 3
_WRITERS = {
    "skops": "skops.io.dump(model, path)",
    "onnx": "path.write_bytes(onnx_model.SerializeToString())",
    "joblib": "joblib.dump(model, path)",
    "pickle": "pickle.dump(model, file)",
}
_CALLED: dict[Format | None, str] = {
    "skops": "a zip file, as skops writes",
    "onnx": "an ONNX file",
    "joblib": "a joblib file",
    "pickle": "a plain pickle, as pickle and joblib write",
}


def require_format(file: Path, promised: str) -> None:
    """Check that a model file is what `model.format` of hallmark.yaml says.

    Raises:
        BadInputError: it is empty, of another format, or of none that is known.
    """
    if file.stat().st_size == 0:
        raise BadInputError("the model file is empty", solution="write the model to the file named by --model")
    found = detect(file)
    if found in READABLE_AS[promised]:
        return
    fitting = [name for name in ("skops", "onnx", "joblib", "pickle") if found in READABLE_AS[name]]
    change = f", or say `model: {{format: {fitting[0]}}}` there if the policy allows it" if fitting else ""
    raise BadInputError(
        f"hallmark.yaml promises the format {promised} (model.format), but the training script wrote"
        f" {_called(file, found)}",
        solution=f"write it with {_WRITERS[promised]}{change}",
    )


def require_written(written: Path, *, wrapped: bool, promised: str, copy: Path, source: Path) -> None:
    """Check that the script wrote something of the right kind where `--model` told it to.

    Args:
        written: where the model was to be.
        wrapped: whether that is to be an MLflow folder.
        promised: `model.format` of hallmark.yaml.
        copy: the folder that the script ran in.
        source: what that folder held before.

    Raises:
        BadInputError: nothing is there (and what was found elsewhere), a file where a folder was promised, or a folder
            where a file was.
    """
    place = f"the {'folder' if wrapped else 'file'} that --model names"
    if not written.exists() and not written.is_symlink():
        elsewhere = list(_models(written.parent, copy, source))
        told = f"; it wrote {', '.join(elsewhere[:_SHOWN])}" if elsewhere else ""
        more = f" and {len(elsewhere) - _SHOWN} more" if len(elsewhere) > _SHOWN else ""
        raise BadInputError(
            f"the training script ended well, but the model file is missing: it did not write {place}{told}{more}",
            solution=f"let the script write the model to the path in its flag --model, whose name ends with"
            f" {'/model' if wrapped else f'/model.{promised}'}, and nowhere else",
        )
    if wrapped and written.is_file() and not written.is_symlink():
        raise BadInputError(
            f"hallmark.yaml promises an MLflow folder (model.packaging: mlflow), but it is no folder that the training"
            f" script wrote: it is {_called(written, detect(written))}",
            solution="write the folder with mlflow.sklearn.save_model or mlflow.onnx.save_model, or take"
            " model.packaging out of hallmark.yaml",
        )
    if not wrapped and written.is_dir() and not written.is_symlink():
        mlflow = (written / MLFLOW).is_file()
        raise BadInputError(
            f"hallmark.yaml promises one file in the format {promised}, but the training script wrote "
            f"{'an MLflow folder' if mlflow else 'a folder'}, so the model file is not a regular file",
            solution="say `model: {packaging: mlflow}` in hallmark.yaml"
            if mlflow
            else f"write the model to the file that --model names, with {_WRITERS[promised]}",
        )


def _called(file: Path, found: Format | None) -> str:
    if found is not None:
        return _CALLED[found]
    with file.open("rb") as opened:
        start = opened.read(8)
    return f"what is none of {', '.join(READABLE_AS)}: it begins with the bytes {start.hex(' ')}"


def _models(out: Path, copy: Path, source: Path) -> Iterator[str]:
    """What looks like a model among the files that are new, each with what it is."""
    looked_at = 0
    for root in (out, copy):
        for folder, _, names in os.walk(root):
            for name in sorted(names):
                looked_at += 1
                if looked_at > _LOOKED_AT:
                    return
                file = Path(folder, name)
                relative = file.relative_to(root)
                if file.is_symlink() or not file.is_file() or (root == copy and os.path.lexists(source / relative)):
                    continue
                found = detect(file)
                if found is not None or file.suffix in _SUFFIXES:
                    shown = "".join(letter if letter.isprintable() else "?" for letter in str(relative))[-100:]
                    yield f"{shown} ({_CALLED[found] if found else 'which is no model that is known'})"
