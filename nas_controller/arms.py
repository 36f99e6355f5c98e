"""Arms that mean the same whatever the algorithm: proposals that were drawn uniformly."""

RANDOM_ARM = "random"
"""How an algorithm begins, or all that it does."""
CONTROL_ARM = "control"
"""A share of the proposals, to compare the others with (`algorithm.control_share`)."""
