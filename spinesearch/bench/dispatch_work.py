"""Evaluations that cost nothing, for `bench dispatch`: what is left is the price of everything around them."""

from trainer.task import Evaluation, EvaluationRequest


def no_op(request: EvaluationRequest) -> Evaluation:
    """An AP that depends on the seed alone; nothing is built or trained."""
    return untrained((request.seed % 1000) / 1000)


def untrained(average_precision: float) -> Evaluation:
    """What a training gives that never was."""
    return Evaluation(
        average_precision=average_precision,
        num_images=1,
        train_seconds=0.0,
        eval_seconds=0.0,
        setup_seconds=0.0,
        parameters=0,
        multiply_adds=0,
        peak_memory_bytes=0,
        device="none",
    )
