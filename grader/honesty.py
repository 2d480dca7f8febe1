"""Is a network what it seems to be? Sentences for the instructor, who looks and decides; never points, never a verdict.

Trusted side. Theory of operation. A network is handed in untrained, so before training it must guess, its layers must
start from the distributions that people start from, and what it holds beside its layers' weights must be small. What
knows the public test images by heart can hide its table until it has been trained, but it does not know their mirror
images: a secretly transformed copy of some test images (mirrored, shifted by one pixel) is scored beside them, and an
honest network, which is trained on such images, hardly notices. Each of these can have a harmless reason, and a patient
forger can pass all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.graph.layers import describe
from grader.graph.rebuild import Network
from grader.graph.steps import Step

PROBES = 500  # a drop of 10 points among so many is four standard deviations
DROP = 0.10
SIGMAS = 5.0  # of a moment's own deviation: a network has a hundred layers, a class a hundred networks
SLACK = 0.02  # initialisations that are all but the usual ones, and rounding
SMALL = 16  # numbers below which a deviation says nothing
FIXED_BYTES = 16 << 10  # the labels of 10,000 test images fit in 4 KiB, hardly with what finds them again in 16
LOOSE_BYTES = 256 << 10
SHOWN = 3
LAYERS = frozenset({"conv1d", "conv2d", "linear"})
NORMS = frozenset({"batch_norm", "group_norm", "layer_norm", "instance_norm"})


def flags(network: Network, name: str) -> tuple[str, ...]:
    """What is unusual about a network before it is trained. `network` has the weights that it was handed in with."""
    return (*_weights(network, name), *_tables(network, name))


# --- before training ------------------------------------------------------------------------------------------------


def head_start(name: str, accuracy: float, images: int, classes: int) -> tuple[str, ...]:
    """An accuracy before training (0 to 1) above chance. Of 180 networks fresh from their constructors, which answer
    one class for most images, none was above 1.5 times chance; few test images blur that.
    """
    chance = 1 / classes
    usual = min(1.0, 1.5 * chance)
    if accuracy <= usual + 3 * math.sqrt(usual * (1 - usual) / images):
        return ()
    found = f"{name} recognises {accuracy:.1%} of {images} test images before any training; chance is {chance:.0%}."
    return (f"{found} Were its weights trained before?",)


@dataclass(frozen=True)
class Moments:
    """A tensor's mean, deviation and kurtosis (3 for a normal distribution, 1.8 for a uniform one), of `n` numbers."""

    n: int
    mean: float
    deviation: float
    kurtosis: float


def moments(tensor: Tensor) -> Moments:
    """The moments of all its numbers."""
    x = tensor.detach().double().flatten()
    mean = x.mean()
    variance = (x - mean).square().mean()
    fourth = (x - mean).pow(4).mean()
    kurtosis = float(fourth / variance.square()) if variance > 0 else 0.0
    return Moments(x.numel(), float(mean), float(variance.sqrt()), kurtosis)


def _weights(network: Network, name: str) -> Iterator[str]:
    """Layers that do not start as layers usually do."""
    tensors, kinds = network.named_tensors(), network.kinds
    odd = [text for step in network.steps for text in _step(step, tensors, kinds)]
    if odd:
        more = f"; and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        yield (
            f"{name} does not start from the weights that such layers usually start from: "
            f"{'; '.join(odd[:SHOWN])}{more}. Were they trained before, or set on purpose?"
        )


def _step(step: Step, tensors: Mapping[str, Tensor], kinds: Mapping[str, str]) -> Iterator[str]:
    """What is unusual about one layer's tensors."""
    if step.op in LAYERS and step.tensors:
        yield from _layer(step, [tensors[t] for t in step.tensors])
    elif step.op in NORMS:
        statistics = [tensors[t] for t in step.tensors if kinds[t] in ("buffer", "constant")]
        learnt = [tensors[t] for t in step.tensors if kinds[t] in ("parameter", "frozen")]
        yield from _norm(step, [*zip(LEARNT, learnt, strict=False), *zip(STATISTICS, statistics, strict=False)])


def _layer(step: Step, held: list[Tensor]) -> Iterator[str]:
    weight, *rest = held
    if weight.ndim < 2 or weight.numel() < SMALL or not weight.any():  # a last layer of zeros is customary too
        return
    found, usual = moments(weight), sorted(_usual_deviations(weight, step.arguments.get("groups", 1)))
    if not (_random(found) and any(_close(found, d) for d in usual)):
        yield (
            f"{describe(step)} has weights with mean {found.mean:.2g}, deviation {found.deviation:.2g} and kurtosis "
            f"{found.kurtosis:.1f}, where a deviation of {usual[0]:.2g} to {usual[-1]:.2g} is usual"
        )
    for bias in rest:
        if not _usual_bias(bias, weight):
            yield f"{describe(step)} has biases of up to {float(bias.abs().max()):.2g}"


