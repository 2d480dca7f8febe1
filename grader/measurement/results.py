"""What the report gets of a network's training, beside others' on the same images; for a grade and for a short look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from grader import mistakes, statistics
from grader.assignment import Assignment, BaselineSpec, Network, Question
from grader.data import DataSet
from grader.graph import rebuild
from grader.measurement.accuracy import Accuracy
from grader.measurement.outcomes import predictions
from grader.model import Baseline, Epoch, ModelResult
from grader.recipe import Recipe
from grader.training import Training


@dataclass(frozen=True)
class Subject:
    """A network in a measurement; `rebuilt` is None where it has no graph, and then `fingerprint` is "".

    `method`, `reason`: how it was trained.
    """

    question: Question
    recipe_name: str
    recipe: Recipe
    rebuilt: rebuild.Network | None
    fingerprint: str
    method: str
    reason: str


@dataclass(frozen=True, eq=False)
class Compared:
    """A baseline that was trained alike, its parameters, and its FLOPs for one image."""

    spec: BaselineSpec
    training: Training
    parameters: int
    flops: int


class Results:
    """Puts results together; all are of one assignment, data set and device."""

    def __init__(self, assignment: Assignment, data: DataSet, device: str) -> None:
        self._assignment = assignment
        self._data = data
        self._device = device
        self._parts: dict[tuple[int | None, int | None], DataSet] = {}

    def part(self, recipe: Recipe) -> DataSet:
        """The images of a recipe, with the assignment's class names where they are this data set's."""
        wanted = recipe.train_per_class, recipe.test_per_class
        if wanted not in self._parts:  # choosing them takes a quarter of a second
            part, names = self._data.subset(*wanted), self._assignment.classes
            fits = len(names) == len(part.classes) and not part.stand_in
            self._parts[wanted] = replace(part, classes=names) if fits else part
        return self._parts[wanted]

    def accuracy(self, training: Training, recipe: Recipe) -> Accuracy:
        """What a check sees of a training."""
        part = self.part(recipe)
        initial = float((training.initial_logits.argmax(1) == part.test_labels).double().mean())
        classes = statistics.accuracy_per_class(predictions(training), part.test_labels.numpy(), part.classes)
        known = [c.accuracy for c in classes if c.accuracy is not None]
        return Accuracy(sum(known) / len(known), initial, len(part.test_labels))

    def of(self, subject: Subject, training: Training, beside: Iterable[Compared]) -> ModelResult:
        """The whole result of one training of a network."""
        part, found, rebuilt = self.part(subject.recipe), predictions(training), subject.rebuilt
        truth, asked = part.test_labels.numpy(), subject.question.network or Network()
        return ModelResult(
            question=subject.question.id,
            title=subject.question.answers[0].name,
            parameters=rebuilt.parameter_count if rebuilt else 0,
            flops=rebuilt.flops if rebuilt else 0,
            classes=statistics.accuracy_per_class(found, truth, part.classes),
            baselines=tuple(_baseline(other, training, part) for other in beside),
            curve=tuple(Epoch(loss=loss, accuracy=accuracy) for loss, accuracy in training.curve),
            confusion=statistics.confusion(found, truth, len(part.classes)),
            layers=rebuilt.layers if rebuilt else (),
            method=subject.method,
            reason=subject.reason,
            recipe=subject.recipe_name,
            seed=self._assignment.seeds.training,
            train_images=len(part.train_labels),
            test_images=len(truth),
            seconds=round(training.seconds, 3),
            device=self._device,
            data_name=part.name,
            stand_in=part.stand_in,
            graded=subject.recipe.graded,
            fingerprint=subject.fingerprint,
            mistakes=mistakes.worst(training.logits.numpy(), truth, part.test_images.numpy(), part.classes),
            asked_layers=asked.layers,
            asked_parts=asked.parts,
        )


def _baseline(other: Compared, own: Training, part: DataSet) -> Baseline:
    """A baseline beside the network, on the same images."""
    theirs, truth = predictions(other.training), part.test_labels.numpy()
    comparisons, overall = statistics.compare(predictions(own), theirs, truth, part.classes)
    return Baseline(
        id=other.spec.id,
        title=other.spec.title,
        classes=statistics.accuracy_per_class(theirs, truth, part.classes),
        parameters=other.parameters,
        flops=other.flops,
        comparisons=comparisons,
        overall=overall,
        printed=other.spec.printed,
    )
