"""Our algorithms for people who live in Ray Tune: a `Searcher` that suggests architectures to a Trainable of their own.

Tune runs, schedules and stores; asked and told is what a search of ours would ask and tell. See docs/ray-tune.md.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy
from ray.tune.search import Searcher

from nas_controller.algorithms.base import Proposal, ToldTrial
from nas_controller.algorithms.table import make_algorithm
from nas_controller.records import TrialState
from search_space.budget import FlopsBudget, backbone_multiply_adds, decode_within, own_budget
from search_space.decisions import SearchSpace
from search_space.plan import TargetNetwork

MAX_INFEASIBLE_IN_A_ROW = 1000
_METADATA = "searcher"


class SpineSearcher(Searcher):
    """Suggests ``{"spec": <the architecture as JSON>, "genotype": [...]}``.

    Candidates off budget are told to the algorithm as infeasible and never reach Tune. A trial that fails, or that ends
    without a finite metric, is told as failed. Like all searchers it is called from one thread, Tune's own.

    Args:
        space: what is searched.
        algorithm, settings: its name and its own settings, as in a search document.
        seed: in [0, 2**63).
        metric: of the results, and `mode`, "max" or "min". (Tune does not pass its own on to a searcher that brings its
            space.)
        target, budget: the network that is wanted in the end, and what its backbone may cost; None: the space's own.
        whole_at: the `training_iteration` of a trial that nobody stopped; one that ends before was stopped early by a
            scheduler, and its metric compares with none. 0: all that end are whole.

    Raises:
        ValueError: an unknown algorithm, mode or setting, or a value out of range.
    """

    CKPT_FILE_TMPL = "searcher-state-{}.safetensors"

    def __init__(
        self,
        space: SearchSpace,
        algorithm: str,
        seed: int,
        metric: str,
        mode: str = "max",
        settings: Mapping[str, float] | None = None,
        *,
        target: TargetNetwork | None = None,
        budget: FlopsBudget | None = None,
        whole_at: int = 0,
    ) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"mode {mode!r}: must be max or min")
        super().__init__(metric=metric, mode=mode)
        self._space = space
        self._target = target or space.target
        self._budget = budget or own_budget(space, self._target)
        self._whole_at = whole_at
        self._identity = {"space": space.name, "algorithm": algorithm, "seed": seed, "settings": dict(settings or {})}
        self._algorithm = make_algorithm(algorithm, space, seed, settings or {})
        self._next_number = 1
        self._live: dict[str, tuple[int, Proposal]] = {}

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """The configuration of a trial.

        Raises:
            RuntimeError: `MAX_INFEASIBLE_IN_A_ROW` candidates in a row were off budget.
        """
        for _ in range(MAX_INFEASIBLE_IN_A_ROW):
            number, self._next_number = self._next_number, self._next_number + 1
            proposal = self._algorithm.ask(number)
            spec = decode_within(self._space, proposal.genotype, self._target, self._budget, f"trial-{number}")
            if self._budget.contains(backbone_multiply_adds(spec, self._target)):
                self._live[trial_id] = (number, proposal)
                return {"spec": spec.to_json(), "genotype": list(proposal.genotype)}
            self._tell(number, proposal, TrialState.INFEASIBLE, None)
        raise RuntimeError(f"{MAX_INFEASIBLE_IN_A_ROW} candidates in a row were off budget: {self._budget.describe()}")

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the algorithm what became of the trial; of one that it does not know, nothing."""
        if trial_id not in self._live:
            return
        number, proposal = self._live.pop(trial_id)
        reward = None if error else self._reward(result or {})
        if reward is None:
            self._tell(number, proposal, TrialState.FAILED, None)
        elif (result or {}).get("training_iteration", self._whole_at) < self._whole_at:
            self._tell(number, proposal, TrialState.STOPPED_EARLY, reward)
        else:
            self._tell(number, proposal, TrialState.COMPLETED, reward)

    def _reward(self, result: Mapping[str, Any]) -> float | None:
        """The metric, the more the better; None where there is no finite one."""
        value = float(result.get(str(self._metric), math.nan))
        return (-value if self._mode == "min" else value) if math.isfinite(value) else None

    def _tell(self, number: int, proposal: Proposal, state: TrialState, reward: float | None) -> None:
        self._algorithm.tell(
            ToldTrial(
                number=number,
                genotype=proposal.genotype,
                log_probs=proposal.log_probs,
                state=state,
                reward=reward,
                arm=proposal.arm,
            )
        )

    def save(self, checkpoint_path: str) -> None:
        """Writes the algorithm's state, and the trials that run, as a safetensors file. Tune does so by itself."""
        live = {trial_id: {"number": number, **asdict(proposal)} for trial_id, (number, proposal) in self._live.items()}
        document = {"identity": self._identity, "next_number": self._next_number, "live": live}
        state = dict(self._algorithm.state_dict())
        safetensors.numpy.save_file(state, checkpoint_path, {_METADATA: json.dumps(document)})

    def restore(self, checkpoint_path: str) -> None:
        """Takes over what `save` wrote; trials that ran then are told when Tune has run them again.

        Raises:
            ValueError: it is of another space, algorithm, seed or settings; nothing was changed.
            OSError: it cannot be read.
        """
        with safetensors.safe_open(Path(checkpoint_path), framework="np") as file:
            document = json.loads(file.metadata()[_METADATA])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        if document["identity"] != self._identity:
            raise ValueError(f"{checkpoint_path}: of {document['identity']}, this searcher is of {self._identity}")
        self._algorithm.load_state_dict(state)
        self._next_number = document["next_number"]
        self._live = {trial_id: _live_trial(live) for trial_id, live in document["live"].items()}


def _live_trial(document: Mapping[str, Any]) -> tuple[int, Proposal]:
    proposal = Proposal(
        genotype=tuple(document["genotype"]),
        arm=document["arm"],
        log_probs=tuple(document["log_probs"]),
        parents=tuple(document["parents"]),
        edits=tuple(document["edits"]),
    )
    return document["number"], proposal
