"""Whether a function may serve as evaluator of a search: it is called as a worker would, and each rule that it breaks
is said in one line.

Six requests: an architecture with one seed, the same once more in a fresh process, another seed, the other split, and
two other architectures. A function that takes a session gets a seventh, which is stopped at its first measurement.
"""

import json
import multiprocessing
import os
import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from dataclasses import dataclass, replace
from random import Random

from nas_controller.dispatch.session import takes_session
from nas_controller.dispatch.worker import Evaluator, resolve_evaluator, run_evaluation
from nas_controller.records import Failure, FailureReason
from search_space.decisions import random_genotype
from search_space.reference import REFERENCES
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec
from spinesearch.processes import end_with_parent
from trainer.session import LoneSession, Measurement, TrainingSession, TrainingStopped
from trainer.task import DataSource, Evaluation, EvaluationRequest, ProxyTask, Split

SMALL_TASK = ProxyTask(
    image_size=64,
    width_scale=0.125,
    endpoint_channels=8,
    head_channels=8,
    head_convs=0,
    steps=4,
    batch_size=2,
    learning_rate=1e-3,
    measure_at=(0.5,),
)
SAYS_NOT_DETERMINISTIC = ("deterministic", "no")
"""The entry of an evaluation's provenance by which an evaluator says that its results differ for the same request."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule, and in a line what is against it.

    Args:
        problem: "" where the rule is kept.
        is_advice: the rule may be broken on purpose; what then suffers is said.
    """

    rule: str
    problem: str = ""
    is_advice: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether a search with this evaluator would go wrong."""
        return bool(self.problem) and not self.is_advice


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of one request, and which state of the process is another since."""

    request: EvaluationRequest
    result: Evaluation | Failure
    changed: tuple[str, ...] = ()


def check_evaluator_rules(name: str, data: DataSource, task: ProxyTask = SMALL_TASK) -> list[Finding]:
    """What `name`, a ``package.module:function``, is found to do; the rules after one that all need are left out."""
    found = "is found by its name"
    try:
        evaluator = resolve_evaluator(name)
    except ValueError as error:
        return [Finding(found, str(error))]
    except Exception as error:  # whatever the user's module raises while it is imported
        return [Finding(found, f"evaluator {name!r}: {type(error).__name__}: {error}")]
    first, *others = _requests(data, task)
    elsewhere = _ask_elsewhere(name, first)
    if isinstance(elsewhere.result, Failure) and elsewhere.result.reason is FailureReason.WORKER_LOST:
        return [Finding(found), _answers_everything([elsewhere])]
    other_answers = [_ask(evaluator, request) for request in others]
    answers = [_ask(evaluator, first), *other_answers]  # last, where a global random state is far from a fresh one
    findings = [Finding(found), _answers_everything([*answers, elsewhere])]
    if not findings[-1].problem:
        findings += [_numbers(answers), _repeats(answers[0], elsewhere), *_differences(answers)]
    if takes_session(evaluator):
        findings.append(_stops(evaluator, first))
    return [*findings, _leaves_the_process_alone(answers)]


def _requests(data: DataSource, task: ProxyTask) -> list[EvaluationRequest]:
    first_spec, *other_specs = _architectures()
    first = EvaluationRequest(spec=first_spec, task=task, data=data, seed=1)
    return [
        first,
        replace(first, seed=2),
        replace(first, split=Split.VAL),
        *(replace(first, spec=spec) for spec in other_specs),
    ]


def _architectures() -> list[ArchitectureSpec]:
    """A published one of permuted scales, one without such blocks, and a random one."""
    space = find_space("r0-sp53")
    drawn = space.decode(random_genotype(space, Random(0))).renamed("a random one of r0-sp53")
    return [REFERENCES["spinenet-49"].spec, REFERENCES["resnet-50-fpn"].spec, drawn]


def _ask(evaluator: Evaluator, request: EvaluationRequest, session: TrainingSession | None = None) -> _Answer:
    """Calls the evaluator as a worker does, which may be in another thread than the main one."""

    def ask() -> _Answer:
        before = _process_state()
        result = run_evaluation(evaluator, request, session or LoneSession())
        after = _process_state()
        return _Answer(request, result, tuple(name for name in before if before[name] != after[name]))

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(ask).result()


def _process_state() -> dict[str, object]:
    state: dict[str, object] = {
        "the working directory": os.getcwd(),
        "environment variables": dict(os.environ),
        "sys.path": list(sys.path),
    }
    if "torch" in sys.modules:
        import torch

        state["torch's number of threads"] = torch.get_num_threads()
        state["torch's default type"] = torch.get_default_dtype()
    return state


