"""Evaluators for searches whose processes are killed, importable in workers of a service."""

import os
import resource
import time

import psutil

from tests.integration.evaluators import expected_average_precision
from trainer.task import Evaluation, EvaluationRequest, Split

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


HUNGRY_BELOW = 0.25
"""Architectures whose average precision would be below want more memory than there is."""
STEP_BYTES = 2**25
MOST_STEPS = 256  # 8 GiB: a machine whose limit does not hold is left alone


def hungry(request: EvaluationRequest) -> Evaluation:
    """As `closed_form`, but some take memory until they are killed."""
    if is_hungry(request):
        taken = []
        for _ in range(MOST_STEPS):
            taken.append(bytearray(os.urandom(2**10) * (STEP_BYTES // 2**10)))
            time.sleep(0.02)
    return closed_form(request)


def limited(request: EvaluationRequest) -> Evaluation:
    """As `hungry`, in a process that may not have more than 1 GiB beside what it has."""
    now = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, resource.RLIM_INFINITY))
    return hungry(request)


def is_hungry(request: EvaluationRequest) -> bool:
    """Whether its architecture is one of those; on val none is."""
    return request.split is Split.REWARD and expected_average_precision(request.spec, request.split) < HUNGRY_BELOW
