from pathlib import Path

import pytest

from nas_controller.dispatch.memory_kills import memory_kills

# Both versions as the kernel writes them; in the second layout both are mounted, as on machines that move over.
CASES = {
    "version 2": (
        "0::/pod/box\n",
        "pod/box/memory.events",
        "low 0\nhigh 4\nmax 9\noom 5\noom_kill 3\noom_group_kill 0\n",
    ),
    "version 1": (
        "5:cpu:/\n4:memory:/pod/box\n0::/\n",
        "memory/pod/box/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    ),
    "a group of its own": ("0::/\n", "memory.events", "oom_kill 3\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_kills_are_read_from_the_group_of_the_process(case: str, tmp_path: Path) -> None:
    membership, name, counters = CASES[case]
    (tmp_path / "membership").write_text(membership)
    path = tmp_path / "groups" / name
    path.parent.mkdir(parents=True)
    path.write_text(counters)
    assert memory_kills(tmp_path / "groups", tmp_path / "membership") == 3


def test_without_groups_or_counters_nothing_was_killed(tmp_path: Path) -> None:
    membership = tmp_path / "membership"
    assert memory_kills(tmp_path, membership) == 0
    for text in ("", "4:memory:/box\n", "0::/\n", "3:cpuset:/\n"):
        membership.write_text(text)
        assert memory_kills(tmp_path, membership) == 0


def test_the_kernel_answers_here_without_an_error() -> None:
    assert memory_kills() >= 0
