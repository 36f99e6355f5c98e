import numpy as np
def trial_draws(seed, n):
    return np.random.Generator(np.random.Philox(key=np.array([seed, n], dtype=np.uint64)))