def _ask_elsewhere(name: str, request: EvaluationRequest) -> _Answer:
    """The answer of a fresh process, whose hashes of strings and global random numbers are others."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent) as processes:
        try:
            return processes.submit(_ask_here, name, request).result()
        except BrokenProcessPool:
            failure = Failure(reason=FailureReason.WORKER_LOST, message="the worker's process ended")
            return _Answer(request, failure)


def _ask_here(name: str, request: EvaluationRequest) -> _Answer:
    evaluator = resolve_evaluator(name)
    random.seed()
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed()
    if "torch" in sys.modules:
        import torch

        torch.seed()
    return _ask(evaluator, request)


def _answers_everything(answers: Sequence[_Answer]) -> Finding:
    rule = "answers with an Evaluation that can be kept as JSON"
    for answer in answers:
        if isinstance(answer.result, Failure):
            request = answer.request
            return Finding(rule, f"{request.spec.name}, seed {request.seed}, {request.split}: {answer.result.message}")
    return Finding(rule)


def _evaluations(answers: Sequence[_Answer]) -> list[Evaluation]:
    return [answer.result for answer in answers if isinstance(answer.result, Evaluation)]


def _numbers(answers: Sequence[_Answer]) -> Finding:
    problems = [problem for evaluation in _evaluations(answers) for problem in _wrong_numbers(evaluation)]
    return Finding("gives numbers in their ranges", problems[0] if problems else "")


def _wrong_numbers(evaluation: Evaluation) -> Iterator[str]:
    for name in ("num_images", "parameters", "multiply_adds", "peak_memory_bytes"):
        value = getattr(evaluation, name)
        if not isinstance(value, int) or value < 0:
            yield f"{name} {value!r}: must be a whole number, 0 or more"
    for name in ("train_seconds", "eval_seconds", "setup_seconds"):
        if getattr(evaluation, name) < 0:
            yield f"{name} {getattr(evaluation, name)!r}: must be 0 or more"
    for place in ("metrics", "class_average_precision"):
        for name, value in getattr(evaluation, place).items():
            if not (value == -1 or 0 <= value <= 1):
                yield f"{place}: {name} {value!r}: must be in [0, 1], or -1 where the split has no such object"
    steps = [step for step, _ in evaluation.losses]
    if steps != sorted(set(steps)):
        yield f"losses: steps {steps}: must rise"


def _measured(evaluation: Evaluation) -> str:
    """What another request for the same must give again."""
    document = evaluation.to_document()
    names = ("average_precision", "metrics", "class_average_precision", "losses")
    return json.dumps([document[name] for name in names], sort_keys=True)


def _repeats(first: _Answer, again: _Answer) -> Finding:
    rule = "gives the same for the same request, in another process too, or says that it does not"
    one, other = _evaluations([first, again])
    name, value = SAYS_NOT_DETERMINISTIC
    if _measured(one) == _measured(other) or one.provenance.get(name) == value:
        return Finding(rule)
    both = f"AP {one.average_precision:g} and then {other.average_precision:g}"
    if one.average_precision == other.average_precision:
        both = f"AP {one.average_precision:g} twice, but other metrics or losses"
    return Finding(rule, f"{both}: let request.seed alone decide, or put {{{name!r}: {value!r}}} in provenance")


def _differences(answers: Sequence[_Answer]) -> Iterator[Finding]:
    first, other_seed, _, *others = (_measured(evaluation) for evaluation in _evaluations(answers))
    rule = "another seed gives something else"
    same = "seed 1 and seed 2 gave the same: standard errors over seeds will be 0"
    yield Finding(rule, same if first == other_seed else "", is_advice=True)
    rule = "another architecture gives something else"
    same = f"{len(others) + 1} architectures gave the same: a search has nothing to choose by"
    yield Finding(rule, same if {first} == set(others) else "", is_advice=True)


def _leaves_the_process_alone(answers: Sequence[_Answer]) -> Finding:
    changed = list(dict.fromkeys(name for answer in answers for name in answer.changed))
    problem = f"it changed {', '.join(changed)}: a worker serves many requests, one after another" if changed else ""
    return Finding("leaves the process as it was", problem)


class _StoppingSession(LoneSession):
    """Stops a training at its first measurement and keeps all that it was told."""

    def __init__(self) -> None:
        self.measurements: list[Measurement] = []

    def measured(self, measurement: Measurement) -> None:
        self.measurements.append(measurement)
        raise TrainingStopped


def _stops(evaluator: Evaluator, request: EvaluationRequest) -> Finding:
    rule = "ends when its session stops it"
    session = _StoppingSession()
    result = _ask(evaluator, request, session).result
    if not session.measurements:
        return Finding(rule, "it takes a session but measured nothing at the task's measure_at", is_advice=True)
    if len(session.measurements) > 1:
        return Finding(rule, "it went on after session.measured raised TrainingStopped")
    if isinstance(result, Failure):
        return Finding(rule, result.message)
    step = session.measurements[0].step
    if result.stopped_at_step != step:
        return Finding(rule, f"stopped_at_step {result.stopped_at_step}: must be {step}, where it was stopped")
    return Finding(rule)
