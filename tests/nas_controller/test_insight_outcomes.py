from nas_controller.insight.outcomes import Outcome, Outcomes
from nas_controller.records import TrialState
from tests.nas_controller.insight_cases import CONFIG, TrialLedger, folded

FAILED, INFEASIBLE = TrialState.FAILED, TrialState.INFEASIBLE


def test_trials_are_counted_by_what_they_came_to() -> None:
    centre = CONFIG.flops_budget().centre
    ledger = TrialLedger()
    for _ in range(7):
        ledger.create()
    ledger.finish(1, 0.25)
    ledger.fail(2, "diverged", "loss is nan at step 3")
    ledger.fail(3, "out_of_memory", "x" * 1000)
    ledger.fail(4, "diverged", "loss is inf at step 9")
    ledger.finish(5, 0.125, TrialState.STOPPED_EARLY, stopped_at_step=75)
    ledger.finish(ledger.create(centre * 2), None, INFEASIBLE, failure="too many multiply-adds")
    ledger.finish(ledger.create(centre // 2), None, INFEASIBLE, failure="too few multiply-adds")
    ledger.finish(6, None, TrialState.CANCELLED)
    ledger.finish(7, None, TrialState.CANCELLED)
    outcomes = folded(ledger.entries).outcomes
    assert list(outcomes.by_reason.values()) == [
        Outcome(FAILED, "diverged", 2, 4, "loss is inf at step 9"),
        Outcome(FAILED, "out_of_memory", 1, 3, "x" * 200),
        Outcome(TrialState.STOPPED_EARLY, "step_75", 1, 5),
        Outcome(INFEASIBLE, "above_budget", 1, 8, "too many multiply-adds"),
        Outcome(INFEASIBLE, "below_budget", 1, 9, "too few multiply-adds"),
        Outcome(TrialState.CANCELLED, "search_ended", 2, 7),
    ]
    assert Outcomes.from_document(centre, outcomes.to_document()) == outcomes
