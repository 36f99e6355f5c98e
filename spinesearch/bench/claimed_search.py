"""A search that trains nothing, claimed: what the benchmarks of the controller run."""

from pathlib import Path

from nas_controller.algorithms.base import SearchAlgorithm
from nas_controller.algorithms.table import configured_algorithm
from nas_controller.artifacts.base import ArtifactStore
from nas_controller.dispatch.base import Dispatcher
from nas_controller.pulse import Stopwatch
from nas_controller.records import SearchLease
from nas_controller.running_search import Clock, RunningSearch
from nas_controller.search_config import SearchConfig
from nas_controller.search_loop import LEASE_SECONDS
from nas_controller.setup import SearchSetup, measurement_key
from nas_controller.store.base import Store
from search_space.spaces import find_space
from trainer.task import CocoSource, DataSource

NUM_CLASSES = 3


def claimed_search(
    store: Store,
    config: SearchConfig,
    dispatcher: Dispatcher,
    now: Clock,
    artifacts: ArtifactStore | None = None,
    stopwatch: Stopwatch | None = None,
    algorithm: SearchAlgorithm | None = None,
) -> RunningSearch:
    """The one search of the store, made where it is not there, with a new algorithm: the document's, unless another is
    given."""
    store.create_search(config.name, config.name, config.to_document(), now(), idempotency_key=config.name)
    lease = store.claim_search(config.name, "bench", now(), LEASE_SECONDS)
    assert isinstance(lease, SearchLease)
    setup = untrained_setup(config.name, config)
    return RunningSearch(
        setup=setup,
        store=store,
        algorithm=algorithm or configured_algorithm(config, setup.space),
        stopping_rule=None,
        dispatcher=dispatcher,
        artifacts=artifacts,
        lease=lease,
        now=now,
        stopwatch=stopwatch or Stopwatch(),
    )


def untrained_setup(search_id: str, config: SearchConfig) -> SearchSetup:
    """Nothing reads an image: the data set need not be there."""
    nowhere = CocoSource(images=Path("images"), annotations=Path("annotations.json"))
    return SearchSetup(
        search_id=search_id,
        config=config,
        space=find_space(config.space),
        budget=config.flops_budget(),
        target=config.target_network(),
        task=config.task(),
        data=DataSource(train=nowhere, val=nowhere),
        num_classes=NUM_CLASSES,
        measurement_key=measurement_key(config, ""),
    )
