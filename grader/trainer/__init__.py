"""The trainer: trains networks in processes of its own, each distinct one once, and remembers the results.

Theory of operation. A job is one network, a recipe and a seed. Its key is a digest of all that the result depends on:
the network's canonical form and initial weights, recipe, data, seed, torch, and the kind of processor. Equal keys give
equal bits, so a job whose key is in the cache, or in work, is not done again.

Each process holds the data set, has one thread, and does one job at a time. It gets a wire message and answers with
lines of JSON; what it has trained it writes to the cache, whole or not at all, and the trainer reads it there. Nothing
is pickled after the start. A job that takes too long is killed with its process, a process that dies is replaced, and
the jobs beside it notice nothing. Processes are started fresh, never forked from one that has threads, and end when
the process that started them ends.

Where several judges work on a class, they share one pool of training processes (pool.py), and each has a place at it.
"""

from grader.trainer.job import CapturedNetwork, Job, Outcome, PythonNetwork, captured
from grader.trainer.place import Place
from grader.trainer.process import Progress
from grader.trainer.queue import Counts, Trainer

__all__ = ["CapturedNetwork", "Counts", "Job", "Outcome", "Place", "Progress", "PythonNetwork", "Trainer", "captured"]
