// By what the best architectures are the best, and what they may cost at most. The address keeps both.

import { remember, said } from "./address.js";
import { getBest } from "./api.js";
import { byId, show } from "./dom.js";

const OBJECTIVES = ["reward", "average_precision", "val_average_precision"];
const COSTS = ["multiply_adds", "parameters"];
const ROWS = 10;

const objective = () => (OBJECTIVES.includes(said("best-by")) ? said("best-by") : OBJECTIVES[0]);
const limits = () => COSTS.map((cost) => [cost, said(`best-${cost}`) ?? ""]).filter(([, most]) => most !== "");

/** Whether others are wanted than those of the highest reward, whatever they cost. */
export const isOther = () => objective() !== OBJECTIVES[0] || limits().length > 0;

function complain(text) {
  byId("best-problem").textContent = text;
  show("best-problem", text !== "");
}

/** The best that the address wants; `best` are those by reward. What is wrong with a limit is said beside it. */
export async function wantedBest(searchId, best) {
  complain("");
  if (!isOther()) return best;
  try {
    const pairs = limits().map(([cost, most]) => ["constraint", `${cost}<=${most}`]);
    return await getBest(searchId, ROWS, [["objective", objective()], ...pairs]);
  } catch (error) {
    if (error.status !== 422) throw error;
    complain(error.message);
    return best;
  }
}

/** Ties the controls to the address; `again()` is called when others are wanted. */
export function bindBest(again) {
  const inputs = COSTS.map((cost) => [`best-${cost}`, byId(`best-${cost}`)]);
  byId("objective").value = objective();
  for (const [name, input] of inputs) input.value = said(name) ?? "";
  byId("best-by").addEventListener("submit", (event) => event.preventDefault());
  byId("best-by").addEventListener("change", () => {
    remember("best-by", byId("objective").value === OBJECTIVES[0] ? null : byId("objective").value);
    for (const [name, input] of inputs) remember(name, input.value.trim() || null);
    again();
  });
}
