"""Which of many trials are shown."""

from collections.abc import Sequence

from nas_controller.records import TrialState

NUM_KINDS = len(TrialState) + 1
"""Of what a run of trials keeps at least: the best, the worst, and one of each other state."""


def kept_points(rewards: Sequence[float | None], states: Sequence[TrialState], max_points: int) -> list[int]:
    """Indices to show, rising: all where there are at most `max_points`; else for each of equal runs of
    trials the highest reward, the lowest, and the last of each other state; and as many more, evenly spread,
    as there is room for, so that what is between the extremes looks as dense as it is."""
    count = len(rewards)
    if count <= max_points:
        return list(range(count))
    width = -(-count * NUM_KINDS // max_points)
    kept: set[int] = set()
    for start in range(0, count, width):
        run = range(start, min(start + width, count))
        scored = [(reward, -index) for index in run if (reward := rewards[index]) is not None]
        if scored:
            kept |= {-max(scored)[1], -min(scored)[1]}
        kept |= set({states[index]: index for index in run if rewards[index] is None}.values())
    others = [index for index in range(count) if index not in kept]
    room = max_points - len(kept)
    return sorted(kept.union(others[place * len(others) // room] for place in range(room)))
