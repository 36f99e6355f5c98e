"""Which searches start and what the others are told, by example and as invariants over whole days of a machine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from nas_controller.queueing import BACKFILL_SECONDS, Waiting, reasons_to_wait
from nas_controller.resources import UNLIMITED, Resources

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Resources(searches=3, workers=8, cpus=8, gpus=2, tpus=0)
NOTHING = Resources()
TICK_SECONDS = 60
LONGEST = 3600
"""Seconds that a search of the stream runs."""


def cpus(number: int) -> Resources:
    return Resources(searches=1, workers=number, cpus=number)


def waiting(search_id: str, needs: Resources, seconds: float = 0.0) -> Waiting:
    return Waiting(search_id=search_id, needs=needs, since=NOW - timedelta(seconds=seconds))


def reasons(*queue: Waiting, capacity: Resources = MACHINE, taken: Resources = NOTHING) -> list[str]:
    return list(reasons_to_wait(queue, capacity, taken, NOW).values())


def test_searches_that_fit_side_by_side_start() -> None:
    assert reasons(waiting("a", cpus(4)), waiting("b", cpus(4)), waiting("c", cpus(1))) == [
        "",
        "",
        "waiting for 1 worker of 8 and 1 CPU of 8: searches that run leave fewer",
    ]


def test_the_number_of_searches_may_be_what_is_missing() -> None:
    taken = cpus(1) + cpus(1) + cpus(1)
    assert reasons(waiting("a", cpus(1)), taken=taken) == ["waiting for 1 place of 3: searches that run leave fewer"]


def test_a_search_that_can_never_fit_says_so_and_blocks_nobody() -> None:
    needs = Resources(searches=1, workers=9, cpus=1, gpus=4)
    assert reasons(waiting("a", needs, BACKFILL_SECONDS * 100), waiting("b", cpus(8))) == [
        "cannot start here: it asks for 9 workers, there are 8 and for 4 GPUs, there are 2",
        "",
    ]


def test_smaller_searches_start_past_a_larger_one_for_a_while_only() -> None:
    def queue(seconds: float) -> list[Waiting]:
        return [waiting("large", cpus(8), seconds), waiting("small", cpus(1)), waiting("huge", cpus(9))]

    is_missing = "waiting for 8 workers of 8 and 8 CPUs of 8: searches that run leave fewer"
    never = "cannot start here: it asks for 9 workers, there are 8 and for 9 CPUs, there are 8"
    assert reasons(*queue(BACKFILL_SECONDS - 1), taken=cpus(2)) == [is_missing, "", never]
    behind = "waiting behind search large, which has waited for its room longest"
    assert reasons(*queue(BACKFILL_SECONDS), taken=cpus(2)) == [is_missing, behind, never]
    has_room = "waiting for 1 worker of 8 and 1 CPU of 8: searches that run leave fewer"
    assert reasons(*queue(BACKFILL_SECONDS)) == ["", has_room, never]


def test_it_is_the_first_without_room_that_the_others_wait_behind() -> None:
    queue = [waiting("first", cpus(8), BACKFILL_SECONDS), waiting("second", cpus(8)), waiting("small", cpus(1))]
    behind = "waiting behind search first, which has waited for its room longest"
    assert reasons(*queue, taken=cpus(2))[1:] == [behind, behind]
    queue = [waiting("first", cpus(8)), waiting("second", cpus(8), BACKFILL_SECONDS), waiting("small", cpus(1))]
    assert reasons(*queue, taken=cpus(2))[2] == ""


def test_nothing_is_missing_where_nobody_counts() -> None:
    needs = Resources(searches=1, workers=10**6, cpus=10**9, gpus=64, tpus=64)
    assert reasons(waiting("a", needs), waiting("b", needs), capacity=UNLIMITED, taken=needs) == ["", ""]


@dataclass(frozen=True)
class Job:
    """A search as the machine sees it: it comes, and ends so long after it was started."""

    name: str
    needs: Resources
    comes_at: int
    seconds: int


def simulate(jobs: Iterable[Job], capacity: Resources, seconds: int) -> Iterator[tuple[int, Job]]:
    """When each job is started, in seconds; asserts on the way that no more is taken than there is."""
    coming, queue, running = sorted(jobs, key=lambda job: job.comes_at), list[Job](), list[tuple[int, Job]]()
    since = dict[str, datetime]()
    for at in range(0, seconds, TICK_SECONDS):
        now = NOW + timedelta(seconds=at)
        queue += [job for job in coming if job.comes_at <= at]
        coming = [job for job in coming if job.comes_at > at]
        running = [(ends_at, job) for ends_at, job in running if ends_at > at]
        asked = [Waiting(search_id=job.name, needs=job.needs, since=since.setdefault(job.name, now)) for job in queue]
        said = reasons_to_wait(asked, capacity, sum_of(running), now)
        running += [(at + job.seconds, job) for job in queue if not said[job.name]]
        assert sum_of(running).beyond(capacity) == []
        yield from [(at, job) for job in queue if not said[job.name]]
        queue = [job for job in queue if said[job.name]]


def sum_of(running: Iterable[tuple[int, Job]]) -> Resources:
    return sum((job.needs for _, job in running), NOTHING)


needs = st.builds(
    Resources,
    searches=st.just(1),
    workers=st.integers(1, 10),
    cpus=st.integers(1, 10),
    gpus=st.integers(0, 3),
    tpus=st.integers(0, 1),
)


small = st.builds(
    Resources, searches=st.just(1), workers=st.integers(1, 3), cpus=st.integers(1, 3), gpus=st.integers(0, 1)
)
jobs = st.builds(Job, st.uuids().map(str), needs, st.integers(0, 7200), st.integers(1, 7200))


@given(st.lists(jobs, max_size=30, unique_by=lambda job: job.name))
def test_every_search_that_fits_an_empty_machine_is_started_and_no_other(jobs: list[Job]) -> None:
    # While one can run, one does: so all end no later than if they ran one after the other, in whole ticks.
    enough = 7200 + sum(job.seconds + TICK_SECONDS for job in jobs) + 2 * TICK_SECONDS
    started = [job for _, job in simulate(jobs, MACHINE, enough)]
    assert len(started) == len(set(started))
    assert set(started) == {job for job in jobs if job.needs.beyond(MACHINE) == []}


@given(st.lists(st.tuples(small, st.integers(600, LONGEST)), min_size=1, max_size=10))
def test_a_search_as_large_as_the_machine_gets_it_from_an_endless_stream_of_others(
    others: list[tuple[Resources, int]],
) -> None:
    """One runs when it comes, and then one comes every minute. Nobody starts past it once it has waited so long."""
    latest = TICK_SECONDS + int(BACKFILL_SECONDS) + LONGEST
    stream = [
        Job(str(at), need, at, seconds)
        for at, (need, seconds) in zip(range(0, latest, TICK_SECONDS), cycle(others), strict=False)
    ]
    large = Job("large", MACHINE, 1, 60)
    assert any(job is large for _, job in simulate([*stream, large], MACHINE, latest + TICK_SECONDS))
