"""A network with what it learns from: one step of it, and the scores that it gives. A GPU's step is recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader import scores
from grader.recipe import Recipe
from grader.training.descent import Descent
from grader.training.pictures import Pictures

EVALUATION_BATCH = 250  # larger batches leave the processor's cache; a GPU is filled by it all the same
WARM_STEPS = 3  # what PyTorch asks for before a CUDA graph is recorded

Step = Callable[[Tensor], None]
"""One training step on the images drawn for it, (3, B)."""


@dataclass(frozen=True, eq=False)
class Learner:
    """A network with what it learns from. `tally` is the summed loss and how many images were recognised.

    Between a LeNet's kernels everything is out of the processor's cache, Python too: what `learn` leaves out counts for
    several times what it takes by itself.
    """

    model: nn.Module
    pictures: Pictures
    recipe: Recipe
    optimizer: torch.optim.Optimizer | Descent
    chunk: int
    tally: Tensor  # (2,) float64
    loss: Tensor  # the first of the two
    right: Tensor
    classes: int

    def learn(self, draw: Tensor) -> None:
        """One optimiser step. A network with a fixed batch sees it in chunks, whose gradients add up to the batch's."""
        images, labels = self.pictures.batch(draw)
        for parameter in self.optimizer.param_groups[0]["params"]:
            parameter.grad = None
        for i in range(0, len(labels), self.chunk):
            y = labels[i : i + self.chunk]
            scores = self.scores(images[i : i + self.chunk])
            loss = F.cross_entropy(scores, y, label_smoothing=self.recipe.label_smoothing, reduction="sum")
            (loss / len(labels)).backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            self.loss.add_(loss.detach())
            self.right.add_((scores.argmax(1) == y).sum())
        self.optimizer.step()

    def scores(self, images: Tensor) -> Tensor:
        """The network's scores, (B, C) float32."""
        if self.recipe.precision == "float32":
            output = self.model(images)
        else:  # a recorded step must not use weights that were rounded outside it, hence no cache
            with torch.autocast(images.device.type, torch.bfloat16, cache_enabled=False):
                output = self.model(images)
        if isinstance(output, Tensor):
            return output.float()
        if (found := scores.find(output, self.classes)) is None:
            raise ValueError(f"the network returns {type(output).__name__}, not a tensor of scores")
        return found.tensor.float()

    def evaluate(self, images: Tensor, static_batch: int | None) -> Tensor:
        """Scores of all `images` in eval mode, on the CPU; a network with a fixed batch gets its last one filled up."""
        size = static_batch or EVALUATION_BATCH
        self.model.eval()
        found = []
        with torch.no_grad():  # not inference_mode: what a network keeps from here must not spoil its training
            for i in range(0, len(images), size):
                part = images[i : i + size].permute(0, 2, 3, 1).to(self.tally.device)
                whole = torch.cat([part, part[-1:].expand(size - len(part), -1, -1, -1)]) if static_batch else part
                found.append(self.scores(self.pictures.scaled(whole))[: len(part)])
        return torch.cat(found).cpu()

    def recorded(self, batch: int) -> Step:
        """`learn` as one CUDA graph; `learn` itself when it cannot be recorded. The network is left as it was."""
        self.model.train()
        before = {name: value.clone() for name, value in self.model.state_dict().items()}
        draw = torch.zeros(3, batch, dtype=torch.int64, device=self.tally.device)
        step = _graph(self.learn, draw)
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                value.copy_(before[name])
            for state in getattr(self.optimizer, "state", {}).values():
                for value in state.values():
                    value.zero_()
        return step


def learner_of(model: nn.Module, pictures: Pictures, recipe: Recipe, chunk: int) -> Learner:
    """A network made ready to learn; `chunk`: how many images it sees at once."""
    device = pictures.labels.device
    model.to(device=device, memory_format=pictures.order)  # type: ignore[call-overload]  # the stubs lack this pair
    tally = torch.zeros(2, dtype=torch.float64, device=device)
    classes = int(pictures.labels.max()) + 1
    optimizer = _optimizer(model, recipe, device)
    return Learner(model, pictures, recipe, optimizer, chunk, tally, tally[0], tally[1], classes)


def _optimizer(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer | Descent:
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the network has no parameters to train")
    gpu = device.type == "cuda"
    rate = torch.tensor(recipe.learning_rate, device=device) if gpu else recipe.learning_rate
    decay, momentum = recipe.weight_decay, recipe.momentum
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True, capturable=gpu)
    if not gpu:
        return Descent(parameters, recipe)
    nesterov = momentum > 0
    return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def _graph(learn: Step, example: Tensor) -> Step:
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch gives it no types
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_STEPS):
            learn(example)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            learn(example)
    except RuntimeError:  # the network asks the device for a value in the middle of its forward
        torch.cuda.synchronize()
        return learn

    def replay(draw: Tensor) -> None:
        example.copy_(draw)
        graph.replay()

    return replay
