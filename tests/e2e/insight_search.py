"""A search with something in every panel of its page, and one with very many trials, written at once."""

import random
from typing import Any

from nas_controller.records import NetworkCost, TrialDraft
from nas_controller.store.base import Store
from search_space.reference import reference
from search_space.spaces import SPINENET_49
from tests.api.searches import DOCUMENT, MEASUREMENT_KEY, SearchWriter, random_genotype

SEARCH_ID = "insight-000001"
PRICED: dict[str, Any] = {
    **DOCUMENT,
    "name": "insight",
    "limits": {"trials": 60, "cost": 9},
    "price": {"cpu_hour": 36},
    "workers": [{"count": 2}],
}
ARMS = ("policy", "policy", "policy", "random", "evolution")


def write_full_search(store: Store, search_id: str = SEARCH_ID, num_trials: int = 40) -> SearchWriter:
    """Trials 1 and 2 are the references; then, of each ten, one is infeasible, one failed, one stopped early and the
    rest completed with rewards that rise; the last one runs. The best and the references are measured on val."""
    writer = SearchWriter(store, search_id, PRICED)
    writer.run()
    rng = random.Random(1)
    names = ("resnet-50-fpn", "spinenet-49")
    references = [writer.add(reference(name), arm="reference", name=name) for name in names]
    for place in range(num_trials):
        genotype = random_genotype(rng)
        certain = 1 - 0.9 * place / num_trials
        more: dict[str, Any] = {"genotype": genotype, "log_probs": tuple(-certain for _ in genotype)}
        spec, arm = SPINENET_49.decode(genotype), ARMS[place % len(ARMS)]
        if place % 10 == 4:
            writer.add(spec, arm=arm, infeasible="backbone of 99.0 G multiply-adds: above 84.1 G", **more)
        elif place == num_trials - 1:
            writer.start(writer.add(spec, arm=arm, **more))
        else:
            _train(writer, writer.add(spec, arm=arm, **more), place)
    writer.reevaluate(store.best_trials(search_id, 1)[0].number, [0.24, 0.25, 0.26])
    for number in references:
        writer.reevaluate(number, [0.22, 0.23, 0.24])
    return writer


def _train(writer: SearchWriter, number: int, place: int) -> None:
    if place % 10 == 6:
        writer.fail(number, "loss is not a number at step 17")
    elif place % 10 == 8:
        writer.start(number)
        writer.stop(number, 150, 0.05)
    else:
        writer.complete(number, 0.1 + 0.003 * place)


def write_large_search(store: Store, num_trials: int = 10_000) -> SearchWriter:
    """Of each two trials the first is infeasible; the reward of the second is 0.1 + 0.00001 times its number."""
    writer = SearchWriter(store, SEARCH_ID, {**PRICED, "limits": {"trials": num_trials}}, step_seconds=0.01)
    lease = writer.run()
    spec = reference("spinenet-49").to_document()
    for number in range(1, num_trials + 1):
        counted = NetworkCost(
            backbone_parameters=10_000_000 + 100 * number,
            backbone_multiply_adds=28_000_000_000 + 100_000 * number,
            detector_parameters=20_000_000,
            detector_multiply_adds=50_000_000_000,
        )
        draft = TrialDraft(
            number=number,
            arm="policy",
            spec=spec,
            fingerprint=f"{number:064x}",
            target_cost=counted,
            proxy_cost=counted,
            num_dead_blocks=0,
            measurement_key=MEASUREMENT_KEY,
            infeasible_reason="off budget" if number % 2 else "",
        )
        if number % 2:
            store.add_trial(lease, draft, None, writer.tick())
        else:
            job = store.start_trial(lease, draft, number, "worker-1", writer.tick())
            reward = 0.1 + 0.00001 * number
            store.complete_attempt(lease, job.id, 1, {"average_precision": reward}, reward, writer.tick())
    return writer
