"""Whether all that a search asked and told follows from its document: what `spinesearch replay` does.

The whole ledger is folded from its first entry. Every sampled trial is asked for again and its architecture decoded
again; every state that was recorded on the way is compared. No data set, no accelerator and no lease is needed, and the
search may be running.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nas_controller.algorithms.base import Proposal
from nas_controller.algorithms.table import configured_algorithm
from nas_controller.records import EntryKind, LedgerEntry, Snapshot, Trial
from nas_controller.replay import Replay
from nas_controller.requests import ARMS
from nas_controller.search_config import SearchConfig
from nas_controller.snapshots import state_sha256
from nas_controller.store.base import Store
from nas_controller.store.rules import REFERENCE_ARM
from search_space.budget import FlopsBudget, decode_within
from search_space.decisions import SearchSpace
from search_space.fingerprint import fingerprint
from search_space.plan import resolve
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec, SpecError

_TRIALS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Something that was recorded so, and came out otherwise."""

    what: str
    recorded: str
    rederived: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first mismatch.

    Args:
        sequence: of its entry in the ledger.
        trial_number: None where the entry is of no trial.
        versions: by name, those that differ: recorded and here; None where none were recorded.
    """

    sequence: int
    trial_number: int | None
    mismatch: Mismatch
    versions: Mapping[str, tuple[str, str]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came out.

    Args:
        num_entries: ledger entries that were folded.
        num_asks, num_tells: sampled trials that were asked for again, and told again.
        num_states: recorded states that the algorithm's was equal to.
        last_state_at: the entry of the last of them; 0 for none.
        state_sha256: of the algorithm's state after the last entry (`snapshots.state_sha256`).
    """

    search_id: str
    num_entries: int
    num_asks: int
    num_tells: int
    num_states: int
    last_state_at: int
    state_sha256: str
    difference: Difference | None


def verify(
    store: Store, search_id: str, versions: Mapping[str, str], on_entry: Callable[[int, int], None]
) -> Verification:
    """Replays what is committed now, up to the first difference.

    Args:
        versions: of what computes here (`algorithms.versions`).
        on_entry: called after each entry with its sequence number and the last one's.
    """
    search = store.get_search(search_id)
    config = SearchConfig.from_document(search.config)
    space = find_space(config.space)
    algorithm = configured_algorithm(config, space)
    verifying = _Verifying(Replay(store, search_id, algorithm), config, space, store.list_snapshots(search_id))
    difference = None
    for sequence, trial_number, mismatch in verifying.steps(search.last_sequence):
        if mismatch is not None:
            differing = verifying.differing_versions(sequence, versions)
            difference = Difference(sequence=sequence, trial_number=trial_number, mismatch=mismatch, versions=differing)
            break
        on_entry(sequence, search.last_sequence)
    return Verification(
        search_id=search_id,
        num_entries=verifying.replay.sequence,
        num_asks=verifying.num_asks,
        num_tells=verifying.replay.num_told,
        num_states=verifying.num_states,
        last_state_at=verifying.last_state_at,
        state_sha256=state_sha256(algorithm.state_dict()),
        difference=difference,
    )


