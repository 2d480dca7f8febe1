"""Accuracies that notebooks printed are read from their outputs, and from nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grader.judge import printed
from grader.model import Claim, File
from tests.read import SPEC


def notebook(*cells: tuple[str, str], **more: Any) -> File:
    """Cells of code with what they printed."""
    made = [
        {"cell_type": "code", "source": code, "outputs": [{"output_type": "stream", "text": text.splitlines(True)}]}
        for code, text in cells
    ]
    return File("submission.ipynb", json.dumps({"cells": made, **more}).encode())


def said(line: str) -> list[tuple[str, float]]:
    return [(c.name, c.fraction) for c in printed.claims([notebook(("", line))], SPEC)]


@pytest.mark.parametrize(
    ("line", "claim"),
    [
        ("Accuracy for class: plane is 59.6 %", ("plane", 0.596)),
        ("Accuracy for class plane is: 59.6 %", ("plane", 0.596)),
        ("Accuracy of plane : 59 %", ("plane", 0.59)),
        ("Accuracy of  ship : 75 %", ("ship", 0.75)),
        ("accuracy of 'car' = 0.687", ("car", 0.687)),
        ("Accuracy for class: airplane is 59.6 %", ("plane", 0.596)),
        ("Accuracy of Automobile : 59 %", ("car", 0.59)),
        ("Accuracy for class: 飛機 is 59.6 %", ("plane", 0.596)),
        ("Accuracy of zebra : 59 %", ("zebra", 0.59)),
        ("Accuracy of the network on the 10000 test images: 55 %", ("", 0.55)),
        ("Accuracy of the network on the 10,000 test images: 55.25 %", ("", 0.5525)),
        ("Accuracy of the model on test images: 63.50%", ("", 0.635)),
        ("Test accuracy: 0.6123", ("", 0.6123)),
        ("Test Accuracy = 61.23%", ("", 0.6123)),
        ("準確率: 61.2%", ("", 0.612)),
    ],
)
def test_an_accuracy_is_read_however_it_is_printed(line: str, claim: tuple[str, float]) -> None:
    assert said(f"before\n{line}\nafter") == [claim]


@pytest.mark.parametrize(
    "line",
    [
        "Epoch 3: loss 1.2, accuracy 45 %",
        "Training accuracy: 99 %",
        "accuracy",
        "Accuracy of plane : 590 %",
        "[1,  2000] loss: 2.2",
        "print('Accuracy of plane')",
        "Accuracy for class: plane is high",
    ],
)
def test_what_is_no_accuracy_on_test_images_is_no_claim(line: str) -> None:
    assert said(line) == []


def test_a_claim_goes_to_the_network_that_was_made_last() -> None:
    line = "Accuracy for class: cat is 50 %"
    book = notebook(
        ("class Net(nn.Module): pass\nclass LeNet(nn.Module): pass", ""),
        ("net = LeNet()", ""),
        ("test(net)", line),
        ("net = EfficientNetB0()\ntest(net)", line),
    )
    found = [(c.cell, c.question) for c in printed.claims([book], SPEC)]
    assert found == [(3, "q6_lenet"), (4, "q7_efficientnet")]


def test_code_that_would_print_an_accuracy_claims_nothing() -> None:
    assert printed.claims([notebook(("print('Accuracy of cat : 50 %')", ""))], SPEC) == ()
    assert printed.claims([File("submission.py", b"# Accuracy of cat : 50 %")], SPEC) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"cells": [1, {"cell_type": "code", "outputs": [7, {"text": 3}]}]}',
        b"\xff\xfe",
    ],
)
def test_what_cannot_be_read_claims_nothing(data: bytes) -> None:
    assert printed.claims([File("a.ipynb", data)], SPEC) == ()


def test_the_claims_of_one_submission_are_capped() -> None:
    assert len(printed.claims([notebook(("", "Accuracy of cat : 50 %\n" * 1000))], SPEC)) == printed.MOST


def test_format_3_is_read_and_an_image_is_no_text() -> None:
    outputs = [{"png": "x" * 1000}, {"text": "Accuracy of cat : 50 %"}]
    sheet = {"cells": [{"cell_type": "code", "input": "LeNet()", "outputs": outputs}]}
    found = printed.claims([File("a.ipynb", json.dumps({"worksheets": [sheet]}).encode())], SPEC)
    assert found == (Claim(question="q6_lenet", file="a.ipynb", cell=1, name="cat", fraction=0.5),)
