from random import Random

from nas_controller.insight.rises import MAX_RISES, Rise, Rises
from nas_controller.records import TrialState
from tests.nas_controller.insight_cases import TrialLedger, folded


def test_a_trial_rises_where_it_is_better_than_all_that_ended_before() -> None:
    ledger = TrialLedger()
    first, second, third, fourth, fifth = (ledger.create() for _ in range(5))
    ledger.finish(second, 0.25)  # the sixth entry: five seconds after the first
    ledger.finish(first, 0.125)
    ledger.finish(third, 0.5, TrialState.STOPPED_EARLY)
    ledger.fail(fourth, "diverged")
    ledger.finish(ledger.create(), None, TrialState.INFEASIBLE)
    ledger.finish(fifth, 0.375)
    rises = folded(ledger.entries).rises
    # The one stopped early and the failed one were trained, but the infeasible one was not.
    assert rises.rises == [Rise(1, 5.0, 0.25, second), Rise(5, 11.0, 0.375, fifth)]
    assert (rises.trained, rises.seconds) == (5, 11.0)


def test_rises_are_bounded_and_the_last_stays() -> None:
    ledger = TrialLedger()
    for step in range(5000):
        ledger.finish(ledger.create(), step / 5000)
    rises = folded(ledger.entries).rises
    assert len(rises.rises) <= MAX_RISES
    assert rises.rises[-1].reward == 4999 / 5000
    assert rises.rises[0].trained == 1
    rewards = [rise.reward for rise in rises.rises]
    assert rewards == sorted(rewards)


def test_rises_go_on_from_their_document() -> None:
    rng, ledger = Random(1), TrialLedger()
    for _ in range(200):
        ledger.finish(ledger.create(), rng.random())
    whole = folded(ledger.entries).rises
    for cut in (0, 1, 2, 150):
        rises = Rises.from_document(folded(ledger.entries[:cut]).rises.to_document())
        for entry in ledger.entries[cut:]:
            rises.apply(entry)
        assert rises == whole
