"""`hallmark.yaml`: what the model's repository says about the model. It describes, and may only tighten the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from hallmark.documents.loading import Document, load
from hallmark.documents.paths import RepositoryPath
from hallmark.documents.rules_behaviour import Declared
from hallmark.documents.rules_image import Platform

FILE_NAME = "hallmark.yaml"
UrlPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~:/@%-]*$")]
Scalar = str | int | float | bool
SERVED_FORMATS = ("skops", "onnx")
"""What Hallmark's own server loads: nothing that runs code while it is read."""
SERVER_READINESS = "/v2/health/ready"


class Metadata(Document):
    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", description="The model's name, as in its image."
    )
    version: str = Field(
        pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$", description="Semantic version."
    )


class Data(Document):
    training: RepositoryPath = Field(
        description="The training data: a file, a folder or a pattern such as data/*.parquet; Parquet, CSV, JSON "
        "Lines or Arrow, also by Git LFS."
    )
    label: str = Field(min_length=1, description="The column that the model predicts.")
    features: list[str] = Field(min_length=1, description="The columns that the model is given, in this order.")


class Training(Document):
    script: RepositoryPath = Field(
        description="Called as `python SCRIPT --data=FILE --model=FILE --seed=N --<parameter>=<value> ...`."
    )
    seed: int = Field(default=0, ge=0, lt=2**32)
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="Hyperparameters, handed over as flags.")
    timeout: int = Field(default=3600, gt=0, description="Seconds.")


class Tests(Document):
    paths: list[RepositoryPath] = Field(default_factory=lambda: ["tests"], description="Where pytest looks.")
    minimum_coverage: float = Field(
        default=0, ge=0, le=100, description="Percent of lines; the higher of this and the policy's counts."
    )
    timeout: int = Field(default=900, gt=0, description="Seconds.")


Level = Annotated[float, Field(gt=0, lt=1)]


class ModelFile(Document):
    format: Literal["skops", "pickle", "joblib", "onnx"] = Field(
        default="skops", description="What the training script writes."
    )
    packaging: Literal["file", "mlflow"] = Field(
        default="file",
        description="mlflow: it writes an MLflow model folder that holds such a file; only that file is delivered.",
    )
    minimum_accuracy: float | None = Field(default=None, ge=0, le=1, description="May only tighten the policy's.")
    quantiles: list[Level] = Field(
        default=[],
        max_length=20,
        description="Of a regression: levels, rising, of the quantiles that it gives beside each number. `predict` of "
        "an estimator then gives 1 + n columns, the number first; an ONNX file has them as its second output.",
    )

    @field_validator("quantiles")
    @classmethod
    def _span(cls, levels: list[float]) -> list[float]:
        if len(levels) == 1 or sorted(set(levels)) != levels:
            raise ValueError("name at least two levels, each once and rising, such as [0.05, 0.95]")
        return levels


class Image(Document):
    builder: Literal["containerfile", "server"] | None = Field(
        default=None,
        description="server: the image is the base image, Hallmark's own model server and the model; nothing of the "
        "repository runs in it. Default: containerfile, where there is one.",
    )
    containerfile: RepositoryPath | None = Field(
        default=None,
        description="The model lies at `model/model.<format>` of the build's context. Default: `Containerfile`, where "
        "the repository has one.",
    )
    model: Literal["baked", "fetched"] = Field(
        default="baked",
        description="baked: the model is in the image. fetched: the image holds the model's digest, and Hallmark's "
        "server fetches the model at each start from where the deployment says that it is kept.",
    )
    platforms: list[Platform] = Field(
        default_factory=list,
        max_length=8,
        description="What the image is for, such as linux/amd64 and linux/arm64, where the base is a list of images "
        "that has them; several become a list too. Default: the machine that it is built on.",
    )
    trusted_types: list[str] = Field(
        default_factory=list,
        description="Types in a skops file that Hallmark's server may load beyond skops' own, by full name; the "
        "policy's list decides whether the model is accepted at all.",
    )
    port: int = Field(default=8080, gt=1023, lt=65536)
    readiness: UrlPath = Field(default=SERVER_READINESS, description="Answers 200 once the model is loaded.")
    predict: UrlPath | None = Field(
        default=None,
        description='Takes `{"instances": [[...], ...]}`, answers `{"predictions": [...]}` (V1 inference protocol); '
        "or ends with `/infer` and takes tensors (V2, Open Inference Protocol). Default: `/v1/models/NAME:predict`.",
    )
    liveness: UrlPath | None = Field(
        default=None, description="Answers 200 as long as the process is well; not asked where nothing is named."
    )
    metrics: UrlPath = Field(default="/metrics", description="Answers in Prometheus' text format, if it does.")

    @model_validator(mode="after")
    def _one_way_to_build(self) -> Self:
        if self.builder == "server" and self.containerfile is not None:
            raise ValueError("image.builder is server, which takes no image.containerfile")
        if self.builder == "containerfile" and self.trusted_types:
            raise ValueError(
                "image.trustedTypes is for image.builder: server; a Containerfile's own code loads the model"
            )
        if self.model == "fetched" and (self.builder == "containerfile" or self.containerfile is not None):
            raise ValueError("image.model: fetched is for image.builder: server; it is Hallmark's server that fetches")
        if self.platforms and (self.builder == "containerfile" or self.containerfile is not None):
            raise ValueError("image.platforms is for image.builder: server; RUN knows one machine, its own")
        if len(set(self.platforms)) < len(self.platforms):
            raise ValueError("image.platforms has one of them twice")
        return self


