# ruff: noqa: RUF001, S311, A001, A002  # students write full-width signs; a seed is wanted; `id` is the glossary's word
"""Gradebooks as a course has them, made of the real nouns from a seed: all verdicts, any number of students."""

from __future__ import annotations

import base64
import math
import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from grader.mistakes import png
from grader.model import (
    EXPLANATION,
    Alike,
    AskedLayer,
    Baseline,
    CheckResult,
    ClassAccuracy,
    CodeLine,
    Comparison,
    Conclusion,
    Difference,
    Environment,
    Epoch,
    Gradebook,
    Isolation,
    Layer,
    Mistake,
    ModelResult,
    OwnLine,
    QuestionResult,
    Scorecard,
    SeedNoise,
    SeedResult,
    Similarity,
    Verdict,
    Visibility,
    Window,
)

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PRINTED_WEEK8 = (0.596, 0.687, 0.481, 0.496, 0.617, 0.493, 0.683, 0.665, 0.755, 0.753)
PRINTED_LENET = (0.691, 0.728, 0.449, 0.449, 0.551, 0.493, 0.796, 0.701, 0.784, 0.705)
RUBRIC = (
    "5 points: says that padding adds rows and columns and that dilation widens the window.\n"
    "3 points: names only one.\nSECRET-RUBRIC-LINE: 0 points for repeating the formula without a word about it."
)
FLAG = "LeNet: conv2d 5x5, 3 -> 6 does not start as PyTorch's layers do, from weights with a deviation of 0.067."
RUBRICS = {"q1_conv2d": RUBRIC, "q3_maxpool": RUBRIC.replace("padding", "the rectangular window")}
QUESTIONS = {
    "q1_conv2d": ("Q1 Convolution", ["stride 2", "stride and padding", "dilation", "other shapes"], 5.0),
    "q2_relu": ("Q2 ReLU", ["a 5 by 5 input", "negative zero stays zero"], 0.0),
    "q3_maxpool": ("Q3 Max pooling", ["a square window", "a rectangular window", "other shapes"], 5.0),
    "q4_avgpool": ("Q4 Average pooling", ["a square window", "a rectangular window"], 0.0),
    "q5_linear": ("Q5 Linear", ["20 features to 30", "other shapes"], 0.0),
    "q6_lenet": ("Q6 LeNet", ["has the layers of LeNet", "gives ten scores", "learns as well as the reference"], 0.0),
    "q7_efficientnet": (
        "Q7 EfficientNet",
        ["has inverted residuals", "gives ten scores", "can overfit one batch"],
        0.0,
    ),
}
WINDOWS = {
    "q1_conv2d": Window(kernel=(3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1), plane=(50, 100)),
    "q3_maxpool": Window(kernel=(3, 3), stride=(2, 2), plane=(4, 4)),
    "q4_avgpool": Window(kernel=(3, 2), stride=(2, 1), plane=(4, 4)),
}
PLANES = {  # rows and columns of the picture, elements of a cell, the output's shape, where it differs most
    "q1_conv2d": (13, 20, (2, 5), (20, 33, 26, 100), (3, 17, 8, 97)),
    "q3_maxpool": (1, 1, (1, 1), (2, 3, 1, 1), (0, 0, 0, 0)),
    "q4_avgpool": (1, 3, (1, 1), (2, 3, 1, 3), (1, 2, 0, 2)),
    "q5_linear": (2, 15, (1, 2), (2, 30), (1, 29)),
}
ANSWERS = {
    "q1_conv2d": "conv_dilation",
    "q2_relu": "relu",
    "q3_maxpool": "max_pool_square",
    "q4_avgpool": "avg_pool_rectangle",
    "q5_linear": "linear",
    "q6_lenet": "LeNet",
    "q7_efficientnet": "EfficientNet",
}
MESSAGES = {
    Verdict.PASSED: "",
    Verdict.FAILED: (
        "1,204 of 15,180 elements differ. The largest difference is {number} at [3, 17, 0, 12], allowed was 0.0001.\n"
        "Found shape (20, 33, 26, {width}), wanted (20, 33, 24, 49): floor((50 + 2*0 - 1*(3 - 1) - 1) / 2 + 1) = 24."
    ),
    Verdict.MISSING: "There is no `max_pool_rectangle`. Found: max_pool, MaxPool2. Name it as the question does.",
    Verdict.RAISED: "RuntimeError: weight of size [16, 6, 5, 5], expected input[4, 3, 28, 28] to have 6 channels.",
    Verdict.CRASHED: "The process ended with exit code 9 while `conv_padding` ran (os._exit).",
    Verdict.TIMED_OUT: "No answer within 20 seconds. The call to `relu` had not returned.",
    Verdict.OUT_OF_MEMORY: "It asked for more than the 4,096 MiB that there are.",
    Verdict.FORBIDDEN: "The answer came from the network: `CIFAR10(download=True)` is refused here.",
    Verdict.SKIPPED: "Not tried: it depends on `has the layers of LeNet`.",
    Verdict.UNGRADED: "",
    Verdict.INTERNAL: "WorkerLost: the channel closed before the reply to request 7.",
}
DETAIL = """Traceback (most recent call last):
  cell 14, line 9, in forward
    x = self.pool(F.relu(self.conv2(x)))
  cell 14, line 4, in <module>
    self.conv2 = nn.Conv2d(6, 16, 5)
"""
EXPLANATIONS = (
    "The second one has padding (4, 2), so the input grows to 58 x 104 before the window moves.\n"  # noqa: ISC004
    "The third has dilation 3, so the window covers 7 rows instead of 3.",
    "Because the kernel is different.",
    "第二個卷積層的 padding 是 (4, 2)，所以輸出比較大。第三個的 dilation 是 3，等於 kernel 變成 7。",
)
LENET_LAYERS = (
    Layer(op="conv2d 3→6, 5×5", output_shape=(6, 28, 28), parameters=456, flops=705_600),
    Layer(op="relu", output_shape=(6, 28, 28), parameters=0, flops=4_704),
    Layer(op="max_pool2d 2×2", output_shape=(6, 14, 14), parameters=0, flops=4_704),
    Layer(op="conv2d 6→16, 5×5", output_shape=(16, 10, 10), parameters=2_416, flops=480_000),
    Layer(op="relu", output_shape=(16, 10, 10), parameters=0, flops=1_600),
    Layer(op="max_pool2d 2×2", output_shape=(16, 5, 5), parameters=0, flops=1_600),
    Layer(op="linear 400→120", output_shape=(120,), parameters=48_120, flops=96_000),
    Layer(op="linear 120→84", output_shape=(84,), parameters=10_164, flops=20_160),
    Layer(op="linear 84→10", output_shape=(10,), parameters=850, flops=1_680),
)
ASKED_LAYERS = tuple(
    AskedLayer(op=layer.op.replace("max", "avg"), output_shape=layer.output_shape, also=(layer.op,))
    for layer in LENET_LAYERS
)
EFFICIENTNET_LAYERS = tuple(
    Layer(op=op, output_shape=(16 + 8 * (i // 5), 8, 8), parameters=parameters, flops=parameters * 128)
    for i, (op, parameters) in enumerate(
        [("conv2d 1×1", 1_536), ("batch_norm", 192), ("silu", 0), ("depthwise conv2d 3×3", 864), ("sigmoid gate", 0)]
        * 47
    )
)


def gradebook(students: int = 30, seed: int = 0, *, hidden: bool = True, stand_in: bool = False) -> Gradebook:
    """A class in which every verdict occurs (from eleven students on)."""
    cards = [scorecard(name, seed + i, i, hidden=hidden, stand_in=stand_in) for i, name in enumerate(names(students))]
    return book(cards)


def book(scorecards: Iterable[Scorecard]) -> Gradebook:
    """The gradebook of these scorecards."""
    cards = tuple(scorecards)
    return Gradebook(
        assignment="cnn-cifar10",
        title="CNN layers and CIFAR-10",
        scorecards=cards,
        rubrics=RUBRICS,
        similarity=similarity([c.student_id for c in cards]),
    )


def similarity(ids: Sequence[str]) -> Similarity:
    """A class in which a few of the first are alike."""
    code = ("class Net(nn.Module):", "    def forward(self, x):", "        return self.head(self.body(x) * 0.5 <b>)")
    left, right = (
        tuple(CodeLine(number=n + i + 3 * (i > 1), text=text) for i, text in enumerate(code * 8)) for n in (3, 40)
    )
    pairs = tuple(
        Alike(students=pair, share=0.94 - 0.06 * i, shingles=180 - 20 * i, left=left, right=right)
        for i, pair in enumerate(pairwise(ids[:9]))
    )
    highest = (0, 2, 9, 12, 5, 1, 0, 0, 1, 3) if pairs else (0,) * 10
    return Similarity(compared=len(ids), highest=highest, found=len(pairs) + 3 * bool(pairs), pairs=pairs)


def names(count: int) -> list[str]:
    """Student ids as they come: plain, with capitals, with blanks, Chinese, one of sixty characters."""
    special = ["Ada Lovelace", "王小明", "O'Brien-Nuñez", "b10902001", "B10902001", "x" * 60]
    return [*special, *(f"b1090{2002 + i}" for i in range(count))][:count]


def scorecard(
    name: str = "ada",
    seed: int = 0,
    index: int = 0,
    *,
    hidden: bool = True,
    stand_in: bool = False,
    models: bool = True,
) -> Scorecard:
    """One student; `index` chooses the one verdict that goes wrong first."""
    rng = random.Random(seed * 7919 + 13)
    skill = rng.betavariate(4, 1.6)
    bad = list(Verdict)[1 + index % 10]
    measured = (_lenet(rng, skill, stand_in=stand_in), _efficientnet(rng, stand_in=stand_in))
    return Scorecard(
        student_id=name,
        assignment="cnn-cifar10",
        submission_digest=f"{seed:064x}",
        questions=tuple(_question(id, rng, skill, bad, hidden=hidden) for id in QUESTIONS),
        models=measured if models else (),
        isolation=Isolation(level=4, name="namespaces, Landlock and seccomp", verified=True, reason="all probes held"),
        environment=environment(stand_in=stand_in),
        notes=("The class `Net` was taken for LeNet: it is the only one that fits.",) if index % 9 == 4 else (),
        flags=(FLAG,) if index % 9 == 5 and models else (),
        output="Epoch 1: 100%|#####| 157/157\nloss 1.934\n" * 3 if index % 3 else "",
        seconds=41.5 + index,
    )


def environment(*, stand_in: bool = False) -> Environment:
    """Where the grading ran."""
    return Environment(
        grader="0.1.0",
        python="3.11.9",
        torch="2.15.0",
        torchvision="0.30.0",
        numpy="2.3.1",
        platform="Linux x86_64",
        device="cpu (AMD EPYC 9354)",
        seed=0,
        recipe="cpu-full",
        data_name="stand-in" if stand_in else "CIFAR-10, 1,000 + 200 images of each class",
        data_digest="5e1d" * 16,
        stand_in=stand_in,
        assignment_digest="a55e" * 16,
    )


def check(verdict: Verdict, title: str = "stride 2", points: float = 2.0, **fields: object) -> CheckResult:
    """One check that ended so."""
    values: dict[str, object] = {"id": "test_" + title.replace(" ", "_"), "visibility": Visibility.PUBLIC, **fields}
    reached = points if verdict is Verdict.PASSED else 0.0
    return CheckResult.model_validate(
        {"title": title, "verdict": verdict, "points": reached, "max_points": points, **values}
    )


def failing(name: str, *verdicts: Verdict) -> Scorecard:
    """A student whose only question ended in these verdicts."""
    checks = tuple(check(v, f"check {i}", message=MESSAGES[v]) for i, v in enumerate(verdicts))
    question = QuestionResult(id="q1_conv2d", title="Q1 Convolution", checks=checks)
    return scorecard(name, models=False).model_copy(update={"questions": (question,)})


def model(
    name: str, title: str, accuracies: Iterable[float], baselines: Iterable[Baseline] = (), **fields: object
) -> ModelResult:
    """A measured network with 200 test images of each class."""
    classes = class_accuracies(accuracies)
    values: dict[str, object] = {
        "question": name,
        "title": title,
        "parameters": 62_006,
        "flops": 1_316_048,
        "classes": classes,
        "baselines": tuple(baselines),
        "curve": tuple(Epoch(loss=2.3 * 0.88**e, accuracy=0.62 - 0.5 * 0.8**e) for e in range(15)),
        "confusion": _confusion(classes),
        "layers": LENET_LAYERS,
        "asked_layers": ASKED_LAYERS,
        "method": "trained from the graph",
        "reason": "the network was captured whole and rebuilt without running the submitted file again",
        "recipe": "cpu-full: 15 epochs, batch 64, SGD, learning rate 0.03",
        "seed": 0,
        "train_images": 10_000,
        "test_images": 2_000,
        "seconds": 27.4,
        "device": "cpu",
        "data_name": "CIFAR-10",
        "stand_in": False,
        "graded": True,
        "fingerprint": "9f86d081884c7d65" * 4,
        "mistakes": mistakes(),
    }
    return ModelResult.model_validate({**values, **fields})


def mistakes() -> tuple[Mistake, ...]:
    """As many wrong answers as are shown; this much noise makes a picture as large as a photograph of CIFAR-10."""
    rng = random.Random(0)
    pictures = (png(bytes(b % 56 for b in rng.randbytes(3 * 32 * 32)), 32, 32) for _ in CLASSES)
    return tuple(
        Mistake(label=a, predicted=b, confidence=0.97 - i / 20, image=base64.b64encode(picture).decode())
        for i, (a, b, picture) in enumerate(zip(CLASSES, CLASSES[1:] + CLASSES[:1], pictures, strict=True))
    )


def class_accuracies(accuracies: Iterable[float], total: int = 200) -> tuple[ClassAccuracy, ...]:
    """The accuracies with their Wilson intervals."""
    counts = zip(CLASSES, (round(a * total) for a in accuracies), strict=True)
    return tuple(
        ClassAccuracy(name=n, correct=c, total=total, low=_wilson(c, total, -1), high=_wilson(c, total, 1))
        for n, c in counts
    )


def baseline(
    id: str, title: str, own: Iterable[float], accuracies: Iterable[float], printed: tuple[float, ...]
) -> Baseline:
    """A baseline with its paired comparison to the student's accuracies."""
    theirs = list(accuracies)
    pairs = list(zip(CLASSES, own, theirs, strict=True))
    mean = sum(a - b for _, a, b in pairs) / len(pairs)
    return Baseline(
        id=id,
        title=title,
        classes=class_accuracies(theirs),
        parameters=62_006,
        flops=1_316_048,
        comparisons=tuple(_comparison(n, a - b, 0.07) for n, a, b in pairs),
        overall=_comparison("overall", mean, 0.02),
        printed=printed,
    )


def _question(id: str, rng: random.Random, skill: float, bad: Verdict, *, hidden: bool) -> QuestionResult:
    title, titles, explanation_points = QUESTIONS[id]
    checks = []
    for i, name in enumerate(titles):
        verdict = Verdict.PASSED if rng.random() < 0.35 + 0.65 * skill else bad
        if verdict is Verdict.UNGRADED:
            verdict = Verdict.FAILED
        message = (
            MESSAGES[verdict]
            .replace("{number}", f"{rng.random():.4f}")
            .replace("{width}", str(rng.choice((98, 98, 97))))
        )
        visibility = Visibility.HIDDEN if hidden and i == len(titles) - 1 else Visibility.PUBLIC
        detail = DETAIL if verdict in (Verdict.RAISED, Verdict.FAILED) else ""
        line = OwnLine(place="submission.ipynb, cell 14", number=4, text="self.conv2 = nn.Conv2d(6, 16, 5)")
        more = {
            "answer": ANSWERS[id],
            "line": line,
            "window": WINDOWS.get(id),
            "difference": differences(id, i, visibility),
        }
        shown: dict[str, Any] = more if verdict is Verdict.FAILED else {}
        checks.append(
            check(verdict, name, visibility=visibility, message=message, detail=detail, seconds=0.02, **shown)
        )
    explanation = None
    if explanation_points:
        explanation = rng.choice(EXPLANATIONS)
        checks.append(check(Verdict.UNGRADED, "the explanation", explanation_points, id=EXPLANATION))
    source = (
        f"{ANSWERS[id]}: {ANSWERS[id]} was found under its own name (cell 14, line 9)",
        *(f"cell {n}, line 1: left out, because it only prints: print(x{n}.shape)" for n in range(2, 6)),
    )
    return QuestionResult(id=id, title=title, checks=tuple(checks), explanation=explanation, source=source)


def differences(id: str, index: int, visibility: Visibility) -> Difference:
    """Where the answer to a question differs: by turns in the shape and in the numbers."""
    if index % 2 == 0 and id in WINDOWS:
        wanted = PLANES[id][3]
        return Difference(found_shape=(*wanted[:-1], wanted[-1] + 2), wanted_shape=wanted)
    rows, columns, cell, shape, place = PLANES.get(id, (5, 5, (1, 1), (5, 5), (1, 4)))
    tenths = tuple(
        "".join(str((7 * r * r + 3 * c) % 10 if (r + c) % 3 else 0) for c in range(columns)) for r in range(rows)
    )
    largest = None if visibility is Visibility.HIDDEN else 0.375
    return Difference(found_shape=shape, wanted_shape=shape, index=place, largest=largest, tenths=tenths, cell=cell)


def _lenet(rng: random.Random, skill: float, *, stand_in: bool) -> ModelResult:
    own = [min(0.95, max(0.05, p - 0.04 + (skill - 0.7) * 0.2 + rng.gauss(0, 0.03))) for p in PRINTED_LENET]
    week8 = [p - 0.03 for p in PRINTED_WEEK8]
    baselines = [baseline("week8", "week 8 network", own, week8, PRINTED_WEEK8)]
    name = "drawn stand-in" if stand_in else "CIFAR-10"
    padded = rng.random() < 0.3
    layers = tuple(
        layer.model_copy(update={"op": f"{layer.op}, padding 2", "output_shape": (6, 32, 32)})
        if padded and i == 0
        else layer
        for i, layer in enumerate(LENET_LAYERS)
    )
    mean = sum(own) / len(own)
    seeds = tuple(SeedResult(seed=s, network=mean, reference=0.606) for s in range(3 if 0.56 < mean < 0.59 else 1))
    return model(
        "q6_lenet",
        "LeNet",
        own,
        baselines,
        stand_in=stand_in,
        data_name=name,
        seeds=seeds,
        noise=SeedNoise(trainings=3, mean=0.606, deviation=0.0045),
        layers=layers,
        fingerprint=f"{rng.getrandbits(256):064x}",
        parameters=rng.choice((62_006, 62_006, 61_706, 83_126)),
    )


def _efficientnet(rng: random.Random, *, stand_in: bool) -> ModelResult:
    own = [max(0.03, 0.26 + rng.gauss(0, 0.07)) for _ in CLASSES]
    baselines = [
        baseline("week8", "week 8 network", own, [p - 0.03 for p in PRINTED_WEEK8], ()),
        baseline("lenet", "your own LeNet", own, [p - rng.random() / 20 for p in PRINTED_LENET], PRINTED_LENET),
    ]
    shape = {
        "parameters": 4_020_358,
        "flops": 47_000_000,
        "fingerprint": f"{rng.getrandbits(256):064x}",
        "layers": EFFICIENTNET_LAYERS,
        "asked_layers": (),
        "asked_parts": {"depthwise conv2d": 16, "conv2d": 65, "batch_norm": 49, "silu": 47},
        "graded": False,
        "stand_in": stand_in,
    }
    return model("q7_efficientnet", "EfficientNet", own, baselines, seconds=144.0, **shape)


def _comparison(name: str, difference: float, half: float) -> Comparison:
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    conclusion = Conclusion.BETTER if low > 0 else Conclusion.WORSE if high < 0 else Conclusion.UNCLEAR
    return Comparison(name=name, difference=difference, low=low, high=high, p_value=0.2, conclusion=conclusion)


def _wilson(correct: int, total: int, side: int) -> float:
    z, p = 1.959964, correct / total
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return min(1.0, max(0.0, (p + z * z / (2 * total) + side * half) / (1 + z * z / total)))


def _confusion(classes: tuple[ClassAccuracy, ...]) -> tuple[tuple[int, ...], ...]:
    """Rows that add up to each class's images; what is wrong goes to the neighbours."""
    rows = []
    for i, one in enumerate(classes):
        row = [0] * len(classes)
        row[i] = one.correct
        wrong = one.total - one.correct
        for step, part in ((1, 3), (2, 4), (5, 6)):
            row[(i + step) % len(classes)] = wrong // part
        row[(i + 3) % len(classes)] += one.total - sum(row)
        rows.append(tuple(row))
    return tuple(rows)
