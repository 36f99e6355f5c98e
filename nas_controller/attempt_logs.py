"""The logs of attempts in a running search: what workers told of them, and what dead ones had not told."""

import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.output_files import LogWriter, OutputFiles
from nas_controller.log_ids import log_ids
from nas_controller.running_search import RunningSearch
from nas_controller.store.base import NotFoundError, Store
from trainer.session import LogPart

FORGOTTEN_OUTPUT_SECONDS = 3600.0

_log = logging.getLogger(__name__)


def keep_log_part(search: RunningSearch, key: AttemptKey, part: LogPart) -> None:
    """Commits a part of an attempt's log, and then deletes those whose place it takes: a crash leaves a file too many,
    never one too few."""
    before = search.store.list_log_parts(key.job_id, key.number)
    search.store.record_progress(search.lease, key.job_id, key.number, part, search.now())
    needed = {kept.key for kept in search.store.list_log_parts(key.job_id, key.number)}
    for known in [*before, part]:
        if search.artifacts is not None and known.key not in needed:
            search.artifacts.delete(known.key)


def take_rest(search: RunningSearch, key: AttemptKey) -> None:
    """Makes parts of what the attempt's worker had written and not told before it was lost, and removes its file. What
    cannot be kept is logged, and swept later."""
    artifact_dir = search.setup.artifact_dir
    file = None if artifact_dir is None else OutputFiles(artifact_dir).find(key)
    if artifact_dir is None or file is None:
        return
    known = search.store.list_log_parts(key.job_id, key.number)
    try:
        LogWriter(artifact_dir, key, file, lambda part: keep_log_part(search, key, part), os.environ, known).flush(
            is_last=True
        )
        file.remove()
    except OSError as error:
        words = "the end of the log of attempt %d of job %s is not kept: %r"
        _log.warning(words, key.number, key.job_id, error, extra=log_ids(search.search_id))
    finally:
        file.close()


def sweep_output(store: Store, artifact_dir: Path, now: datetime) -> None:
    """Removes files that were not written to for an hour, of jobs that are final or unknown. The folder must be of this
    store alone."""
    files = OutputFiles(artifact_dir)
    for key in files.written_before(now - timedelta(seconds=FORGOTTEN_OUTPUT_SECONDS)):
        try:
            is_over = store.get_job(key.job_id).state.is_final
        except NotFoundError:
            is_over = True
        if is_over:
            files.forget(key)
