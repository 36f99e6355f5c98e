// One page of the table of trials: by number, by reward, or those that were picked out in a chart.

import { getBest, getTrials } from "./api.js";

const ROWS = 25;
/** So many of the best can be asked for. */
export const MOST_BEST = 500;

/** Numbers of the trials picked out, in the order wanted. */
function picked({ history, chosen }, state, isByReward) {
  const places = [...chosen].filter((index) => state === "" || history.state[index] === state);
  if (isByReward) places.sort((one, other) => (history.reward[other] ?? -1) - (history.reward[one] ?? -1));
  return places.map((index) => history.number[index]);
}

const slice = (trials, start) => ({ trials: trials.slice(start, start + ROWS), next: start + ROWS < trials.length ? start + ROWS : null, total: trials.length });

async function pickedPage(searchId, view, wanted) {
  const numbers = slice(picked(view, wanted.state, wanted.isByReward), wanted.after);
  if (numbers.trials.length === 0) return numbers;
  const found = await getTrials(searchId, { number: numbers.trials });
  const byNumber = new Map(found.trials.map((trial) => [trial.number, trial]));
  return { ...numbers, trials: numbers.trials.map((number) => byNumber.get(number)).filter(Boolean) };
}

async function bestPage(searchId, wanted) {
  const { trials } = await getBest(searchId, MOST_BEST);
  return slice(trials, wanted.after);
}

async function numberPage(searchId, wanted) {
  const page = await getTrials(searchId, { page_size: ROWS, page_token: wanted.after, state: wanted.state });
  return { trials: page.trials, next: page.next_page_token === null ? null : Number(page.next_page_token), total: null };
}

/**
 * `{trials, next, total}`: the page that is wanted, where the next one begins (null on the last), and of how many (null where
 * nobody counted). `wanted` has `state` ("" for all), `isByReward`, and `after`: the number before the first one by number,
 * else how many to pass over.
 */
export function trialPage(searchId, view, wanted) {
  if (view.chosen !== null) return pickedPage(searchId, view, wanted);
  return wanted.isByReward ? bestPage(searchId, wanted) : numberPage(searchId, wanted);
}
