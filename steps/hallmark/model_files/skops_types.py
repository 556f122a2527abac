"""What a skops file asks to be trusted, read without building any of it."""

from __future__ import annotations

from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.model_files.archive import open_archive, read_schema


def untrusted_types(path: Path) -> list[str]:
    """The types in a skops file that skops does not trust by itself, by full name.

    skops trusts scikit-learn's estimators, numpy's arrays and plain containers; the rest is the policy's to trust.
    Never hand this list to `skops.io.load`: it is the file's own wish.

    Raises:
        BadInputError: the file is no skops file, or one that cannot be audited.
    """
    with open_archive(path) as archive:
        read_schema(path, archive)
        try:
            import skops.io  # type: ignore[import-untyped]

            found: list[str] = skops.io.get_untrusted_types(file=path)
        except Exception as error:  # whatever a hostile schema makes skops stumble over, it was not audited
            raise BadInputError(
                f"{path.name} cannot be audited by skops: {type(error).__name__}: {str(error)[:200]}",
                solution="write the model with the version of skops.io.dump that the step image has",
            ) from error
    return found
