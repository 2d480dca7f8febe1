"""The nouns: what a grading takes in and gives out. No torch, no files.

Everything here is frozen. Totals are computed from the parts, never stored beside them.
The JSON form of Scorecard is published as docs/scorecard.schema.json.
"""

from grader.model.gradebook import Alike, CodeLine, Gradebook, Similarity
from grader.model.networks import (
    AskedLayer,
    Baseline,
    Claim,
    ClassAccuracy,
    Comparison,
    Conclusion,
    Epoch,
    Layer,
    Mistake,
    ModelResult,
    SeedNoise,
    SeedResult,
    mean_accuracy,
)
from grader.model.questions import EXPLANATION, CheckResult, Difference, Mark, OwnLine, QuestionResult, Window
from grader.model.scorecard import COMPUTED, Attempt, Environment, Isolation, Judged, Scorecard
from grader.model.submission import File, Lateness, Submission
from grader.model.values import Fault, Margins, Points, Sizes, Value, Verdict, Visibility

__all__ = [
    "COMPUTED",
    "EXPLANATION",
    "Alike",
    "AskedLayer",
    "Attempt",
    "Baseline",
    "CheckResult",
    "Claim",
    "ClassAccuracy",
    "CodeLine",
    "Comparison",
    "Conclusion",
    "Difference",
    "Environment",
    "Epoch",
    "Fault",
    "File",
    "Gradebook",
    "Isolation",
    "Judged",
    "Lateness",
    "Layer",
    "Margins",
    "Mark",
    "Mistake",
    "ModelResult",
    "OwnLine",
    "Points",
    "QuestionResult",
    "Scorecard",
    "SeedNoise",
    "SeedResult",
    "Similarity",
    "Sizes",
    "Submission",
    "Value",
    "Verdict",
    "Visibility",
    "Window",
    "mean_accuracy",
]
