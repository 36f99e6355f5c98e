"""The other side of `bench dispatch`: Ray Tune and Optuna with as many decisions as a trial of ours has."""

import logging
import os
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import find_space
from spinesearch.bench.dispatch import NUM_WORKERS, Mark
from spinesearch.bench.dispatch_ours import Marks


def numbers_of_options(space: SearchSpace) -> list[int]:
    """How many options each decision of one random architecture has."""
    genotype = random_genotype(space, Random(0))
    points = [space.options(genotype[:position]) for position in range(len(genotype))]
    return [len(point.options) for point in points if point is not None]


def measure_optuna(num_trials: int) -> list[Mark]:
    """Random decisions asked and told on SQLite, without workers."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options = numbers_of_options(find_space("spinenet-49"))
    with tempfile.TemporaryDirectory() as folder:
        storage = optuna.storages.RDBStorage(f"sqlite:///{Path(folder) / 'optuna.sqlite'}")
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
        marks = Marks(num_trials)
        marks.note(0)
        for number in range(1, num_trials + 1):
            trial = study.ask()
            for position, count in enumerate(options):
                trial.suggest_int(f"decision {position}", 0, count - 1)
            study.tell(trial, 0.5)
            marks.note(number)
    return marks.taken


def measure_tune(num_trials: int) -> list[Mark]:
    """Random decisions on reused actors, without the loggers that Tune adds by itself."""
    os.environ |= {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    import ray
    from ray import tune

    options = numbers_of_options(find_space("spinenet-49"))
    marks: list[Marks] = []

    class NoteProgress(tune.Callback):
        num_trials = 0

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            if not marks:
                marks.append(Marks(num_trials))
                marks[0].note(0)

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.num_trials += 1
            marks[0].note(self.num_trials)

    with tempfile.TemporaryDirectory() as folder:
        ray.init(num_cpus=NUM_WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        try:
            tuner = tune.Tuner(
                _no_op_trainable(),
                param_space={f"decision {n}": tune.choice(range(count)) for n, count in enumerate(options)},
                tune_config=tune.TuneConfig(
                    num_samples=num_trials, reuse_actors=True, max_concurrent_trials=NUM_WORKERS
                ),
                run_config=tune.RunConfig(storage_path=folder, callbacks=[NoteProgress()], verbose=0),
            )
            tuner.fit()
        finally:
            ray.shutdown()
    return marks[0].taken


def _no_op_trainable() -> Any:
    """A trainable that is done after one step, and takes the next trial's decisions without being built anew."""
    from ray import tune

    class NoOp(tune.Trainable):
        def step(self) -> dict[str, Any]:
            return {"average_precision": 0.5, "done": True}

        def save_checkpoint(self, _folder: str) -> None:
            return None

        def load_checkpoint(self, _checkpoint: object) -> None:
            return None

        def reset_config(self, _config: object) -> bool:
            return True

    return NoOp
