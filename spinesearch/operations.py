"""What the process of an operation does: makes the file, keeps it, and says so; or says why there is none."""

import logging
import re
import resource
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from nas_controller.artifacts.base import ArtifactStore
from nas_controller.operations.records import OnnxExport, OperationKind, OperationLease, OperationResult, Work
from nas_controller.store.base import LeaseLostError, Store

Make = Callable[[Work, Path], None]
"""Does the work, as a file of that path. Raises ValueError, with a sentence for people, where it cannot be done, and
MemoryError where memory ran out."""
_DATA = re.compile(r"^VmData:\s+(\d+) kB$", re.MULTILINE)

_log = logging.getLogger(__name__)


def carry_out(
    store: Store,
    artifacts: ArtifactStore,
    lease: OperationLease,
    folder: Path,
    now: Callable[[], datetime],
    makers: "Mapping[OperationKind, Make] | None" = None,
) -> None:
    """Carries out an operation that was claimed. Whatever it ends with is written, but for an error of the database.

    Args:
        folder: of this operation alone; what an earlier process of it left there is removed, and nothing stays.
        makers: how work is done, by its kind; None for `MAKERS`.
    """
    work = store.get_operation(lease.operation_id).work
    outcome = _outcome(work, artifacts, folder, (makers or MAKERS)[work.kind])
    try:
        store.finish_operation(lease, outcome, now())
    except LeaseLostError as error:
        _log.warning("%s: another process goes on", error)


def _outcome(work: Work, artifacts: ArtifactStore, folder: Path, make: Make) -> OperationResult | str:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        path = folder / "made"
        make(work, path)
        content = path.read_bytes()
        return OperationResult(key=artifacts.put(content), num_bytes=len(content))
    except Exception as error:
        _log.warning("operation %s failed", work.id, exc_info=True)
        return _problem(error).replace(f"{folder}/", "")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _problem(error: Exception) -> str:
    """A sentence for people."""
    if isinstance(error, MemoryError):
        return "the controller has not enough memory to make it"
    if isinstance(error, ValueError):
        return str(error)
    first_line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first_line}"


def keep_to_free_memory() -> None:
    """From now on this process gets as much memory as is free now: it hears that there is no more, before the system
    ends it, or with it the controller. Nothing where that cannot be told."""
    from trainer.memory import control_group_rooms, machine_rooms

    status = Path("/proc/self/status")
    rooms = [*control_group_rooms(), *machine_rooms()]
    found = _DATA.search(status.read_text()) if status.exists() else None
    if not rooms or found is None:
        return
    limit, (_, hard) = int(found[1]) * 1024 + min(rooms), resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _make_onnx(work: Work, path: Path) -> None:
    from search_space.plan import resolve
    from trainer.memory import is_out_of_memory
    from trainer.onnx_file import write_onnx

    wanted = OnnxExport.from_document(work.document)
    try:
        write_onnx(resolve(wanted.spec, wanted.target), path)
    except (RuntimeError, SystemError) as error:
        # Where C code has no memory left for its own exception, Python raises a SystemError.
        if isinstance(error, SystemError) or is_out_of_memory(error) or isinstance(error.__cause__, MemoryError):
            raise MemoryError from error
        raise


MAKERS: Mapping[OperationKind, Make] = {OperationKind.EXPORT_ONNX: _make_onnx}
