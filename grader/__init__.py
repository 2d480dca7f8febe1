"""torchgrader: automated grading of deep-learning assignments."""

__version__ = "0.1.0"
