"""Recipe: how a network is trained. Standard library only: it is used beside student code as well as by the judge."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Recipe:
    """A fixed way to train, so that two networks differ in nothing but themselves.

    Images are taken per class (None: all there are). The learning rate rises linearly over the first `warmup`
    fraction of the steps and falls linearly to 0. `shift` is the greatest reflected shift in pixels. `graded` is False
    where the accuracy is too far from converged to be worth points and is only shown.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"strict": True, "extra": "forbid"}

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.2
    label_smoothing: float = 0.0
    flip: bool = True
    shift: int = 2
    train_per_class: int | None = None
    test_per_class: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = True
    graded: bool = True

    def __post_init__(self) -> None:
        positive = {"epochs": self.epochs, "batch_size": self.batch_size, "learning_rate": self.learning_rate}
        for name, value in positive.items():
            if value <= 0:
                raise ValueError(f"a recipe's {name} must be above 0, not {value}")
        if self.batch_size < 2:
            raise ValueError("a recipe's batch_size must be at least 2: BatchNorm cannot train on one image")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"a recipe's warmup is a fraction of the steps below 1, not {self.warmup}")

    def to_dict(self) -> dict[str, Any]:
        """The fields, for a message or a cache key."""
        return asdict(self)