def _usual_deviations(weight: Tensor, groups: int) -> set[float]:
    """Of torch's default (kaiming_uniform, a = sqrt 5), kaiming, xavier, LeCun, and the customary fixed ones."""
    field = weight[0, 0].numel()
    into, out = weight.shape[1] * field, weight.shape[0] * field
    fans = (into, out, max(1, out // groups))  # torch's fan_out ignores groups; EfficientNet's authors do not
    variances = [gain / fan for fan in fans for gain in (1 / 3, 1, 2)]
    variances += [gain / (into + out) for gain in (2, 4)]
    return {*map(math.sqrt, variances), 0.01, 0.02}


def _random(found: Moments) -> bool:
    """Whether the numbers lie round 0 as a uniform, normal or truncated normal distribution has them."""
    off_centre = abs(found.mean) > SIGMAS * found.deviation / math.sqrt(found.n)
    blur = SIGMAS * math.sqrt(24 / found.n)
    return not off_centre and 1.8 - blur <= found.kurtosis <= 3 + blur


def _close(found: Moments, deviation: float) -> bool:
    """Whether a sample with this deviation is likely to be from a normal distribution with that one."""
    return abs(found.deviation - deviation) <= deviation * (SLACK + SIGMAS * math.sqrt(0.5 / found.n))


def _usual_bias(bias: Tensor, weight: Tensor) -> bool:
    """Constant, within torch's default bounds, or as narrow as the customary normal distributions."""
    bound = 1 / math.sqrt(max(1, weight[0].numel()))
    found = moments(bias)
    return found.deviation <= 1e-7 or float(bias.abs().max()) <= max(bound, 0.02 * SIGMAS) * (1 + 1e-4)


def _norm(step: Step, held: list[tuple[str, Tensor]]) -> Iterator[str]:
    """A normalisation scales by one number, shifts by 0 and has seen no image."""
    for role, tensor in held:
        if not FRESH[role](tensor.double()):
            yield f"{describe(step)} starts with a {role} of {float(tensor.double().mean()):.2g} on average"


LEARNT = ("weight", "bias")
STATISTICS = ("running mean", "running variance")
FRESH: Mapping[str, Callable[[Tensor], bool]] = MappingProxyType(
    {  # a weight is 1, or 0 at the end of a residual block, or 1 +- 0.02 as GANs have it
        "weight": lambda t: bool(t.max() == t.min()) or float((t - 1).abs().max()) <= 0.02 * SIGMAS,
        "bias": lambda t: float(t.abs().max()) <= 0.02 * SIGMAS,
        "running mean": lambda t: float(t.abs().max()) <= 1e-6,
        "running variance": lambda t: float((t - 1).abs().max()) <= 1e-6,
    }
)


def _tables(network: Network, name: str) -> Iterator[str]:
    """Numbers that no layer explains: room for a table."""
    held, kinds = network.named_tensors(), network.kinds
    layers = {t for s in network.steps if s.op in LAYERS | NORMS for t in s.tensors}
    norms = {t for s in network.steps if s.op in NORMS for t in s.tensors}
    fixed = [t for n, t in held.items() if kinds[n] != "parameter" and n not in norms]
    loose = [t for n, t in held.items() if kinds[n] == "parameter" and n not in layers]
    for tensors, limit, what in ((fixed, FIXED_BYTES, "are not trained"), (loose, LOOSE_BYTES, "belong to no layer")):
        size = sum(t.numel() * t.element_size() for t in tensors)
        if size > limit:
            yield (
                f"{name} holds {sum(t.numel() for t in tensors):,} numbers ({size >> 10:,} KiB) that {what}; more than "
                f"{limit >> 10} KiB is unusual. What are they for?"
            )


# --- after training -------------------------------------------------------------------------------------------------


def transformed(images: Tensor, seed: int) -> Tensor:
    """Copies (P, C, H, W) of up to PROBES of the images, evenly spread: each mirrored, shifted by a pixel, or both."""
    chosen = images[probed(len(images))]
    generator = torch.Generator().manual_seed(seed)
    moves = torch.randint(1, 18, (len(chosen),), generator=generator).tolist()  # 0 would be the image itself
    return torch.stack([_moved(image, move) for image, move in zip(chosen, moves, strict=True)])


def with_copies(images: Tensor, seed: int | None) -> Tensor:
    """The images, followed by their transformed copies; without a seed just the images."""
    return images if seed is None else torch.cat([images, transformed(images, seed)])


def _moved(image: Tensor, move: int) -> Tensor:
    """One of 2 x 9 sides and shifts of an image (C, H, W) of bytes, reflected at the borders."""
    mirror, shift = divmod(move, 9)
    down, across = divmod((shift + 4) % 9, 3)
    height, width = image.shape[1:]
    padded = F.pad(image[None].float(), (1, 1, 1, 1), mode="reflect")[0].to(image.dtype)
    found = padded[:, down : down + height, across : across + width]
    return found.flip(2) if mirror else found


def probed(count: int) -> Tensor:
    """The places of the images that are transformed."""
    step = max(1, -(-count // PROBES))
    return torch.arange(0, count, step)


def memorised(name: str, logits: Tensor, probe_logits: Tensor, labels: Tensor) -> tuple[str, ...]:
    """A trained network that recognises the test images much better than their transformed copies.

    `logits`: (N, classes) of the test images; `probe_logits`: (P, classes) of `transformed`; `labels`: (N,).
    """
    places = probed(len(labels))
    plain = logits[places].argmax(1) == labels[places]
    moved = probe_logits.argmax(1) == labels[places]
    before, after = float(plain.double().mean()), float(moved.double().mean())
    changed = int((plain != moved).sum())
    if before - after <= DROP + 3 * math.sqrt(changed) / len(places):
        return ()
    found = f"{name} recognises {before:.1%} of {len(places)} test images, but only {after:.1%} of the same images"
    return (f"{found} mirrored or shifted by a pixel. Does it hold a table of the test set?",)
