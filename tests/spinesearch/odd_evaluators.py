"""Evaluators of which each breaks one rule of `spinesearch.evaluator_check`, or keeps one that others break."""

import os
import random
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from trainer.session import Measurement, TrainingSession, TrainingStopped
from trainer.task import Evaluation, EvaluationRequest, Split

NOT_A_FUNCTION = 7


def good(request: EvaluationRequest, **changes: Any) -> Evaluation:
    """A number that depends on architecture, split and seed."""
    text = f"{request.spec.to_json()} {request.split} {request.seed}"
    evaluation = Evaluation(
        average_precision=Random(text).random(),
        num_images=1,
        train_seconds=0.0,
        eval_seconds=0.0,
        setup_seconds=0.0,
        parameters=1,
        multiply_adds=1,
        peak_memory_bytes=1,
        device="none",
        losses=((2, 1.5), (4, 1.0)),
    )
    return replace(evaluation, **changes)


def gives_a_number(request: EvaluationRequest) -> float:
    return good(request).average_precision


def too_good(request: EvaluationRequest) -> Evaluation:
    return good(request, average_precision=1.5)


def loss_without_number(request: EvaluationRequest) -> Evaluation:
    return good(request, losses=((1, float("nan")),))


def number_of_numpy(request: EvaluationRequest) -> Evaluation:
    return good(request, average_precision=np.float32(0.5))


def fails_on_val(request: EvaluationRequest) -> Evaluation:
    if request.split is Split.VAL:
        raise KeyError("val")
    return good(request)


def dies(request: EvaluationRequest) -> Evaluation:
    os._exit(3)


def negative_seconds(request: EvaluationRequest) -> Evaluation:
    return good(request, train_seconds=-1.0)


def half_an_image(request: EvaluationRequest) -> Evaluation:
    return good(request, num_images=0.5)


def percent(request: EvaluationRequest) -> Evaluation:
    return good(request, metrics={"ap50": 37.5, "ap_small": -1.0})


def losses_out_of_order(request: EvaluationRequest) -> Evaluation:
    return good(request, losses=((4, 1.0), (2, 1.5)))


def rolls_dice(request: EvaluationRequest) -> Evaluation:
    return good(request, average_precision=random.random())


def rolls_dice_and_says_so(request: EvaluationRequest) -> Evaluation:
    return good(request, average_precision=random.random(), provenance={"deterministic": "no"})


def hashes_strings(request: EvaluationRequest) -> Evaluation:
    return good(request, average_precision=hash(f"{request.spec.name} {request.seed}") % 1000 / 1000)


def ignores_the_seed(request: EvaluationRequest) -> Evaluation:
    return good(replace(request, seed=0))


def ignores_the_architecture(request: EvaluationRequest) -> Evaluation:
    return good(request, average_precision=Random(request.seed).random())


def goes_elsewhere(request: EvaluationRequest) -> Evaluation:
    os.chdir("/" if os.getcwd() != "/" else "/tmp")
    return good(request)


def _measurement(step: int) -> Measurement:
    return Measurement(step=step, num_steps=4, loss=1.0, average_precision=0.1, seconds=0.1)


def can_be_stopped(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    try:
        session.measured(_measurement(2))
    except TrainingStopped:
        return good(request, stopped_at_step=2)
    return good(request)


def stops_and_does_not_say_so(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    with suppress(TrainingStopped):
        session.measured(_measurement(2))
    return good(request)


def cannot_be_stopped(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    for step in (2, 3):
        try:
            session.measured(_measurement(step))
        except TrainingStopped:
            continue
    return good(request)


def lets_the_stop_through(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    session.measured(_measurement(2))
    return good(request)


def never_measures(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    return good(request)
