"""Results of `bench algorithms` in a file, so that hours of searches can be interrupted and go on.

One line for each search, written when it ends. What other code has run, or other libraries, is run again.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from nas_controller.algorithms.versions import versions_here
from spinesearch.bench.algorithm_tasks import Result, Task

PACKAGES = ("search_space", "trainer", "nas_controller", "spinesearch/bench")
"""Whose code decides what a search finds."""


class KeptResults:
    """What the searches of a file gave.

    Args:
        path: of the file; made with the first result.

    Raises:
        ValueError: a line that is not one of ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._code = _code_digest()
        self._results = _read(path)

    def get(self, task: Task) -> Result | None:
        """What the search gave with this very code; None if it was not run."""
        return self._results.get(self._key(task))

    def add(self, task: Task, result: Result) -> None:
        """Writes a line."""
        key = self._key(task)
        line = json.dumps({"key": key, "task": asdict(task), "result": asdict(result)})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._results[key] = result

    def _key(self, task: Task) -> str:
        """Neither the contender's name nor how far it is run elsewhere matters."""
        contender = {"algorithm": task.contender.algorithm, "settings": task.contender.settings}
        what = [self._code, asdict(task) | {"contender": contender}]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _code_digest() -> str:
    """Of all source files that matter, and of what the last bit of a number depends on."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256(json.dumps(versions_here(), sort_keys=True).encode())
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Result]:
    """By key. A last line that an interruption cut off is taken from the file."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    results = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            document = json.loads(line)
            results[document["key"]] = Result.from_document(document["result"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: not a kept result of a search ({error})") from None
    return results
