"""The training loop. Runs beside student code as well as in the trainer: the standard library, torch, recipe, scores.

Theory of operation. All images stay in memory as bytes, channels innermost. A step draws three numbers per image (which
image, vertical shift, horizontal shift and side); one gather with reflected coordinates then makes the augmented
batch, which is scaled to mean 0 and deviation 1 on the way to float. Nothing is decoded, copied or handed between
processes in the loop, and the loss stays on the device until the end of an epoch. On a GPU the whole step, augmentation
and optimiser included, is recorded once as a CUDA graph and replayed.

All randomness comes from the seed. With one thread on one kind of processor, equal arguments give equal bits.
"""

from grader.training.loop import RECENT, Diverged, Training, known_by_heart, overfit_batch, recent, train

__all__ = ["RECENT", "Diverged", "Training", "known_by_heart", "overfit_batch", "recent", "train"]
