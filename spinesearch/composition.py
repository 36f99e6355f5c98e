"""Where the parts are put together: from a home and a stored search to one that runs.

Everything here only constructs. torch and ray are imported by the functions that need them.
"""

import errno
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.base import Dispatcher, WorkerPool
from nas_controller.pulse import Stopwatch
from nas_controller.records import SearchLease, SearchState
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from nas_controller.store.engine import ObserveTransaction
from nas_controller.store.open import open_store
from nas_controller.webhooks.hosts import WebhookHosts
from spinesearch.home import Home
from trainer.task import DataSource

if TYPE_CHECKING:
    from nas_controller.running_search import RunningSearch
    from nas_controller.setup import SearchSetup


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def process_name() -> str:
    """The name of this process among all that work on one database."""
    return f"{socket.gethostname()}:{os.getpid()}"


def lease_owner() -> str:
    """A name for leases that no other process has had: process ids, and in containers host names, come again."""
    return f"{process_name()}:{secrets.token_hex(4)}"


def open_home_store(home: Home, observe: ObserveTransaction | None = None) -> Store:
    """The store of a home, migrated to this release's schema; `observe` is told of each transaction."""
    home.create()
    return open_store(home.database_url, observe)


def open_home_artifacts(home: Home) -> DirectoryArtifactStore:
    """The artifact store of a home."""
    home.create()
    return DirectoryArtifactStore(home.artifacts, home.artifacts_kept_for)


@contextmanager
def telling_webhooks(home: Home, hosts: WebhookHosts, owner: str) -> Iterator[None]:
    """Sends messages on a thread of its own, with a store of its own, until the end of the block; where no host is
    allowed, nothing is done."""
    if not hosts.hosts:
        yield
        return
    import random
    import threading

    from nas_controller.store.patience import patient
    from nas_controller.webhooks.courier import Courier
    from nas_controller.webhooks.deliverer import Deliverer, delivering

    is_over = threading.Event()
    store = patient(open_home_store(home), wait=is_over.wait)
    courier = Courier(hosts=hosts)
    deliverer = Deliverer(store, courier.post, home.session_secret(), now, random.random, owner)
    try:
        with delivering(deliverer, is_over):
            yield
    finally:
        store.close()


def claim(store: Store, search_id: str, owner: str) -> SearchLease | None:
    """A lease on a search for an owner, who may have held it before; None while another controller holds it."""
    from nas_controller.search_loop import LEASE_SECONDS

    return store.claim_search(search_id, owner, now(), LEASE_SECONDS)


def data_source(config: SearchConfig, home: Home) -> DataSource:
    """The data set of a search; the generated one is made where it is missing."""
    if config.data == "generated":
        from trainer.data.generated import ensure_generated

        return ensure_generated(home.generated_data)
    return config.data.source()


def search_setup(search_id: str, config: SearchConfig, home: Home) -> "SearchSetup":
    """The fixed parts of a search."""
    from nas_controller.setup import SearchSetup, measurement_key
    from search_space.spaces import find_space
    from trainer.data.cache import choose_form
    from trainer.data.coco import read_coco, shared_categories
    from trainer.data.content import content_hash

    data = data_source(config, home)
    train, val = read_coco(data.train), read_coco(data.val)
    num_images = max(len(train.images), len(val.images))
    form = choose_form(num_images, config.task().image_size, home.cache_limit_bytes)
    return SearchSetup(
        search_id=search_id,
        config=config,
        space=find_space(config.space),
        budget=config.flops_budget(),
        target=config.target_network(),
        task=config.task(),
        data=data,
        num_classes=len(shared_categories(data, train, val)),
        measurement_key=measurement_key(config, content_hash(data, train, val, form)),
        cache=home.image_cache(form),
        artifact_dir=home.artifacts,
    )


def ray_dispatcher(search_id: str, config: SearchConfig, home: Home) -> Dispatcher:
    """Standing Ray workers for a search: on a local Ray of its own, or on the cluster that the home names."""
    from nas_controller.dispatch.ray_cluster import RayDispatcher

    pools = [WorkerPool(count=w.count, cpus=w.cpus, gpus=w.gpus, tpus=w.tpus) for w in config.workers]
    return RayDispatcher(pools, config.evaluator, home.ray_address, namespace=search_id, artifact_dir=home.artifacts)


@contextmanager
def running_search(
    home: Home, store: Store, lease: SearchLease, stopwatch: Stopwatch | None = None
) -> Iterator["RunningSearch"]:
    """A claimed search with its workers, ready for `run_search`; workers and lease are given back at the end. Where
    the search is to go on, workers that can go on by themselves are left to the next controller.

    Where it cannot be put together (its data set is gone, say) the search FAILED with the reason; where no Ray
    answers at the home's address, or the disk is full, it stays PENDING.
    """
    from nas_controller.algorithms.table import configured_algorithm
    from nas_controller.early_stopping.table import make_rule
    from nas_controller.leases import kept
    from nas_controller.running_search import RunningSearch

    config = SearchConfig.from_document(store.get_search(lease.search_id).config)
    dispatcher: Dispatcher | None = None
    search: RunningSearch | None = None
    try:
        try:
            with kept(
                store, lease, now
            ):  # a large data set is read for minutes, and Ray starts slowly on a busy machine
                setup = search_setup(lease.search_id, config, home)
                algorithm = configured_algorithm(config, setup.space)
                dispatcher = ray_dispatcher(lease.search_id, config, home)
        except ConnectionError as error:
            store.set_search_state(lease, SearchState.PENDING, f"Ray: {error}", now())
            raise
        except (ValueError, OSError) as error:
            is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            state = SearchState.PENDING if is_full else SearchState.FAILED
            store.set_search_state(lease, state, str(error), now())
            raise
        search = RunningSearch(
            setup=setup,
            store=store,
            algorithm=algorithm,
            stopping_rule=make_rule(config.early_stopping),
            dispatcher=dispatcher,
            artifacts=open_home_artifacts(home),
            lease=lease,
            now=now,
            stopwatch=stopwatch or Stopwatch(),
        )
        yield search
    finally:
        if dispatcher is not None and (search is None or search.has_ended):
            dispatcher.close()
        elif dispatcher is not None:
            dispatcher.leave()
        store.release_lease(lease)
