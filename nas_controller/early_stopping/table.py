"""The rules by name."""

from nas_controller.early_stopping.base import StoppingRule
from nas_controller.early_stopping.median import MedianRule
from nas_controller.early_stopping.successive_halving import SuccessiveHalvingRule
from nas_controller.search_config import EarlyStopping


def make_rule(settings: EarlyStopping) -> StoppingRule | None:
    """The rule of a search; None where every training goes to its end."""
    if settings.rule == "median":
        return MedianRule(settings.min_trials)
    if settings.rule == "successive_halving":
        return SuccessiveHalvingRule(settings.eta, settings.min_trials)
    return None
