"""What a search that comes over REST may name: folders with data, and evaluators, which are code that would run.

The document is the sender's, the machine is not. `spinesearch search run FILE` is the user's own process and is not
asked: it may read and run what the user may.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas_controller.dispatch.worker import DETECTION
from nas_controller.search_config import CocoData, SearchConfig, SearchConfigError

DATA_ROOTS = "SPINESEARCH_DATA_ROOTS"
EVALUATORS = "SPINESEARCH_EVALUATORS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the operator of a service allows.

    Args:
        data_roots: folders below which data sets lie; ``$SPINESEARCH_DATA_ROOTS``, separated by colons; by default the
            home and the working directory, where that is not the root of the file system.
        evaluators: ``package.module:function``, or ``package.module`` for all in it and below;
            ``$SPINESEARCH_EVALUATORS``, separated by commas; by default none but ours.
    """

    data_roots: tuple[Path, ...]
    evaluators: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], home: Path, working_directory: Path) -> "Admission":
        """What the environment allows; a variable that is empty is one that is not set."""
        defaults = [home] if working_directory == working_directory.parent else [home, working_directory]
        roots = [Path(root) for root in environment.get(DATA_ROOTS, "").split(os.pathsep) if root] or defaults
        names = [name.strip() for name in environment.get(EVALUATORS, "").split(",")]
        return cls(
            data_roots=tuple(root.resolve() for root in roots),
            evaluators=tuple(name for name in names if name),
        )

    def check(self, config: SearchConfig) -> None:
        """Lets a document pass whose paths and evaluator are allowed. Imports nothing, opens no file.

        Raises:
            SearchConfigError: with the place of the first that is not.
        """
        if not self._allows_evaluator(config.evaluator):
            raise SearchConfigError(
                "evaluator", f"{config.evaluator!r}: not allowed over REST; ${EVALUATORS} of the service lists what is"
            )
        if config.data != "generated":
            for place, path in _paths(config.data):
                self._check_path(place, path)

    def _allows_evaluator(self, name: str) -> bool:
        module = name.partition(":")[0]
        return name == DETECTION or any(
            allowed in (name, module) or (":" not in allowed and module.startswith(f"{allowed}."))
            for allowed in self.evaluators
        )

    def _check_path(self, place: str, path: Path) -> None:
        """Links are followed first: what counts is where a path leads."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null character
            raise SearchConfigError(place, f"{str(path)!r}: not a path: {error}") from error
        if not any(real.is_relative_to(root) for root in self.data_roots):
            roots = os.pathsep.join(map(str, self.data_roots))
            raise SearchConfigError(place, f"{path}: not below the folders for data; ${DATA_ROOTS} is {roots}")


def _paths(data: CocoData) -> Iterator[tuple[str, Path]]:
    """All paths of a data set, with their places; one of a split may be absolute, or lead up."""
    yield "data.root", data.root
    for name, split in (("train", data.train), ("val", data.val)):
        yield f"data.{name}.images", data.root / split.images
        yield f"data.{name}.annotations", data.root / split.annotations
