"""An evaluator for tests of dispatchers, importable in worker processes: it trains, and counts the threads that do."""

from dataclasses import replace

import psutil
import torch

from trainer.evaluate import evaluate_architecture
from trainer.session import LoneSession, TrainingSession
from trainer.task import Evaluation, EvaluationRequest

LEAST_SHARE = 0.1
"""Of the CPU time of all threads: who used less only waited, or read a few images."""


class CountingSession(LoneSession):
    """Looks after each step at torch's number of threads, and at the CPU time of each thread of the process."""

    def __init__(self) -> None:
        self.torch_threads: set[int] = set()
        self._seconds: list[dict[int, float]] = []

    def wants_checkpoint(self) -> bool:
        self.torch_threads.add(torch.get_num_threads())
        threads = psutil.Process().threads()
        self._seconds.append({thread.id: thread.user_time + thread.system_time for thread in threads})
        return False

    def num_busy(self) -> int:
        """Threads that computed between the first step and the last."""
        first, last = self._seconds[0], self._seconds[-1]
        used = [seconds - first.get(thread, 0.0) for thread, seconds in last.items()]
        return sum(seconds >= LEAST_SHARE * sum(used) for seconds in used)


def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    """Our training; what it measured says which threads took part in it."""
    counting = CountingSession()
    evaluation = evaluate_architecture(request, counting)
    (torch_threads,) = counting.torch_threads
    seen = {"torch": str(torch_threads), "busy": str(counting.num_busy()), "share": str(request.device_share)}
    return replace(evaluation, provenance=seen)
