"""What a search document's own rules cannot see: its budget, its evaluator and its data set."""

from nas_controller.dispatch.worker import check_evaluator
from nas_controller.search_config import SearchConfig, SearchConfigError
from search_space.budget import feasible_share
from search_space.decisions import Rounding
from search_space.spaces import find_space
from spinesearch.admission import Admission
from spinesearch.home import Home
from trainer.data.coco import check_data

BUDGET_DRAWS = 400


def check_search(config: SearchConfig, home: Home) -> None:
    """Raises before anything is written when the search could only fail.

    Raises:
        SearchConfigError: a budget that hardly any architecture of the space meets, or no such evaluator.
        TaskError: the data set cannot be used; the message names the file.
    """
    try:
        check_evaluator(config.evaluator)
    except ValueError as error:
        raise SearchConfigError("evaluator", str(error)) from error
    check_budget(config)
    if config.data != "generated":
        check_data(config.data.source())


def check_rest_search(config: SearchConfig, home: Home, admission: Admission) -> None:
    """As `check_search`, for a document that somebody sent: what it names must be allowed before it is touched.

    Raises:
        SearchConfigError, TaskError: as `check_search`, or a path or evaluator that is not allowed.
    """
    admission.check(config)
    check_search(config, home)


def check_budget(config: SearchConfig) -> None:
    """Raises SearchConfigError when none of `BUDGET_DRAWS` random architectures is inside the budget, or the range of
    the front; where widths are settled, when none comes near one of the front's targets."""
    space, target, budgets = find_space(config.space), config.target_network(), [config.flops_budget()]
    if config.front is not None and space.rounding is Rounding.EXACT:
        budgets = [config.front.budget_for(place) for place in range(config.front.points)]
    for budget in budgets:
        found = feasible_share(space, budget, target, draws=BUDGET_DRAWS // len(budgets), seed=0)
        if found.share == 0:
            place = "budget" if config.front is None else "front"
            raise SearchConfigError(place, f"{budget.describe()}: {found.describe()}")
