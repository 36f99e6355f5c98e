"""A search in Ray Tune with a Trainable of one's own: here a formula instead of a training.

python -m examples.ray_tune
"""

from ray import tune

from search_space.spaces import SPINENET_49
from search_space.spec import ArchitectureSpec
from spinesearch.tune_searcher import SpineSearcher


def train(config: dict[str, str]) -> dict[str, float]:
    """The share of blocks that join a finer with a coarser feature than their own."""
    spec = ArchitectureSpec.from_json(config["spec"])
    levels = [block.level for block in spec.all_blocks]
    joins = [
        min(levels[parent] for parent in block.parents) < block.level < max(levels[parent] for parent in block.parents)
        for block in spec.blocks
    ]
    return {"score": sum(joins) / len(joins)}


def main() -> None:
    """Sixteen trials, and the best of them."""
    tuner = tune.Tuner(
        train,
        tune_config=tune.TuneConfig(
            search_alg=SpineSearcher(SPINENET_49, "local_search", seed=1, metric="score", settings={"initial": 8}),
            metric="score",
            mode="max",
            num_samples=16,
            max_concurrent_trials=2,
        ),
    )
    best = tuner.fit().get_best_result()
    print(f"score {best.metrics['score']:.3f}: genotype {best.config['genotype']}")


if __name__ == "__main__":
    main()
