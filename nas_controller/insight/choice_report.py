"""What is said of a search's choices, to people."""

from typing import Any

from nas_controller.insight.buckets import limits
from nas_controller.insight.choices import Choices, DecisionCounts, OptionCounts, RewardedTrial
from nas_controller.insight.effects import importances
from nas_controller.insight.many_tests import adjusted
from nas_controller.insight.meanings import decision_labels, motif_label, option_label
from nas_controller.insight.shares import Share, difference_interval, exact_chance
from search_space.decisions import DecisionKind

MAX_MOTIFS = 30
_SHARE_DIGITS = 4


def choice_fields(choices: Choices, top: int) -> dict[str, Any]:
    """Fields of `api.inside_schemas.ChoiceInsight`.

    Args:
        top: compared are the trials with the best rewards, so many or as many as there are.
    """
    best = choices.top[:top]
    effects = importances([[option.rewards for option in counts.options] for counts in choices.decisions])
    labels = decision_labels(choices.space)
    points = zip(choices.space.points, labels, effects, choices.decisions, strict=True)
    return {
        "top": len(best),
        "trained": choices.num_trained,
        "buckets": [_limits(choices, place) for place in range(len(choices.asked))],
        "decisions": [
            {
                "position": place,
                "kind": kind.value,
                "subject": subject,
                "label": label,
                "importance": importance,
                "options": _options(choices, kind, counts, [each.chosen.options[place] for each in best]),
            }
            for place, ((kind, subject), label, importance, counts) in enumerate(points)
        ],
        "best": _best(choices, best),
        "motifs": _motifs(choices, best),
    }


def _limits(choices: Choices, place: int) -> dict[str, int]:
    first, last = limits(place, choices.width, choices.num_trials)
    return {"first_trial": first, "last_trial": last}


def _options(choices: Choices, kind: DecisionKind, counts: DecisionCounts, best: list[int]) -> list[dict[str, Any]]:
    """The options that were taken, in the order of what they mean."""
    return [
        {
            "label": option_label(kind, key),
            **_rewards(counts.options[place], choices.first_reward),
            "top_count": best.count(place),
            "shares": _shares(counts.options[place], choices.asked),
        }
        for key, place in sorted(counts.places.items())
    ]


def _best(choices: Choices, best: list[RewardedTrial]) -> list[dict[str, Any]]:
    """What each of the best took: of each decision the place of the option among those that are told."""
    told = [{place: index for index, (_, place) in enumerate(sorted(d.places.items()))} for d in choices.decisions]
    return [
        {
            "number": trial.number,
            "reward": trial.reward,
            "options": [places[place] for places, place in zip(told, trial.chosen.options, strict=True)],
        }
        for trial in best
    ]


def _rewards(option: OptionCounts, first_reward: float | None) -> dict[str, Any]:
    mean = option.rewards.mean
    return {
        "asked": option.asked,
        "rewarded": option.rewards.count,
        "mean_reward": None if mean is None or first_reward is None else first_reward + mean,
        "standard_error": option.rewards.standard_error,
    }


def _shares(option: OptionCounts, asked: list[int]) -> list[float | None]:
    counts = option.by_bucket + [0] * (len(asked) - len(option.by_bucket))
    return [round(count / of, _SHARE_DIGITS) if of else None for count, of in zip(counts, asked, strict=True)]


def _motifs(choices: Choices, best: list[RewardedTrial]) -> list[dict[str, Any]]:
    """The motifs whose shares of the best trials and of the rest differ least by chance."""
    num_rest = choices.num_trained - len(best)
    if not best or num_rest <= 0:
        return []
    in_best = [0] * len(choices.motif_counts)
    for trial in best:
        for motif in trial.chosen.motifs:
            in_best[motif] += 1
    compared = [
        (motif_label(key), Share(count, len(best)), Share(in_all - count, num_rest))
        for key, count, in_all in zip(choices.motif_places, in_best, choices.motif_counts, strict=True)
        if 0 < in_all < choices.num_trained
    ]
    chances = [exact_chance(share, rest) for _, share, rest in compared]
    rates = adjusted(chances)
    most_certain = sorted(range(len(compared)), key=lambda place: (chances[place], compared[place][0]))[:MAX_MOTIFS]
    return [_motif_fields(*compared[place], rates[place]) for place in most_certain]


def _motif_fields(label: str, share: Share, rest: Share, rate: float) -> dict[str, Any]:
    return {
        "label": label,
        "top_share": share.value,
        "rest_share": rest.value,
        "difference": share.value - rest.value,
        "lift": share.value / rest.value if rest.count else None,
        "interval": list(difference_interval(share, rest)),
        "p_value": rate,
    }
