"""What is tuned about a proxy task, and within which bounds."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trainer.task import ProxyTask

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

IMAGE_SIZES = (64, 96, 128, 160, 192, 224)
WIDTH_SCALES = (0.125, 0.1875, 0.25, 0.375)
STEPS = (40, 600)
LEARNING_RATES = (3e-4, 1e-2)
JITTERS = (0.0, 0.25, 0.5)
WARMUP_SHARE = 0.1
"""Of the steps, at most: in a short training the base's warm-up may be all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The parts of a proxy task that are tuned.

    Args:
        jitter: the image's factor is drawn from 1 - jitter to 1 + jitter.
    """

    image_size: int
    width_scale: float
    steps: int
    learning_rate: float
    jitter: float
    flip: bool

    def task(self, base: ProxyTask) -> ProxyTask:
        """The base with these parts."""
        return replace(
            base,
            image_size=self.image_size,
            width_scale=self.width_scale,
            steps=self.steps,
            epochs=None,
            learning_rate=self.learning_rate,
            warmup_steps=min(base.warmup_steps, int(WARMUP_SHARE * self.steps)),
            scale_jitter=(1 - self.jitter, 1 + self.jitter),
            flip=self.flip,
            measure_at=(),
        )


def recipe_space() -> "dict[str, BaseDistribution]":
    """What Optuna chooses from: a distribution for each part of a recipe."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    return {
        "image_size": CategoricalDistribution(IMAGE_SIZES),
        "width_scale": CategoricalDistribution(WIDTH_SCALES),
        "steps": IntDistribution(*STEPS, log=True),
        "learning_rate": FloatDistribution(*LEARNING_RATES, log=True),
        "jitter": CategoricalDistribution(JITTERS),
        "flip": CategoricalDistribution((True, False)),
    }


def recipe_of(config: dict[str, Any]) -> Recipe:
    """The recipe of a configuration as Tune hands it on."""
    return Recipe(**{name: config[name] for name in Recipe.__dataclass_fields__})
