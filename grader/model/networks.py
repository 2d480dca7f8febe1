"""A network that was measured: its accuracy per class, beside its baselines, and how that number came about."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, computed_field

from grader.model.values import Value


class ClassAccuracy(Value):
    """How many test images of one class are recognised, with a 95 % Wilson interval (fractions, 0 to 1)."""

    name: str
    correct: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]
    low: float | None
    high: float | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def accuracy(self) -> float | None:
        """Fraction recognised; None when the class has no images."""
        return self.correct / self.total if self.total else None


class Conclusion(StrEnum):
    """What a paired comparison shows."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "no clear difference"


class Comparison(Value):
    """Accuracy of the student's network minus a baseline's, on the same test images (fractions, -1 to 1).

    `low`, `high`: Newcombe's paired 95 % interval. `p_value`: exact McNemar, Holm-adjusted over the classes.
    """

    name: str
    difference: float
    low: float
    high: float
    p_value: float
    conclusion: Conclusion


class Baseline(Value):
    """A network that the student's is compared with, trained by the same code, data and recipe."""

    id: str
    title: str
    classes: tuple[ClassAccuracy, ...]
    parameters: int
    flops: int = 0
    comparisons: tuple[Comparison, ...]
    overall: Comparison
    printed: tuple[float, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def mean_accuracy(self) -> float | None:
        """Mean of the classes' accuracies."""
        return mean_accuracy(self.classes)


class Epoch(Value):
    """One point of a learning curve: mean training loss, and training accuracy (0 to 1) on the augmented images."""

    loss: float
    accuracy: float


class Layer(Value):
    """One step of the network as captured. `flops` counts one image, multiply and add apart."""

    op: str
    output_shape: tuple[int, ...]
    parameters: int
    flops: int


class AskedLayer(Value):
    """A step that a question asks for; `also` are other spellings of `op` that are as good."""

    op: str
    output_shape: tuple[int, ...] = ()
    also: tuple[str, ...] = ()


class Mistake(Value):
    """A test image that the network is wrong about: its class, the answer, and the probability (0 to 1) given to it.

    `image` is a PNG file in base64.
    """

    label: str
    predicted: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    image: str


class SeedResult(Value):
    """Mean accuracies (0 to 1) of the network and of the reference after training from one seed."""

    seed: int
    network: float
    reference: float


class SeedNoise(Value):
    """How the reference's mean accuracy (0 to 1) varies over so many training seeds: its mean and deviation."""

    trainings: Annotated[int, Field(ge=2)]
    mean: float
    deviation: float


class ModelResult(Value):
    """What was measured of one network. `method` is the step of the ladder, `reason` why that one.

    `seeds` has one entry, and more where the first was near a boundary of the scoring rule: then their means are
    scored. All else here is of the first. `noise` is None where it was not measured. `asked_layers` is the network as
    the question asks for it, `asked_parts` how many steps of some kinds it usually has.
    """

    question: str
    title: str
    parameters: int
    flops: int
    classes: tuple[ClassAccuracy, ...]
    baselines: tuple[Baseline, ...]
    curve: tuple[Epoch, ...]
    confusion: tuple[tuple[int, ...], ...]
    layers: tuple[Layer, ...]
    method: str
    reason: str
    recipe: str
    seed: int
    train_images: int
    test_images: int
    seconds: float
    device: str
    data_name: str
    stand_in: bool
    graded: bool
    fingerprint: str = ""
    seeds: tuple[SeedResult, ...] = ()
    noise: SeedNoise | None = None
    mistakes: tuple[Mistake, ...] = ()
    asked_layers: tuple[AskedLayer, ...] = ()
    asked_parts: dict[str, int] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def mean_accuracy(self) -> float | None:
        """Mean of the classes' accuracies."""
        return mean_accuracy(self.classes)


class Claim(Value):
    """An accuracy (0 to 1) that a student's notebook printed, of one class or, without a `name`, of all.

    `question` is that of the network it was most likely printed of, "" where that cannot be told.
    """

    question: str
    file: str
    cell: Annotated[int, Field(ge=1)]
    name: str
    fraction: Annotated[float, Field(ge=0, le=1)]


def mean_accuracy(classes: tuple[ClassAccuracy, ...]) -> float | None:
    """Mean over the classes that have images; None when none has."""
    known = [c.accuracy for c in classes if c.accuracy is not None]
    return sum(known) / len(known) if known else None
