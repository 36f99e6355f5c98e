"""An evaluator whose noise falls with the steps of the recipe, and whose seconds grow with them."""

from random import Random

from search_space.spec import ArchitectureSpec
from trainer.task import Evaluation, EvaluationRequest, TrainingDiverged

NOISE = 0.5
SECONDS_A_STEP = 0.1
DIVERGES_ABOVE = 9e-3
"""Learning rate."""


def quality(spec: ArchitectureSpec) -> float:
    """A number in [0.3, 0.7] that depends on the architecture alone."""
    return 0.3 + 0.4 * Random(spec.renamed("").to_json()).random()


def noisy(request: EvaluationRequest) -> Evaluation:
    """The quality with a deviation of `NOISE` divided by the root of the steps."""
    task = request.task
    if task.learning_rate > DIVERGES_ABOVE:
        raise TrainingDiverged("the loss is not a number")
    steps = task.steps or 1
    deviation = NOISE / steps**0.5
    drawn = Random(f"{request.spec.renamed('').to_json()} {request.seed} {steps}").gauss(0.0, deviation)
    return Evaluation(
        average_precision=min(1.0, max(0.0, quality(request.spec) + drawn)),
        num_images=1,
        train_seconds=SECONDS_A_STEP * steps,
        eval_seconds=1.0,
        setup_seconds=1.0,
        parameters=1,
        multiply_adds=1,
        peak_memory_bytes=1,
        device="none",
    )


def broken(request: EvaluationRequest) -> Evaluation:
    """A machine that cannot read its data."""
    raise OSError(5, "Input/output error")
