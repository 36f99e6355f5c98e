"""What a search begins with: reference architectures, the best of earlier searches, and what these measured.

References and the best of each earlier search in turn are asked for as a user would: they are this search's first
trials. Beside that the algorithm is told what an earlier search measured, as far as this search would have measured the
same: the same network, by the same proxy task, data set, trainer and evaluator (`setup.reward_key`). Other rewards
do not compare, and no algorithm is told of them (docs/decisions/0023).

Such a trial is told as if its decisions had been drawn uniformly: a policy learns in full from those that it finds at
least as likely as chance, and less from those that it would not take. All of it is committed before the first trial.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TypeVar

from nas_controller.earlier import EarlierTold, EarlierTrial
from nas_controller.enqueueing import placed
from nas_controller.log_ids import log_ids
from nas_controller.records import EntryKind, LedgerEntry, Trial, TrialKey, TrialState
from nas_controller.requests import MAX_OPEN_REQUESTS, RequestDraft, RequestVerb
from nas_controller.running_search import RunningSearch, SearchFailedError
from nas_controller.search_config import WarmStart
from nas_controller.store.base import NotFoundError, Store
from nas_controller.trial_summaries import TrialSummary
from search_space.decisions import Genotype
from search_space.reference import reference
from search_space.spec import ArchitectureSpec

NOT_IN_SPACE, OFF_BUDGET = "not in this space", "off budget"
OTHER_MEASUREMENT, OTHER_NETWORK = "measured otherwise", "another network here"
"""Of a trial that is not told: by another task, data set, trainer or evaluator; with other widths under this budget."""
_PAGE = 1000

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """A trial of an earlier search, looked at from this one.

    Args:
        draft: the request for its architecture; None where this search would not train it.
        multiply_adds: of the backbone at this search's target.
        reason: why it is not told; "" where it is.
        detail: of the reason, for people.
    """

    number: int
    reward: float
    draft: RequestDraft | None = None
    multiply_adds: int = 0
    reason: str = ""
    detail: str = ""


def warm_start(search: RunningSearch, keep_lease: Callable[[], None]) -> None:
    """Tells what earlier searches measured and asks for what they found, once: before the first trial. Cut in the
    middle, it goes on with what is not committed yet.

    Args:
        keep_lease: called now and then, for this may take longer than a lease.

    Raises:
        SearchFailedError: one of the searches is gone.
    """
    wanted = search.setup.config.warm_start
    if wanted is None:
        return
    told = search.store.read_ledger(search.search_id, limit=len(wanted.searches), kinds=[EntryKind.EARLIER_TOLD])
    if not search.replay.num_trials:
        told = _begin(search, wanted, told, keep_lease)
    for entry in told:
        for one in entry.payload["trials"]:
            search.earlier[one["number"]] = TrialKey(search_id=entry.payload["search"], number=one["trial"])


def _begin(
    search: RunningSearch, wanted: WarmStart, told: Sequence[LedgerEntry], keep_lease: Callable[[], None]
) -> list[LedgerEntry]:
    """Commits what is to be told and asked for; the entries of all that is told."""
    known = {entry.payload["search"] for entry in told}
    next_number = -1 - sum(len(entry.payload["trials"]) for entry in told)
    found = {other: _looked(search, other, wanted, keep_lease) for other in wanted.searches}
    for other, looked in found.items():
        if other not in known:
            earlier = _told(search, other, looked, next_number)
            search.store.tell_earlier(search.lease, earlier, search.now())
            next_number -= len(earlier.trials)
            _log.info("warm start: %s", earlier.words, extra=log_ids(search.search_id))
    asked = search.store.list_requests(search.search_id)
    if not any(request.draft.verb is RequestVerb.WARM_START for request in asked):
        drafts = [*_references(wanted), *_best(found.values(), wanted.top)]
        search.store.add_requests(search.search_id, drafts[:MAX_OPEN_REQUESTS], search.now(), search.lease)
    return search.store.read_ledger(search.search_id, limit=len(found), kinds=[EntryKind.EARLIER_TOLD])


def _references(wanted: WarmStart) -> list[RequestDraft]:
    """A request for each; what this search cannot train is refused when its turn comes, with the reason."""
    return [
        RequestDraft(verb=RequestVerb.WARM_START, spec=reference(name).to_document(), name=name)
        for name in dict.fromkeys(wanted.references)
    ]


def _best(found: Iterable[Sequence[_Looked]], count: int) -> list[RequestDraft]:
    """Requests for the best of each search in turn, each architecture once."""
    ranked = [[one.draft for one in looked if one.draft is not None] for looked in found]
    drafts: dict[Genotype, RequestDraft] = {}
    for draft in chain.from_iterable(zip_longest(*ranked)):
        if draft is not None and len(drafts) < count:
            drafts.setdefault(draft.genotype, draft)
    return list(drafts.values())


def _looked(search: RunningSearch, other: str, wanted: WarmStart, keep_lease: Callable[[], None]) -> list[_Looked]:
    """Trials of an earlier search, best first: as many as there is room for."""
    try:
        summaries = _rewarded(search.store, other)
    except NotFoundError:
        raise SearchFailedError(f"warm_start.searches: no search {other}") from None
    looked = []
    for one in _spread(summaries, _share(wanted, max(wanted.tell, 2 * wanted.top))):
        keep_lease()
        looked.append(_look(search, search.store.get_trial(other, one.number)))
    return looked


def _share(wanted: WarmStart, count: int) -> int:
    """Of so many trials those of one search."""
    return math.ceil(count / len(wanted.searches))


def _rewarded(store: Store, search_id: str) -> list[TrialSummary]:
    """The trials of a search that were trained to their end, best first."""
    found: list[TrialSummary] = []
    while page := store.list_summaries(search_id, _PAGE, found[-1].number if found else 0, [TrialState.COMPLETED]):
        found += page
    return sorted((one for one in found if one.reward is not None), key=lambda one: (-(one.reward or 0.0), one.number))


def _spread(ranked: Sequence[T], most: int) -> list[T]:
    """Of more than so many the best half, and evenly many of the others."""
    if len(ranked) <= most:
        return list(ranked)
    best, rest = ranked[: most // 2], ranked[most // 2 :]
    step = len(rest) / max(most - len(best), 1)
    return [*best, *(rest[int(step * place)] for place in range(most - len(best)))]


def _look(search: RunningSearch, trial: Trial) -> _Looked:
    """Whether the trial's architecture can be trained here, and whether its reward is one of this search."""
    assert trial.reward is not None
    number, reward = trial.number, trial.reward
    genotype, problem = placed(search.setup.config, ArchitectureSpec.from_document(trial.draft.spec))
    if problem:
        reason = OFF_BUDGET if genotype else NOT_IN_SPACE
        return _Looked(number=number, reward=reward, reason=reason, detail=problem)
    source = TrialKey(search_id=trial.search_id, number=number)
    draft = RequestDraft(verb=RequestVerb.WARM_START, source=source, spec=trial.draft.spec, genotype=genotype)
    here = search.setup.draft_requested(draft, number)
    reason = ""
    if trial.draft.measurement_key != search.setup.reward_key:
        reason = OTHER_MEASUREMENT
    elif trial.draft.fingerprint != here.fingerprint:
        reason = OTHER_NETWORK
    multiply_adds = here.target_cost.backbone_multiply_adds
    return _Looked(number=number, reward=reward, draft=draft, multiply_adds=multiply_adds, reason=reason)


