"""Evaluators for searches whose processes are killed, importable in workers of a service."""

import time

from tests.integration.evaluators import expected_average_precision
from trainer.task import Evaluation, EvaluationRequest

SLEEP_SECONDS = 0.5
"""So long that most kills hit a training, and so short that a search goes on between two of them."""


def closed_form(request: EvaluationRequest) -> Evaluation:
    """What `expected_average_precision` says, after a sleep."""
    time.sleep(SLEEP_SECONDS)
    return evaluation_of(request)


def evaluation_of(request: EvaluationRequest) -> Evaluation:
    """What `expected_average_precision` says, at once."""
    return Evaluation(
        average_precision=expected_average_precision(request.spec, request.split),
        num_images=1,
        train_seconds=SLEEP_SECONDS,
        eval_seconds=0.0,
        setup_seconds=0.0,
        parameters=1,
        multiply_adds=1,
        peak_memory_bytes=1,
        device="closed form",
    )
