"""Starts the trainings of one student after another, waits for them, and puts the measurements together."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from statistics import fmean, stdev
from typing import Literal

from grader import honesty, statistics
from grader.assignment import Assignment, Question
from grader.captured import Uncapturable
from grader.data import DataSet
from grader.errors import WorkerLost
from grader.measurement import outcomes, testimony
from grader.measurement.accuracy import Accuracy, Measured, Trained, or_raise
from grader.measurement.networks import Networks, of_student
from grader.measurement.outcomes import InWorker, Rival, Started
from grader.measurement.results import Compared, Results, Subject
from grader.model import ModelResult, SeedNoise, SeedResult, Verdict
from grader.processes.process import Unanswered
from grader.recipe import Recipe
from grader.reference import Reference
from grader.student import Student
from grader.trainer import CapturedNetwork, Job, Outcome, Trainer

WAITING_THREADS = 16  # they only wait: one for each submission in flight
FROM_GRAPH = "trained from its graph"
IN_WORKER = "trained in its own process"
BY_A_PERSON = (
    "{} has no graph, so nothing has looked at its parts: look at the code, and give its points by an override."
)
MORE_SEEDS = (1, 2)  # added to the seeds near a boundary
AGAIN = (
    "Because the first training came close to where the points change, both were trained {count} times from different "
    "seeds, and these are the means."
)


class Measurements:
    """Starts the trainings of one student after another, on one trainer."""

    def __init__(
        self, assignment: Assignment, reference: Reference, trainer: Trainer, data: DataSet, device: str, speed: str
    ) -> None:
        self._assignment = assignment
        self._trainer = trainer
        self._device = device
        self._speed = speed
        self._probe = reference.lasting_seed("transformed test images")
        self._networks = Networks(assignment, reference, trainer.cache)
        self._results = Results(assignment, data, device)
        self._in_worker = ThreadPoolExecutor(1, "worker-training")
        self._waiting = ThreadPoolExecutor(WAITING_THREADS, "measurement")

    def close(self) -> None:
        """Give up what is not finished."""
        for pool in (self._in_worker, self._waiting):
            pool.shutdown(wait=False, cancel_futures=True)

    def start(self, student: Student) -> Future[dict[str, Measured]]:
        """Begin all trainings of a student; the measurements by question id, some day."""
        started = [self._start(student, q) for q in self._assignment.questions if q.network and student.needs(q)]
        return self._waiting.submit(lambda: {s.question.id: self._collected(student, s) for s in started})

    def of_reference(self) -> list[Future[Outcome]]:
        """Begin what whoever's grading asks of the reference: its networks, and baselines that are files of it."""
        return [future for q in self._assignment.questions if q.network for future in self._asked_of_reference(q)]

    def _asked_of_reference(self, question: Question) -> Iterator[Future[Outcome]]:
        assert question.network is not None  # noqa: S101  # asked only of networks
        _, recipe = self._assignment.recipe(question.id, self._device, self._speed)
        yield from self._solutions(question, recipe)
        yield from (self._submit_solution(question, recipe, more) for more in (MORE_SEEDS if recipe.graded else ()))
        for spec in (b for b in self._assignment.baselines if b.id in question.network.baselines and b.file):
            yield self._submit(self._networks.of_reference(str(spec.file), str(spec.name)), recipe)

    # ------------------------------------------------------------------------------------------------------ starting

    def _start(self, student: Student, question: Question) -> Started:
        name = question.answers[0].name
        recipe_name, recipe = self._assignment.recipe(question.id, self._device, self._speed)
        method, reason = FROM_GRAPH, "its graph was captured and rebuilt without any of its code"
        own: Future[Outcome] | Exception
        losses: Future[Outcome] | Exception
        network: CapturedNetwork | None = None
        try:
            network = of_student(student, name)
            own = self._train(network, recipe, name)
            losses = self._submit(network, recipe, what="overfit")
        except Uncapturable as e:
            method, reason = IN_WORKER, str(e)
            own = self._in_worker.submit(self._train_in_worker, student, name, recipe)
            losses = e
        except (Unanswered, WorkerLost) as e:
            own = losses = e
        except Exception as e:  # noqa: BLE001  # a fault of ours in one network is INTERNAL there, and ends no session
            own = losses = WorkerLost(f"{type(e).__name__}: {e}")
        compared = not isinstance(own, Exception)
        return Started(
            question=question,
            name=name,
            recipe_name=recipe_name,
            recipe=recipe,
            method=method,
            reason=reason,
            network=network,
            own=own,
            losses=losses,
            references=tuple(self._solutions(question, recipe)) if compared else (),
            baselines=tuple(self._rivals(student, question, recipe, network)) if compared else (),
        )

    def _solutions(self, question: Question, recipe: Recipe) -> Iterator[Future[Outcome]]:
        """The reference, and from more seeds; a quick look and an accuracy that is only shown do without those."""
        for more in MORE_SEEDS if recipe.graded else ():
            name = question.answers[0].name
            self._networks.of_reference(question.id, name, more)  # here, because only one thread may draw weights
        yield self._submit_solution(question, recipe)
        if recipe.graded and self._speed == "full":
            for more in range(1, self._assignment.seeds.reference_trainings):
                yield self._submit_solution(question, recipe, more)

    def _submit_solution(self, question: Question, recipe: Recipe, more: int = 0) -> Future[Outcome]:
        return self._submit(self._networks.of_reference(question.id, question.answers[0].name, more), recipe, more=more)

    def _submit(
        self, network: CapturedNetwork, recipe: Recipe, what: Literal["train", "overfit"] = "train", more: int = 0
    ) -> Future[Outcome]:
        return self._trainer.submit(
            Job(network, recipe, self._assignment.seeds.training + more, what, probe=self._probe)
        )

    def _train(self, network: CapturedNetwork, recipe: Recipe, name: str, more: int = 0) -> Future[Outcome]:
        """The student's own network: an outcome that is none becomes the exception that says so."""
        return outcomes.then(self._submit(network, recipe, more=more), lambda outcome: outcomes.trained(outcome, name))

    def _train_in_worker(self, student: Student, name: str, recipe: Recipe, more: int = 0) -> Outcome:
        part = self._results.part(recipe)
        test_images = honesty.with_copies(part.test_images, self._probe)
        images = {"images": part.train_images, "labels": part.train_labels, "test_images": test_images}
        reply = student.train(name, recipe, images, more)
        shape, count = (len(test_images), len(part.classes)), len(part.test_labels)
        told = testimony.read(reply, shape, name)
        logits, initial = told.training.logits, told.training.initial_logits
        training = replace(told.training, logits=logits[:count], initial_logits=initial[:count])
        return InWorker("", Verdict.PASSED, training=training, probe_logits=logits[count:], told=told)

    def _rivals(self, student: Student, question: Question, recipe: Recipe, own: CapturedNetwork | None) -> list[Rival]:
        assert question.network is not None  # noqa: S101  # asked only of networks
        rivals = []
        for spec in (b for b in self._assignment.baselines if b.id in question.network.baselines):
            try:
                network, parameters, flops = self._networks.baseline(student, spec)
            except (Unanswered, WorkerLost):
                continue  # the student's own answer to another question is not there; that question says so
            rivals.append(Rival(spec, self._submit(network, recipe), parameters, flops, outcomes.same(network, own)))
        return rivals

    # ---------------------------------------------------------------------------------------------------- collecting

    def _collected(self, student: Student, started: Started) -> Measured:
        """One question's measurement; a fault of ours in it is INTERNAL there, at no cost to the other questions."""
        try:
            return self._collect(student, started)
        except Exception as e:  # noqa: BLE001  # as above
            fault = WorkerLost(f"{type(e).__name__}: {e}")
            return Measured(None, str(fault), (), (), fault, fault)

    def _collect(self, student: Student, started: Started) -> Measured:
        """Wait for one question's trainings and put its measurement together."""
        losses = outcomes.losses(started.losses, started.name)
        try:
            outcome = or_raise(started.own if isinstance(started.own, Exception) else started.own.result())
        except Unanswered as e:
            return Measured(None, "", (), (), e, losses)  # every check of the question says it
        except WorkerLost as e:
            return Measured(None, str(e), (), (), e, losses)
        own, reference = self._accuracy(started, outcome), self._solved(started, started.references[0])
        seeds = self._seeds(student, started, own, reference)
        trained = Trained(
            replace(own, mean_accuracy=fmean(s.network for s in seeds)),
            replace(reference, mean_accuracy=fmean(s.reference for s in seeds)),
            started.recipe,
            AGAIN.format(count=len(seeds)) if len(seeds) > 1 else "",
        )
        result = self._result(student, started, outcome).model_copy(
            update={"seeds": seeds, "noise": self._spread(started, reference), **outcomes.told(outcome)}
        )
        flags = self._flags(student, started, outcome, own)
        return Measured(result, "", self._notes(student, started, outcome), flags, trained, losses)

    def _solved(self, started: Started, reference: Future[Outcome]) -> Accuracy:
        """The reference's accuracy; that it has one is our business."""
        outcome = reference.result()
        if outcome.training is None:
            raise WorkerLost(f"the reference of {started.question.id} was not trained: {outcome.reason}")
        return self._accuracy(started, outcome)

    def _accuracy(self, started: Started, outcome: Outcome) -> Accuracy:
        return self._results.accuracy(outcomes.training(outcome), started.recipe)

    def _seeds(self, student: Student, started: Started, own: Accuracy, reference: Accuracy) -> tuple[SeedResult, ...]:
        """The accuracies of the first seed; where they are near a boundary of the scoring rule, of more seeds too."""
        seed = self._assignment.seeds.training
        first = SeedResult(seed=seed, network=own.mean_accuracy, reference=reference.mean_accuracy)
        if not started.recipe.graded or not statistics.near_boundary(first.network, first.reference):
            return (first,)
        try:
            theirs = [self._submit_solution(started.question, started.recipe, more) for more in MORE_SEEDS]
            mine = [self._again(student, started, more) for more in MORE_SEEDS]
            accuracies = [self._accuracy(started, future.result()).mean_accuracy for future in mine]
        except Unanswered:
            return (first,)  # it has been trained once, and that counts
        references = [self._solved(started, future).mean_accuracy for future in theirs]
        return first, *(
            SeedResult(seed=seed + more, network=a, reference=b)
            for more, a, b in zip(MORE_SEEDS, accuracies, references, strict=True)
        )

    def _again(self, student: Student, started: Started, more: int) -> Future[Outcome]:
        """The student's network from another seed, in the way that it was trained before."""
        if started.network is None:
            return self._in_worker.submit(self._train_in_worker, student, started.name, started.recipe, more)
        network = of_student(student, started.name, more)
        if network.fingerprint != started.network.fingerprint:
            raise Unanswered(Verdict.FAILED, f"{started.name} is another network when it is built again.")
        return self._train(network, started.recipe, started.name, more)

    def _spread(self, started: Started, reference: Accuracy) -> SeedNoise | None:
        """How much the seed changes of the reference, where that was to be measured."""
        means = [self._solved(started, future).mean_accuracy for future in started.references[1:]]
        means.append(reference.mean_accuracy)
        return SeedNoise(trainings=len(means), mean=fmean(means), deviation=stdev(means)) if len(means) > 1 else None

    def _flags(self, student: Student, started: Started, outcome: Outcome, own: Accuracy) -> tuple[str, ...]:
        """What the instructor should look at before the accuracy is believed."""
        name, part = started.name, self._results.part(started.recipe)
        found = honesty.head_start(name, own.initial_accuracy, own.test_images, len(part.classes))
        if outcome.probe_logits is not None:
            logits = outcomes.training(outcome).logits
            found += honesty.memorised(name, logits, outcome.probe_logits, part.test_labels)
        return found + (honesty.flags(student.network(name), name) if started.network else (BY_A_PERSON.format(name),))

    def _result(self, student: Student, started: Started, outcome: Outcome) -> ModelResult:
        rebuilt = student.network(started.name) if started.method == FROM_GRAPH else None
        subject = Subject(
            question=started.question,
            recipe_name=started.recipe_name,
            recipe=started.recipe,
            rebuilt=rebuilt,
            fingerprint=started.network.fingerprint if started.network else "",
            method=started.method,
            reason=outcomes.reason(started),
        )
        trained = ((rival, rival.outcome.result().training) for rival in started.baselines)
        beside = (Compared(rival.spec, t, rival.parameters, rival.flops) for rival, t in trained if t)
        return self._results.of(subject, outcomes.training(outcome), beside)

    def _notes(self, student: Student, started: Started, outcome: Outcome) -> tuple[str, ...]:
        if isinstance(outcome, InWorker):
            said = (f"{started.name}: {outcome.told.note}",) if outcome.told.note else ()
            return (f"{started.name} was trained in its own process: {started.reason}", *said)
        note = student.captured(started.name).note
        return (f"{started.name}: {note}",) if note else ()
