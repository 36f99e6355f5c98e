"""Removes artifacts that nothing needs.

A worker that was killed before it told of them put them, or a search left them that was cancelled while no controller
ran.
"""

import logging
from datetime import datetime, timedelta

from nas_controller.artifacts.base import ArtifactStore
from nas_controller.dispatch.results import ResultSpool
from nas_controller.operations.records import KEPT_FOR
from nas_controller.store.base import Store

SAFE_SECONDS = 3600.0
"""What a worker puts is recorded within seconds, or after a restart of its controller."""

_log = logging.getLogger(__name__)


def sweep_artifacts(store: Store, artifacts: ArtifactStore, now: datetime, results: ResultSpool | None = None) -> None:
    """Deletes what was put more than an hour ago and what no row of the store needs, nor a kept result; rows of
    searches that ended longer ago than `artifacts.kept_for` need nothing, and stay. Operations that ended longer ago
    than they are kept for are forgotten first.

    Several processes may do so at the same time, and workers put: what is put again meanwhile stays. The artifacts must
    be of this store alone. What cannot be deleted is logged and left.
    """
    put_before = now - timedelta(seconds=SAFE_SECONDS)
    store.forget_operations(now - KEPT_FOR)
    keys = artifacts.list(put_before=put_before)
    finished_before = None if artifacts.kept_for is None else now - artifacts.kept_for
    awaited = set() if results is None else results.artifact_keys()  # before they may be taken into the store
    needed = awaited | store.needed_artifacts(keys, finished_before)
    for key in keys:
        if key in needed:
            continue
        try:
            artifacts.delete(key, put_before=put_before)
        except OSError as error:
            _log.warning("artifact %s: nothing needs it, and it cannot be removed: %r", key, error)
        else:
            _log.info("artifact %s: removed, nothing needs it", key)
