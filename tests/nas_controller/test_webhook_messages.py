"""Which messages a ledger makes."""

import json
from dataclasses import replace

import pytest

from nas_controller.records import EntryKind, LedgerEntry, SearchState
from nas_controller.requests import PAUSED_BY_USER
from nas_controller.store.base import NotFoundError
from nas_controller.store.memory import MemoryStore
from nas_controller.webhooks.messages import body_of, course_after, message_of_test, message_types, next_message
from nas_controller.webhooks.records import Course, Message, MessageType, WebhookCursor
from tests.conformance.store_cases import MODEL_FAILURE, START, at, claimed, finished, make_reference, started, stopped
from tests.conformance.store_webhook_suite import make_cursor, make_webhook

ALL = (MessageType.SEARCH_STATE, MessageType.SEARCH_BEST, MessageType.SEARCH_FAILING)
FAILING = "11 trials failed, limits.failures allows 0.25 of 40; the last: diverged: nan"


def messages(store: MemoryStore, cursor: WebhookCursor | None = None, *types: MessageType) -> list[Message]:
    """All that follow on a cursor."""
    webhook, found = make_webhook(types=types or ALL), []
    message, cursor = next_message(store, webhook, cursor or make_cursor())
    while message is not None:
        found.append(message)
        assert message.done is not None
        message, cursor = next_message(store, webhook, message.done)
    return found


def test_a_search_from_its_beginning_to_its_end() -> None:
    store = MemoryStore()
    lease = claimed(store)  # entries 1 and 2
    for number, reward in enumerate([0.25, 0.125, 0.25, 0.5], 1):  # three entries each
        finished(store, lease, number, reward)
    store.set_search_state(lease, SearchState.SUCCEEDED, "limit reached: 4 trials", at(50))
    found = messages(store)
    assert [(each.id, each.data) for each in found] == [
        ("w1_s1_1_state", {"search": "s1", "name": "blood cells", "state": "pending", "reason": ""}),
        ("w1_s1_2_state", {"search": "s1", "name": "blood cells", "state": "running", "reason": ""}),
        ("w1_s1_5_best", {"search": "s1", "name": "blood cells", "trial": 1, "reward": 0.25, "best_before": None}),
        ("w1_s1_14_best", {"search": "s1", "name": "blood cells", "trial": 4, "reward": 0.5, "best_before": 0.25}),
        (
            "w1_s1_15_state",
            {"search": "s1", "name": "blood cells", "state": "succeeded", "reason": "limit reached: 4 trials"},
        ),
    ]
    assert [each.at for each in found] == [START, at(1), at(12), at(12), at(50)]


def test_only_what_is_wanted_is_told() -> None:
    store = MemoryStore()
    lease = claimed(store)
    finished(store, lease, 1, 0.5)
    store.set_search_state(lease, SearchState.PAUSED, FAILING, at(20))
    for wanted in ALL:
        assert {message.type for message in messages(store, None, wanted)} == {wanted}


def test_what_is_no_better_trial_is_not_told() -> None:
    """A trial that was stopped, one that failed, one that could not be, a reference."""
    store = MemoryStore()
    lease = claimed(store)
    finished(store, lease, 1, 0.25)
    stopped(store, lease, 2, 0.75)
    store.fail_attempt(lease, started(store, lease, 3).id, 1, MODEL_FAILURE, False, at(13))
    store.add_trial(lease, make_reference(4), None, at(14))
    finished(store, lease, 5, 0.3125)
    assert [message.data["trial"] for message in messages(store, None, MessageType.SEARCH_BEST)] == [1, 5]


def test_a_controller_that_says_again_what_holds_is_not_told() -> None:
    store = MemoryStore()
    lease = claimed(store)
    for reason in ("", "workers start", "workers start", ""):
        store.set_search_state(lease, SearchState.RUNNING, reason, at(20))
    states = messages(store, None, MessageType.SEARCH_STATE)
    assert [message.data["reason"] for message in states] == ["", "", "workers start", ""]


def test_a_search_that_pauses_itself_is_failing_and_one_that_is_paused_is_not() -> None:
    store = MemoryStore()
    lease = claimed(store)
    for number in range(1, 5):
        store.fail_attempt(lease, started(store, lease, number).id, 1, MODEL_FAILURE, False, at(13))
    for number, reward in ((5, 0.5), (6, 0.25), (7, 0.25), (8, 0.25)):
        finished(store, lease, number, reward)
    store.request_state("s1", SearchState.PAUSED, PAUSED_BY_USER, at(20))
    assert messages(store, None, MessageType.SEARCH_FAILING) == []
    store.request_state("s1", SearchState.PENDING, "resumed by the user", at(21))
    store.set_search_state(lease, SearchState.RUNNING, "", at(22))
    store.set_search_state(lease, SearchState.PAUSED, FAILING, at(23))
    *_, paused, failing = messages(store)
    assert (paused.type, failing.type) == (MessageType.SEARCH_STATE, MessageType.SEARCH_FAILING)
    assert paused.id.removesuffix("_state") == failing.id.removesuffix("_failing"), "of the same entry"
    assert failing.data == {
        **paused.data,
        "trained": 8,
        "failed": 4,
        "failure_share": 0.5,
    }


