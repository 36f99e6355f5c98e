"""How many processes the kernel has killed for want of memory, in the control group that workers share with us."""

from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def memory_kills(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Kills so far; 0 where the kernel does not say. Of version 2 the count includes the groups below ours.

    Args:
        groups: where control groups are mounted.
        membership: lines ``id:controllers:path`` with the groups of this process (man 7 cgroups).
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return 0
    for _, controllers, path in lines:
        if controllers == "memory":
            return _count(groups / "memory" / path.strip("/") / "memory.oom_control")
    for _, controllers, path in lines:
        if controllers == "":
            return _count(groups / path.strip("/") / "memory.events")
    return 0


def _count(counters: Path) -> int:
    """The number behind ``oom_kill`` in a file of ``name number`` lines."""
    try:
        pairs = dict(line.split() for line in counters.read_text().splitlines())
    except OSError:
        return 0
    return int(pairs.get("oom_kill", 0))