Words = Annotated[str, Field(min_length=1, max_length=4000)]


class Card(Document):
    """What only the maker can say of the model, for its card; nobody checks it."""

    intended_use: Words | None = Field(default=None, description="What the model is for.")
    users: Words | None = Field(default=None, description="Who is meant to use it.")
    out_of_scope: Words | None = Field(default=None, description="What it is not for.")
    factors: Words | None = Field(default=None, description="Groups, instruments or surroundings that matter to it.")
    ethics: Words | None = Field(default=None, description="Risks and harms, and what was done about them.")
    caveats: Words | None = Field(default=None, description="What else one should know.")
    contact: Words | None = Field(default=None, description="Whom to ask.")
    licence: Words | None = Field(default=None, description="Of the model.")


class Model(Document):
    """The whole of `hallmark.yaml`."""

    api_version: Literal["hallmark.dev/v1alpha1"]
    kind: Literal["Model"]
    metadata: Metadata
    task: Literal["classification", "regression"] = Field(
        default="classification", description="Whether the model names a class or gives a number."
    )
    data: Data
    training: Training
    tests: Tests = Tests()
    model: ModelFile = ModelFile()
    behaviour: Declared = Field(
        default_factory=Declared, description="Tests of the model's behaviour that its maker declares."
    )
    image: Image = Image()
    card: Card = Field(default_factory=Card, description="Texts for the model's card.")

    @model_validator(mode="after")
    def _accuracy_is_of_classes(self) -> Self:
        if self.task == "regression" and self.model.minimum_accuracy is not None:
            raise ValueError("model.minimumAccuracy is about classes; a regression has none")
        if self.task == "classification" and self.model.quantiles:
            raise ValueError("model.quantiles are of a regression; a class has none")
        return self

    @model_validator(mode="after")
    def _hallmark_can_serve_it(self) -> Self:
        if self.image.builder == "server" and (reason := self.unservable):
            raise ValueError(reason)
        return self

    @property
    def unservable(self) -> str | None:
        """Why Hallmark's own server cannot serve this model as it is described; None: it can."""
        if self.model.format not in SERVED_FORMATS:
            return f"Hallmark's server loads {' and '.join(SERVED_FORMATS)}, not {self.model.format}"
        if self.image.readiness != SERVER_READINESS:
            return f"Hallmark's server tells that it is ready at {SERVER_READINESS}, not {self.image.readiness}"
        if self.predict not in self.server_paths:
            return f"Hallmark's server predicts at {' and '.join(self.server_paths)}, not {self.predict}"
        return None

    @property
    def server_paths(self) -> tuple[str, str]:
        """Where Hallmark's own server predicts: V1 and V2."""
        return f"/v1/models/{self.metadata.name}:predict", f"/v2/models/{self.metadata.name}/infer"

    @property
    def predict(self) -> str:
        """The path that the container predicts at."""
        return self.image.predict or self.server_paths[0]


def load_model(source: Path) -> Model:
    """The description in the repository checked out at `source`. Raises BadInputError."""
    return load(source / FILE_NAME, Model, what="the model's description (hallmark.yaml at the repository's root)")
