"""REINFORCE with each of its choices turned off or the other way, one at a time: contenders of `bench algorithms`.

What a variant's name says is its only difference from `reinforce`, whose settings are the defaults; the last one
has another policy.
"""

from dataclasses import replace

from spinesearch.bench.algorithm_tasks import RANDOM, Contender, Plan


def _variant(name: str, **settings: float) -> Contender:
    return Contender(name=name, algorithm="reinforce", settings=tuple(settings.items()))


BASE = "reinforce"
ABLATIONS = (
    Contender(name=RANDOM, algorithm="random"),
    _variant(BASE),
    _variant("no importance weights", importance=0.0),
    _variant("weights on negative advantages only", importance=2.0),
    _variant("ratios clipped at 0.2", ratio_clip=0.2),
    _variant("no control of the sample size", effective_share=0.0),
    _variant("no entropy bonus", entropy_start=0.0, entropy_end=0.0),
    _variant("constant entropy bonus", entropy_end=0.02),
    _variant("no collapse guard", collapse_entropy=0.0),
    _variant("baseline over all rewards", baseline_decay=0.9999),
    _variant("advantages not clipped", advantage_clip=100.0),
    _variant("gradients clipped at 10", gradient_clip=10.0),
    Contender(name="the papers' controller", algorithm="reinforce_recurrent"),
)


def with_ablations(plan: Plan) -> Plan:
    """The plan with these contenders, compared with the one that has every choice."""
    return replace(plan, contenders=ABLATIONS, base=BASE)
