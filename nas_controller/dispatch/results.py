"""Where a worker leaves what its attempt gave before it reports it: the result outlives the worker, its controller and
the way between them.

One JSON file for each attempt, in a folder of the artifact store that every worker reaches:
``{"sha256": of the rest, "job_id": ..., "attempt": ..., "evaluation", "latency" or "failure": {...},
"measurements": [...], "log_parts": [...]}``. The controller removes it when the outcome is committed.
"""

import builtins
import hashlib
import json
import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from nas_controller.artifacts.directory import sync_directory, write_aside
from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, AttemptResult
from nas_controller.records import Failure, FailureReason
from trainer.latency_task import Latency
from trainer.session import LogPart, Measurement, Progress
from trainer.task import Evaluation

FOLDER = "results"
MAX_BYTES = 4 * 2**20
_SUFFIX = ".json"
_DAMAGED = ".damaged"
_REALS = ("average_precision", "train_seconds", "eval_seconds", "setup_seconds")
_WHOLES = ("num_images", "parameters", "multiply_adds", "peak_memory_bytes")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptResult:
    """What an attempt gave, and all that it had measured and logged on the way: its last reports may have been lost."""

    outcome: AttemptOutcome
    measurements: tuple[Measurement, ...] = ()
    log_parts: tuple[LogPart, ...] = ()


class ResultSpool:
    """The results below an artifact store's folder. Safe for several processes at once."""

    def __init__(self, artifact_dir: Path) -> None:
        self._folder = artifact_dir / FOLDER

    def put(self, result: KeptResult) -> None:
        """Keeps the result; durable on return. Of the same attempt, the later one stays.

        Raises:
            OSError: it cannot be written, or is larger than `MAX_BYTES`; nothing is left of it.
        """
        content = _to_json(result)
        if len(content) > MAX_BYTES:
            raise OSError(f"a result of {len(content):,} bytes: at most {MAX_BYTES:,} are kept")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_aside(self._path(result.outcome.key), content)
        sync_directory(self._folder)

    def find(self, key: AttemptKey) -> KeptResult | None:
        """The attempt's result; None where there is none. A damaged file is logged, set aside, and counts as none."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("result %s cannot be read: %r", path.name, error)
            return None
        try:
            return _from_json(content, key)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            _log.warning("result %s is damaged and set aside: %r", path.name, error)
            with suppress(OSError):
                path.replace(path.with_name(path.name + _DAMAGED))
            return None

    def forget(self, key: AttemptKey) -> None:
        """Removes the attempt's file, and what was set aside of it; none is no error. One that stays is logged."""
        path = self._path(key)
        for each in (path, path.with_name(path.name + _DAMAGED)):
            try:
                each.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("result %s cannot be removed: %r", each.name, error)

    def list(self, search_id: str | None = None, put_before: datetime | None = None) -> builtins.list[AttemptKey]:
        """The attempts that a file is kept of, damaged ones included, sorted; of one search, or of all; with
        `put_before` those that were put last before that time."""
        pattern = "*" if search_id is None else f"{quote(search_id, safe='')}.*"
        keys = set()
        for path in self._folder.glob(pattern):
            name = path.name.removesuffix(_DAMAGED)
            job_id, _, number = name.removesuffix(_SUFFIX).rpartition(".")
            if name.endswith(_SUFFIX) and number.isdecimal() and (put_before is None or _is_older(path, put_before)):
                keys.add(AttemptKey(unquote(job_id), int(number)))
        return sorted(keys, key=lambda key: (key.job_id, key.number))

    def artifact_keys(self) -> set[str]:
        """The artifacts that kept results name: whoever takes the results will want them."""
        found = [result for key in self.list() if (result := self.find(key)) is not None]
        files = {file.key for each in found if each.outcome.evaluation for file in each.outcome.evaluation.files}
        return files | {part.key for each in found for part in each.log_parts}

    def _path(self, key: AttemptKey) -> Path:
        return self._folder / f"{quote(key.job_id, safe='')}.{key.number}{_SUFFIX}"