def _told(search: RunningSearch, other: str, looked: Sequence[_Looked], next_number: int) -> EarlierTold:
    """What is told of one earlier search, in the order in which that found it."""
    wanted = search.setup.config.warm_start
    assert wanted is not None
    told = _spread([one for one in looked if not one.reason], _share(wanted, wanted.tell))
    trials = [
        EarlierTrial(
            number=next_number - place,
            trial=one.number,
            genotype=one.draft.genotype,
            reward=one.reward,
            multiply_adds=one.multiply_adds,
        )
        for place, one in enumerate(sorted(told, key=lambda one: one.number))
        if one.draft is not None
    ]
    space = search.store.get_search(other).config["space"]
    return EarlierTold(
        search_id=other,
        space=space,
        num_looked_at=len(looked),
        left_out=Counter(one.reason for one in looked if one.reason),
        words=f"{len(trials)} of {len(looked)} trials of {other} ({space}) are told{_left_out(looked)}",
        log_probs=tuple(-math.log(count) for count in search.setup.space.option_counts),
        trials=tuple(trials),
    )


def _left_out(looked: Sequence[_Looked]) -> str:
    """How many are not told, by reason, each with an example."""
    words = ""
    for reason, count in Counter(one.reason for one in looked if one.reason).items():
        first = next(one for one in looked if one.reason == reason)
        example = f" (trial {first.number}: {first.detail})" if first.detail else ""
        words += f"; {count} {reason}{example}"
    return words
