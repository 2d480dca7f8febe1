"""The reference's networks are written down once, and kept beside the trainings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from grader import assignment
from grader.data import load_tensors, save_tensors
from grader.graph.capture import Captured
from grader.measurement.networks import Networks
from grader.reference import Reference
from grader.trainer import CapturedNetwork

ROOT = Path(__file__).resolve().parent.parent
Ask = Callable[..., tuple[CapturedNetwork, int]]


class Counting(Reference):
    """A reference that counts how often its networks are written down."""

    asked = 0

    def captured(self, file: str, name: str, more: int = 0) -> Captured:
        self.asked += 1
        return super().captured(file, name, more)


SOLUTIONS = ROOT / "reference" / "cnn-cifar10"


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """The week-8 network as a grading asks for it, and how often it had to be written down."""
    spec = assignment.load(ROOT / "assignments" / "cnn-cifar10")

    def ask(folder: Path = SOLUTIONS) -> tuple[CapturedNetwork, int]:
        reference = Counting(folder, spec)
        return Networks(spec, reference, tmp_path).of_reference("week8_net", "Net"), reference.asked

    return ask


def add_one(path: Path) -> None:
    tensors, note = load_tensors(path)
    save_tensors(path, {name: tensor + 1 for name, tensor in tensors.items()}, note)


@pytest.mark.slow
def test_a_network_that_was_kept_is_the_one_that_was_written_down(ask: Ask):
    (made, asked), (kept, asked_again) = ask(), ask()
    assert (asked, asked_again) == (1, 0)
    assert (kept.ir, kept.fingerprint, kept.weights_digest) == (made.ir, made.fingerprint, made.weights_digest)
    assert kept.tensors.keys() == made.tensors.keys()
    assert all(torch.equal(kept.tensors[name], made.tensors[name]) for name in made.tensors)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(b"{}"), lambda path: path.unlink(), add_one])
def test_what_is_not_a_whole_network_is_written_down_again(ask: Ask, tmp_path: Path, harm: Callable[[Path], None]):
    made, _ = ask()
    (path,) = tmp_path.iterdir()
    harm(path)
    again, asked = ask()
    assert asked == 1
    assert all(torch.equal(again.tensors[name], made.tensors[name]) for name in made.tensors)


@pytest.mark.slow
def test_solutions_that_are_unpacked_elsewhere_for_each_job_are_the_same(
    ask: Ask, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    ask()
    elsewhere = shutil.copytree(SOLUTIONS, tmp_path_factory.mktemp("job") / "reference")
    assert ask(elsewhere)[1] == 0
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_a_network_takes_the_place_of_what_it_was_before(ask: Ask, tmp_path: Path):
    ask()
    (path,) = tmp_path.iterdir()
    path.rename(path.with_name(f"{path.name.partition('.')[0]}.{'0' * 32}.safetensors"))  # of an older engine
    other = tmp_path / f"{'0' * 64}.safetensors"  # a training
    other.touch()
    assert ask()[1] == 1
    assert sorted(tmp_path.iterdir()) == sorted([path, other])
