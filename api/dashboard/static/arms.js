// What proposed a trial, and what became of it, as colour and shape: colour never stands alone.

export const ARMS = {
  policy: { color: "--arm-policy", symbol: "circle" },
  random: { color: "--arm-random", symbol: "diamond" },
  evolution: { color: "--arm-evolution", symbol: "square" },
  local_search: { color: "--arm-local-search", symbol: "hexagon" },
  guided: { color: "--arm-guided", symbol: "pentagon" },
};
const OTHER = { color: "--arm-other", symbol: "triangle-up" };
export const lookOf = (arm) => ARMS[arm] ?? OTHER;

// Trials without a reward, or with one of a part of the training, stand in a lane below the axis: what was never trained
// at its lower edge.
export const UNREWARDED = {
  infeasible: { symbol: "line-ns-open", color: "--quiet", size: 7, y: -0.5 },
  cancelled: { symbol: "line-ew-open", color: "--quiet", size: 7, y: -0.5 },
  failed: { symbol: "x-thin-open", color: "--bad", size: 8, y: 0.5 },
  stopped_early: { symbol: "triangle-down-open", color: "--quiet", size: 7, y: 0.5 },
  running: { symbol: "circle-open", color: "--accent", size: 7, y: 0.5 },
};