def test_two_messages_of_one_entry_are_done_one_after_the_other() -> None:
    store = MemoryStore()
    lease = claimed(store)
    store.set_search_state(lease, SearchState.PAUSED, FAILING, at(20))  # entry 3
    state, failing = messages(store)[-2:]
    assert state.done is not None
    assert (state.done.sequence, state.done.num_done) == (2, 1)
    assert failing.done is not None
    assert (failing.done.sequence, failing.done.num_done) == (3, 0)
    assert messages(store, state.done) == [failing]


def test_wherever_one_begins_the_same_follows() -> None:
    """Also where the cursor has no course yet: a better trial is better than those before the webhook was made."""
    store = MemoryStore()
    lease = claimed(store)
    for number, reward in enumerate([0.5, 0.25, 0.75, 0.625, 0.875], 1):
        finished(store, lease, number, reward)
    whole = messages(store)
    last = store.get_search("s1").last_sequence
    for sequence in range(last + 1):
        later = [message for message in whole if int(message.id.split("_")[2]) > sequence]
        assert messages(store, make_cursor(sequence=sequence)) == later


def test_long_ledgers_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    lease = claimed(store)
    for number in range(1, 12):
        finished(store, lease, number, number / 16 if number in (1, 6, 11) else 0.0)
    whole = messages(store)
    monkeypatch.setattr("nas_controller.webhooks.messages.PAGE", 2)
    assert messages(store) == whole
    assert len(whole) == 5


def test_what_is_read_and_told_nothing_is_not_read_again() -> None:
    store = MemoryStore()
    lease = claimed(store)
    finished(store, lease, 1, 0.5)
    finished(store, lease, 2, 0.25)
    first = messages(store)[-1]
    assert first.done is not None
    message, cursor = next_message(store, make_webhook(types=ALL), first.done)
    assert (message, cursor.sequence, cursor.is_closed) == (None, store.get_search("s1").last_sequence, False)
    store.set_search_state(lease, SearchState.FAILED, "its data set is gone", at(30))
    message, cursor = next_message(store, make_webhook(types=(MessageType.SEARCH_BEST,)), cursor)
    assert (message, cursor.sequence, cursor.is_closed) == (None, store.get_search("s1").last_sequence, True)


def test_attempts_belong_to_the_next_message() -> None:
    store = MemoryStore()
    claimed(store)
    tried = make_cursor(num_attempts=3, next_attempt_at=at(99))
    message, cursor = next_message(store, make_webhook(types=ALL), tried)
    assert cursor.num_attempts == 3
    assert message is not None
    assert message.done is not None
    assert (message.done.num_attempts, message.done.next_attempt_at) == (0, None)


def test_of_a_search_that_is_gone_there_is_nothing() -> None:
    with pytest.raises(NotFoundError):
        next_message(MemoryStore(), make_webhook(), make_cursor())


def test_a_course_takes_in_what_it_tells_of_and_nothing_else() -> None:
    entry = LedgerEntry(search_id="s1", sequence=5, kind=EntryKind.TRIAL_STARTED, trial_number=1, payload={}, at=at(5))
    course = Course(state="running", best_reward=0.5)
    assert course_after(course, entry) == course
    assert message_types(course, entry) == []


def test_the_body_is_small_json_with_the_time_of_the_event() -> None:
    message = message_of_test(make_webhook(), at(7))
    assert (message.id, message.done) == (f"w1_test_{int(at(7).timestamp())}", None)
    assert (
        body_of(message) == b'{"type":"webhook.test","timestamp":"2026-03-01T09:30:07.250000Z","data":{"webhook":"w1"}}'
    )
    odd = replace(message, data={"name": 'a "name"\nµ'})
    assert json.loads(body_of(odd))["data"] == {"name": 'a "name"\nµ'}


def test_no_id_has_a_full_stop() -> None:
    """What is signed is read from full stop to full stop; ids of searches have none."""
    store = MemoryStore()
    lease = claimed(store)
    finished(store, lease, 1, 0.5)
    store.set_search_state(lease, SearchState.PAUSED, FAILING, at(20))
    ids = [message.id for message in messages(store)]
    assert len(ids) == len(set(ids)) == 5
    assert not any("." in message_id for message_id in ids)