@dataclass
class _Verifying:
    """A replay under way, the rows of trials that are not finished in it, and the device of latencies."""

    replay: Replay
    config: SearchConfig
    space: SearchSpace
    snapshots: list[Snapshot]
    trials: dict[int, Trial] = field(default_factory=dict)
    num_asks: int = 0
    num_states: int = 0
    last_state_at: int = 0
    device: Mapping[str, Any] | None = None

    def steps(self, last_sequence: int) -> Iterator[tuple[int, int | None, Mismatch | None]]:
        """Sequence and trial number of each entry up to a last one, with what does not fit."""
        while self.replay.sequence < last_sequence:
            page = self.replay.store.read_ledger(self.replay.search_id, self.replay.sequence)
            for entry in page:
                if entry.sequence <= last_sequence:
                    yield entry.sequence, entry.trial_number, self._step(entry)
            if not page:
                expected = self.replay.sequence + 1
                yield expected, None, Mismatch(what="the next entry", recorded="none", rederived=str(expected))

    def differing_versions(self, sequence: int, here: Mapping[str, str]) -> Mapping[str, tuple[str, str]] | None:
        """What the last snapshot before an entry was computed with, and is not so here."""
        before = [snapshot for snapshot in self.snapshots if snapshot.sequence <= sequence]
        if not before:
            return None
        then = before[-1].versions
        names = sorted({*then, *here})
        pairs = {name: (then.get(name, "none"), here.get(name, "none")) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def _step(self, entry: LedgerEntry) -> Mismatch | None:
        """Takes in an entry; the first thing about it that does not fit."""
        expected = self.replay.sequence + 1
        if entry.sequence != expected:
            return Mismatch(what="the next entry", recorded=str(entry.sequence), rederived=str(expected))
        mismatch = None
        if entry.kind is EntryKind.TRIAL_CREATED and entry.payload["arm"] in ARMS.values():
            mismatch = self._requested(entry)
        elif entry.kind is EntryKind.TRIAL_CREATED and entry.payload["arm"] != REFERENCE_ARM:
            mismatch = self._ask(entry)
        elif entry.kind is EntryKind.TRIAL_TIMED:
            mismatch = self._time(entry)
        elif entry.kind is EntryKind.TRIAL_FINISHED:
            mismatch = self._finish(entry)
        if mismatch is not None:
            return mismatch
        try:
            self.replay.add(entry)
        except ValueError as error:
            return Mismatch(what="what is told", recorded=str(error), rederived="a trial to learn from")
        return self._compare_state(entry.sequence)

    def _ask(self, entry: LedgerEntry) -> Mismatch | None:
        number, payload = entry.trial_number or 0, entry.payload
        trial = self._trial(number)
        if trial is None:
            return Mismatch(what="the trial's row", recorded="none", rederived=f"trial {number}")
        proposal = self.replay.algorithm.ask(number)
        self.num_asks += 1
        return (
            _genotype_mismatch(self.space, payload["genotype"], proposal)
            or _log_prob_mismatch(self.space, payload["log_probs"], proposal)
            or _mismatch("arm", payload["arm"], proposal.arm)
            or _row_mismatch(payload, _created_row(trial))
            or self._architecture_mismatch(trial)
        )

    def _requested(self, entry: LedgerEntry) -> Mismatch | None:
        """No algorithm was asked for what a user wanted; but what the genotype means follows from it."""
        trial = self._trial(entry.trial_number or 0)
        if trial is None:
            return Mismatch(what="the trial's row", recorded="none", rederived=f"trial {entry.trial_number}")
        mismatch = _row_mismatch(entry.payload, _created_row(trial))
        return mismatch if mismatch or not trial.draft.genotype else self._architecture_mismatch(trial)

    def _architecture_mismatch(self, trial: Trial) -> Mismatch | None:
        """The spec that a genotype becomes under the budget, and the network that this is at the target."""
        target, name = self.config.target_network(), f"{self.config.name}-{trial.number}"
        spec = decode_within(self.space, trial.draft.genotype, target, self._settled_at(trial), name)
        return _spec_mismatch(trial.draft.spec, spec) or _mismatch(
            "fingerprint", trial.draft.fingerprint, fingerprint(resolve(spec, target))
        )

    def _settled_at(self, trial: Trial) -> FlopsBudget:
        """The budget of a trial's widths. What a user asked for was settled at the target nearest to its cost, so it
        costs nearly what that target says."""
        if self.config.front is None or trial.draft.arm in ARMS.values():
            return self.config.budget_near(trial.draft.target_cost.backbone_multiply_adds)
        return self.config.front.budget_for(trial.number)

    def _time(self, entry: LedgerEntry) -> Mismatch | None:
        """What the ledger says of a trial's latency is what its row says, and all are of one device."""
        trial = self._trial(entry.trial_number or 0)
        if trial is None:
            return Mismatch(what="the trial's row", recorded="none", rederived=f"trial {entry.trial_number}")
        timed = entry.payload["latency"]
        self.device = self.device or timed["device"]
        row = {"latency": trial.latency and trial.latency.to_document()}
        return _row_mismatch(entry.payload, row) or _mismatch("device of the latency", timed["device"], self.device)

    def _finish(self, entry: LedgerEntry) -> Mismatch | None:
        """What the ledger says became of a trial is what its row says."""
        trial = self._trial(entry.trial_number or 0)
        self.trials.pop(entry.trial_number or 0, None)
        if trial is None:
            return Mismatch(what="the trial's row", recorded="none", rederived=f"trial {entry.trial_number}")
        return _row_mismatch(entry.payload, {"state": trial.state.value, "reward": trial.reward})

    def _compare_state(self, sequence: int) -> Mismatch | None:
        for snapshot in self.snapshots:
            if snapshot.sequence == sequence:
                state = state_sha256(self.replay.algorithm.state_dict())
                if state != snapshot.state_sha256:
                    return Mismatch(what="sha256 of the state", recorded=snapshot.state_sha256, rederived=state)
                self.num_states += 1
                self.last_state_at = sequence
        return None

    def _trial(self, number: int) -> Trial | None:
        """The row of a trial. Rows are read after the last sequence number was: they are never older than an entry."""
        if number not in self.trials:
            page = self.replay.store.list_trials(self.replay.search_id, _TRIALS_AT_ONCE, number - 1)
            self.trials.update({trial.number: trial for trial in page if trial.number not in self.trials})
        return self.trials.get(number)


def _created_row(trial: Trial) -> dict[str, Any]:
    """What the ledger says when a trial is created."""
    draft = trial.draft
    row = {"arm": draft.arm, "genotype": list(draft.genotype), "log_probs": list(draft.log_probs)}
    return {**row, "fingerprint": draft.fingerprint}


def _mismatch(what: str, recorded: object, rederived: object) -> Mismatch | None:
    if recorded == rederived:
        return None
    return Mismatch(what=what, recorded=repr(recorded), rederived=repr(rederived))


def _row_mismatch(payload: Mapping[str, Any], row: Mapping[str, Any]) -> Mismatch | None:
    """The first thing that an entry of the ledger and a trial's row say differently."""
    for name, value in row.items():
        if payload[name] != value:
            return Mismatch(what=f"{name} in ledger and row", recorded=repr(payload[name]), rederived=repr(value))
    return None


def _spec_mismatch(document: Mapping[str, Any], rederived: ArchitectureSpec) -> Mismatch | None:
    """The first part of two architectures that differs: a block, or a setting."""
    try:
        recorded = ArchitectureSpec.from_document(document)
    except SpecError as error:
        return Mismatch(what="architecture", recorded=str(error), rederived="a valid one")
    pairs = zip(recorded.blocks, rederived.blocks, strict=False)
    blocks = [(f"block {index} of the architecture", *pair) for index, pair in enumerate(pairs)]
    settings = [
        (f"{field.name} of the architecture", getattr(recorded, field.name), getattr(rederived, field.name))
        for field in fields(ArchitectureSpec)
    ]
    return next(filter(None, (_mismatch(*each) for each in [*blocks, *settings])), None)


def _genotype_mismatch(space: SearchSpace, recorded: list[int], proposal: Proposal) -> Mismatch | None:
    """The first decision that was taken otherwise, and what the two options mean."""
    for position, index in enumerate(proposal.genotype):
        if position >= len(recorded) or recorded[position] != index:
            point = space.options(proposal.genotype[:position])
            assert point is not None
            labels = [f"option {number} ({option.label})" for number, option in enumerate(point.options)]
            index_then = recorded[position] if position < len(recorded) else -1
            then = labels[index_then] if 0 <= index_then < len(labels) else f"{index_then}, which is not offered"
            return Mismatch(
                what=f"genotype[{position}] ({space.describe_point(position)})",
                recorded=then,
                rederived=labels[index],
            )
    return _mismatch("genotype", recorded, list(proposal.genotype))


def _log_prob_mismatch(space: SearchSpace, recorded: list[float], proposal: Proposal) -> Mismatch | None:
    for position, (then, here) in enumerate(zip(recorded, proposal.log_probs, strict=False)):
        if then != here:
            return _mismatch(f"log_probs[{position}] ({space.describe_point(position)})", then, here)
    return _mismatch("log_probs", recorded, list(proposal.log_probs))