def keep_result(artifact_dir: Path | None, outcome: AttemptOutcome, events: Sequence[Progress]) -> None:
    """Puts the outcome, and what was measured and logged of the events, where there is a folder for it.

    Where it cannot be written, that is logged: the worker still reports it, and only its own death then costs the
    attempt.
    """
    if artifact_dir is None:
        return
    try:
        measurements = tuple(event for event in events if isinstance(event, Measurement))
        log_parts = tuple(event for event in events if isinstance(event, LogPart))
        result = KeptResult(outcome=outcome, measurements=measurements, log_parts=log_parts)
        ResultSpool(artifact_dir).put(result)
    except OSError as error:
        _log.warning(
            "the result of attempt %d of job %s is not kept: %r", outcome.key.number, outcome.key.job_id, error
        )


def _to_json(result: KeptResult) -> bytes:
    outcome = result.outcome
    document: dict[str, Any] = {"job_id": outcome.key.job_id, "attempt": outcome.key.number}
    document["measurements"] = [asdict(measurement) for measurement in result.measurements]
    document["log_parts"] = [asdict(part) for part in result.log_parts]
    if outcome.evaluation is not None:
        document["evaluation"] = outcome.evaluation.to_document()
    elif outcome.latency is not None:
        document["latency"] = outcome.latency.to_document()
    elif outcome.failure is not None:
        document["failure"] = asdict(outcome.failure)
    return json.dumps({"sha256": _digest(document), **document}, allow_nan=False).encode()


def _from_json(content: bytes, key: AttemptKey) -> KeptResult:
    """Raises ValueError, TypeError, KeyError or RecursionError for anything but what was written of this attempt."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES:,} bytes")
    document = json.loads(content)
    if document.pop("sha256") != _digest(document):
        raise ValueError("its content does not match its sha256")
    if (document["job_id"], document["attempt"]) != (key.job_id, key.number):
        raise ValueError("it is of another attempt")
    measurements = tuple(Measurement(**each) for each in document["measurements"])
    log_parts = tuple(LogPart(**each) for each in document.get("log_parts", ()))  # older workers told none
    return KeptResult(outcome=AttemptOutcome.of(key, _given(document)), measurements=measurements, log_parts=log_parts)


def _given(document: dict[str, Any]) -> AttemptResult:
    if "evaluation" in document:
        return _checked(Evaluation.from_document(document["evaluation"]))
    return Latency.from_document(document["latency"]) if "latency" in document else _failure(document["failure"])


def _failure(document: dict[str, Any]) -> Failure:
    reason, message, traceback = FailureReason(document["reason"]), document["message"], document["traceback"]
    if not isinstance(message, str) or not isinstance(traceback, str):
        raise TypeError("a failure's texts are not texts")
    return Failure(reason=reason, message=message, traceback=traceback)


def _digest(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(evaluation: Evaluation) -> Evaluation:
    """The evaluation; TypeError where a field is not of its type, ValueError where a number is not finite."""
    numbers = [getattr(evaluation, name) for name in (*_REALS, *_WHOLES)]
    numbers += [*evaluation.metrics.values(), *evaluation.class_average_precision.values()]
    numbers += [] if evaluation.stopped_at_step is None else [evaluation.stopped_at_step]
    numbers += [file.num_bytes for file in evaluation.files]
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        raise TypeError("an evaluation has something else where numbers should be")
    texts = [text for file in evaluation.files for text in (file.name, file.key, file.media_type)]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("an evaluation has something else where its files should be")
    if not isinstance(evaluation.device, str) or not isinstance(evaluation.provenance, dict):
        raise TypeError("an evaluation has something else where device and provenance should be")
    return evaluation


def _is_older(path: Path, at: datetime) -> bool:
    """Whether the file is there, and was put before this time."""
    try:
        return path.stat().st_mtime < at.timestamp()
    except FileNotFoundError:
        return False
