// How much a training differs from itself: the noise that a lead has to be held against.

/**
 * The pooled standard deviation of AP on val over seeds, from architectures trained with two or more of them:
 * `{deviation, architectures, trainings}`; null without one.
 */
export function seedNoise(best) {
  const measured = [...best.trials, ...best.references].filter((trial) => trial.val_count >= 2 && trial.val_standard_error !== null);
  if (measured.length === 0) return null;
  const degrees = measured.reduce((sum, trial) => sum + trial.val_count - 1, 0);
  // A standard error is the deviation over the root of the count.
  const squares = measured.reduce((sum, trial) => sum + (trial.val_count - 1) * trial.val_count * trial.val_standard_error ** 2, 0);
  const trainings = measured.reduce((sum, trial) => sum + trial.val_count, 0);
  return { deviation: Math.sqrt(squares / degrees), architectures: measured.length, trainings };
}
