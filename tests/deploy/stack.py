"""The services of `docker-compose.yml` as plain processes on 127.0.0.1: same commands, same environment."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.deploy.compose import ROOT, Service, image_environment

MARK = "SPINESEARCH_TEST_STACK"
HEALTHY_SECONDS = 120.0
STOP_SECONDS = 60.0


class Started(NamedTuple):
    """A service, what its names stand for, and its process."""

    service: Service
    names: Mapping[str, str]
    process: "subprocess.Popen[bytes]"


@dataclass
class Stack:
    """Processes of one folder, and how the names of containers are said on this machine.

    Args:
        names: a pattern in a command or an environment, and what stands in its place.
    """

    folder: Path
    names: Mapping[str, str]
    programs: Path
    started: dict[str, Started] = field(default_factory=dict)

    def start(self, service: Service, name: str | None = None, **names: str) -> None:
        """Runs the command of a service, under another name where there are several of it."""
        name = name or service.name
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [self._local(word, names) for word in service.command],
                env=self.environment(service, names),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started[name] = Started(service, names, process)

    def restart_ended(self) -> None:
        """What ended runs again, where the file says so: a Ray node does that gives up starting on a busy machine."""
        for name, (service, names, process) in list(self.started.items()):
            if process.poll() is not None and service.document.get("restart") == "unless-stopped":
                self.start(service, name, **names)

    def run(self, service: Service, *command: str, **names: str) -> "subprocess.CompletedProcess[str]":
        """A command inside of a service, to its end."""
        line = [self._local(word, names) for word in command]
        environment = self.environment(service, names)
        return subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    def await_health(self, service: Service, **names: str) -> None:
        """Returns when the service's own health check passes; AssertionError when it does not in time."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        while (result := self.run(service, *service.health, **names)).returncode != 0:
            assert time.monotonic() < deadline, f"{service.name}: {result.stdout}{result.stderr}{self.logs()}"
            self.restart_ended()
            time.sleep(0.5)

    def environment(self, service: Service, names: Mapping[str, str]) -> dict[str, str]:
        """What the image and the compose file set, and what a machine has: a path, a place for temporary files."""
        programs = [str(self.folder / "bin"), str(Path(sys.executable).parent), str(self.programs), os.defpath]
        said = {**image_environment(), **service.environment}
        return {
            **{name: self._local(value, names) for name, value in said.items()},
            "PATH": os.pathsep.join(programs),
            "RAY_TMPDIR": str(self.folder),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            MARK: str(self.folder),
        }

    def log(self, name: str) -> Path:
        """Where a service's standard output goes."""
        return self.folder / f"{name}.log"

    def logs(self) -> str:
        """What all services said."""
        return "\n".join(f"== {name}\n{self.log(name).read_text(errors='replace')}" for name in self.started)

    def stop(self) -> None:
        """SIGTERM for each, the last one first, as compose does; none may need more."""
        for name, (_, _, process) in reversed(self.started.items()):
            process.terminate()
            assert process.wait(STOP_SECONDS) is not None, name

    def kill(self) -> None:
        """Leaves nothing behind, whatever happened."""
        for left in self.left():
            left.kill()
        for _, _, process in self.started.values():
            process.wait()

    def left(self) -> list[psutil.Process]:
        """Every process that was started with this stack's environment, by whomever, and is not at its end."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def _local(self, text: str, names: Mapping[str, str]) -> str:
        for pattern, replacement in {**self.names, **names}.items():
            text = re.sub(pattern, replacement, text)
        return text
