"""As `odd_evaluators`; these use torch, which takes seconds to load."""

import torch

from tests.spinesearch.odd_evaluators import good
from trainer.task import Evaluation, EvaluationRequest


def rolls_dice(request: EvaluationRequest) -> Evaluation:
    return good(request, metrics={"ap50": float(torch.rand(()))})


def takes_all_threads(request: EvaluationRequest) -> Evaluation:
    torch.set_num_threads(torch.get_num_threads() + 1)
    return good(request)
