"""The champion, the model in production, as one task hands it to the others: `model` and `champion.json` in a folder.

Nothing of it is believed that no trusted key has signed: that an image is the one in production says where to look,
its verdict says which file in it is the model, and how to ask it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from hallmark.documents.loading import Document
from hallmark.documents.policy import Policy
from hallmark.documents.rules_inputs import Digest
from hallmark.documents.rules_model import ModelFormat, Task
from hallmark.errors import BadInputError
from hallmark.files import DIGEST, require_digest, sha256_file, sha256_tree, write_text
from hallmark.gate_report import Check
from hallmark.image_reference import Image
from hallmark.verdict import Verdict

MODEL_FILE, DESCRIPTION_FILE = "model", "champion.json"
CHAMPION_FILE = "champion.parquet"
"""What it said to the independent rows, beside the candidate's predictions."""
MAXIMUM_BYTES = 1 << 20
NONE, NOT_ASKED = "none", "not-asked"
"""Instead of the folder's digest: nothing is in production yet; the policy asks for no comparison. That nothing was
handed over means neither."""


def handed_over(told: str, policy: Policy) -> str | None:
    """The digest of the champion's folder that fetch-champion told; None where it told why there is none.

    Raises:
        BadInputError: it is neither, or not what this policy makes it say.
    """
    asked = policy.model.champion is not None
    if told == NOT_ASKED and not asked:
        return None
    if told == NONE and asked:
        return None
    if asked and DIGEST.fullmatch(told):
        return told
    wanted = f"a digest or {NONE}" if asked else f"{NOT_ASKED}, for the policy asks for no comparison"
    raise BadInputError(
        f"--champion-digest is {told[:100]!r}, and not {wanted}",
        solution="hand over the results of fetch-champion of the same run",
    )


class ChampionModel(Document):
    digest: Digest
    format: ModelFormat
    version: str


class InProduction(Document):
    """The whole of `champion.json`."""

    image: str = Field(pattern=r"^[^@\s]+@sha256:[0-9a-f]{64}$", description="By digest.")
    digest: Digest = Field(description="Of the image.")
    policy: Digest = Field(description="Of the policy's folder by whose keys signature and verdict were checked.")
    model: ChampionModel
    task: Task
    features: list[str] = Field(min_length=1, description="The columns that the model is given, in their order.")
    kind: Literal["Champion"] = "Champion"

    def write(self, folder: Path) -> None:
        """Write it into `folder`, beside the model."""
        write_text(folder / DESCRIPTION_FILE, self.model_dump_json(by_alias=True, indent=2) + "\n")


def read_champion(folder: Path, *, digest: str, policy_digest: str) -> InProduction:
    """The champion that `fetch-champion` handed over.

    Args:
        digest: of the folder, as its writer told it.

    Raises:
        BadInputError: it was changed on the way, checked under another policy, or is not what its writer writes.
    """
    require_digest("the folder of the champion", sha256_tree(folder), digest)
    file = folder / DESCRIPTION_FILE
    try:
        if file.is_symlink() or file.stat().st_size > MAXIMUM_BYTES:
            raise BadInputError(f"{DESCRIPTION_FILE} is no small regular file", solution="start a new run")
        found = InProduction.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInputError(
            f"{DESCRIPTION_FILE} is not what fetch-champion writes: {type(error).__name__}", solution="start a new run"
        ) from error
    require_digest("the policy that the champion was checked by", found.policy, policy_digest)
    require_digest("the champion's model", sha256_file(folder / MODEL_FILE), found.model.digest)
    return found


def verdict_checks(verdict: Verdict, image: Image, policy: Policy) -> list[Check]:
    """Whether a verdict that a trusted key attested makes `image` a champion to compare with.

    It may have been judged by an earlier policy, and long ago: what is in production is there, and the newest model
    has to compare with it.
    """
    failed = [check.name for check in verdict.checks if not check.passed]
    return [
        Check(
            name="champion's verdict",
            passed=verdict.passed and not failed,
            value="passed" if verdict.passed and not failed else f"refused: {', '.join(failed) or 'by the judge'}",
            limit="passed",
        ),
        Check(
            name="image of the champion's verdict",
            passed=verdict.image.means(image.digest),
            value=verdict.image.digest,
            limit=f"equal to {image.digest}, or a list that has it",
        ),
        Check(
            name="model of the champion's verdict",
            passed=verdict.model.name == policy.metadata.name,
            value=verdict.model.name,
            limit=f"equal to {policy.metadata.name}",
        ),
    ]


def described(verdict: Verdict, image: Image, policy: Policy, policy_digest: str) -> InProduction:
    """The champion by its verdict.

    Raises:
        BadInputError: the verdict does not say how its model is asked, or it cannot be asked under this policy.
    """
    model = verdict.model
    if model.format is None or model.task is None or not model.features:
        raise BadInputError(
            f"the verdict of {image}, which is in production, does not say which features, format and task its model "
            "has: it was judged before verdicts did",
            solution="deliver the commit in production once more under a policy without model.champion: it is judged "
            "anew, and its new verdict says so; then ask for the champion again",
        )
    if model.task != policy.model.task:
        raise BadInputError(
            f"the model in production is of a {model.task}, the policy has limits for a {policy.model.task}",
            solution="deliver the new kind of model under a name of its own",
        )
    _require_offered(model.features, policy.data.independent.features, image)
    try:
        return InProduction.model_validate(
            {
                "image": str(image),
                "digest": image.digest,
                "policy": policy_digest,
                "model": {"digest": model.digest, "format": model.format, "version": model.version},
                "task": model.task,
                "features": model.features,
            }
        )
    except ValidationError as error:
        raise BadInputError(
            f"the verdict of {image} describes its model as nothing that is known here: {error.error_count()} mistakes",
            solution="deliver the commit in production once more with this version of Hallmark",
        ) from error


def _require_offered(needed: Collection[str], offered: Collection[str], image: Image) -> None:
    missing = [name for name in needed if name not in offered]
    if missing:
        raise BadInputError(
            f"the model in production, {image}, needs features that the policy does not offer: {', '.join(missing)}",
            solution="let the validators keep these columns in data.independent.features, and in the data, until "
            "another model is in production",
        )
