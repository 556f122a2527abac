"""Models that are what they should be by every look at their file, and run code of their own once they are loaded.

Their pickles call `eval`, which no policy should trust; here it does, to see what such a model can do then.
"""

from __future__ import annotations

import builtins
import pickle
from pathlib import Path

from hallmark.model_files.session import ModelFile

from .payloads import Touch

TRUSTED = "builtins.eval"

_MODEL = """
import os, socket, time
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class Rogue(ClassifierMixin, BaseEstimator):
    def predict(self, X):
        rows = np.asarray(X, dtype=object)
        act(self, len(rows))
        return np.array(["a"] * len(rows))

    def __sklearn_is_fitted__(self):
        return True

def act(self, rows):
    pass
"""


def write(path: Path, code: str) -> Path:
    """A pickled classifier that always says "a". `code` runs while it is loaded, with the names of `_MODEL`; it may
    define `act(self, rows)`, which then runs before every answer."""
    program = f"{_MODEL}\n{code}\nmodel = Rogue()\n"
    path.write_bytes(pickle.dumps(Touch(builtins.eval, f"[n := {{}}, exec({program!r}, n), n['model']][-1]")))
    return path


def described(path: Path, columns: tuple[str, ...] = ("x",)) -> ModelFile:
    """How such a file is asked by a policy that trusts `eval`."""
    return ModelFile(path=path, format="pickle", task="classification", columns=columns, trusted=(TRUSTED,))
