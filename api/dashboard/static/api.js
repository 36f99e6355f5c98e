// The REST API, as promises. An error carries the problem's own words.

export class ApiError extends Error {
  /** `errors` says what is wrong where: `{place, message}`. */
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError(0, "The service does not answer.");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(response.status, problem.detail ?? `The service answered ${response.status}.`, problem.errors);
}

/** The answer; null from a service that has no such route. */
async function ifThere(answer) {
  try {
    return await answer;
  } catch (error) {
    if (error.status === 404 || error.status === 405) return null;
    throw error;
  }
}

const post = (path, value, headers = {}) =>
  ask(path, { method: "POST", body: JSON.stringify(value), headers: { "Content-Type": "application/json", ...headers } });

const searchPath = (id) => `/v1/searches/${encodeURIComponent(id)}`;

/** One page of searches; `state` and `token` may be empty. */
export async function listSearches(token, state) {
  const wanted = new URLSearchParams({ page_size: "50", ...(state ? { state } : {}), ...(token ? { page_token: token } : {}) });
  return (await ask(`/v1/searches?${wanted}`)).json();
}
export const getCourses = async (ids) => (await ask(`/v1/searches:courses?${ids.map((id) => `search=${encodeURIComponent(id)}`).join("&")}`)).json();
export const getReferences = async () => (await ask("/v1/references")).json();
export const getSchema = async () => (await ask("/v1/schema/search")).json();
export const createSearch = async (config, key) => (await post("/v1/searches", config, { "Idempotency-Key": key })).json();
export const cloneSearch = async (id, patch, key) => {
  const headers = { "Content-Type": "application/merge-patch+json", "Idempotency-Key": key };
  return (await post(`${searchPath(id)}:clone`, patch, headers)).json();
};
export const validateSearch = async (config) => (await ifThere(post("/v1/searches:validate", config)))?.json() ?? null;
export const estimateSearch = async (config) => (await ifThere(post("/v1/searches:estimate", config)))?.json() ?? null;
export const getSearch = async (id) => (await ask(searchPath(id))).json();
export const getHistory = async (id) => (await ask(`${searchPath(id)}/history`)).json();
/** The best by reward; `wanted` may have pairs that say by what else, and under which limits. */
export const getBest = async (id, limit = 10, wanted = []) =>
  (await ask(`${searchPath(id)}/trials:best?${new URLSearchParams([["limit", String(limit)], ...wanted])}`)).json();
/** Trials by number; `filters` may have `number` (a list), `state`, `page_size`, `page_token`; empty ones are left out. */
export async function getTrials(id, filters) {
  const pairs = Object.entries(filters).flatMap(([name, value]) => [value].flat().filter((each) => each !== "").map((each) => [name, String(each)]));
  return (await ask(`${searchPath(id)}/trials?${new URLSearchParams(pairs)}`)).json();
}
export const getPareto = async (id, cost) => (await ask(`${searchPath(id)}/pareto?cost=${cost}`)).json();
export const getFailures = async (id) => (await ask(`${searchPath(id)}/failures`)).json();
export const getController = async (id) => (await ask(`${searchPath(id)}/controller`)).json();
export const getChoices = async (id, top) => (await ask(`${searchPath(id)}/choices?top=${top}`)).json();
export const getWorkers = async (id) => (await ask(`${searchPath(id)}/workers`)).json();
export const getTrial = async (id, number) => (await ask(`${searchPath(id)}/trials/${number}`)).json();
export const getMeasurements = async (id, number) => (await ask(`${searchPath(id)}/trials/${number}/measurements`)).json();
export const exportPath = (id, number, format) => `${searchPath(id)}/trials/${number}/export?format=${format}`;
const trialPath = (id, number) => `${searchPath(id)}/trials/${number}`;
/** The operation that makes a file; null where it is there. */
export async function askForFile(path) {
  const answer = await ask(path);
  if (answer.status === 202) return answer.json();
  await answer.body?.cancel();
  return null;
}
export const getOperation = async (id) => (await ask(`/v1/operations/${id}`)).json();
export const thumbnailPath = (id, number) => `${trialPath(id, number)}/thumbnail`;
export const getCost = async (id, number) => (await ask(`${trialPath(id, number)}/cost`)).json();
/** At most 20 trials that were made from one, with numbers above `after`. */
export const getChildren = async (id, number, after) => (await ask(`${trialPath(id, number)}/children?page_size=20&page_token=${after}`)).json();
const variantPath = (id, number, genotype, drawing) => `${trialPath(id, number)}/variant${drawing}?genotype=${genotype.join(",")}`;
export const getVariant = async (id, number, genotype) => (await ask(variantPath(id, number, genotype, ""))).json();
export const getVariantDrawing = async (id, number, genotype) => (await ask(variantPath(id, number, genotype, "/drawing"))).text();
export const getDecisions = async (id, number) => (await ask(`${trialPath(id, number)}/decisions`)).json();
const comparisonPath = (id, number, other, drawing) => `${trialPath(id, number)}/comparison${drawing}?with=${encodeURIComponent(other)}`;
export const getComparison = async (id, number, other) => (await ask(comparisonPath(id, number, other, ""))).json();
export const comparisonDrawingPath = (id, number, other) => comparisonPath(id, number, other, "/drawing");
export const referenceDrawingPath = (name) => `/v1/references/${encodeURIComponent(name)}/export?format=svg`;
export const artifactPath = (id, key) => `${searchPath(id)}/artifacts/${key}`;
export const getArtifact = async (id, key) => (await ask(artifactPath(id, key))).json();
export const logPath = (id, number, job, attempt) => `${trialPath(id, number)}/jobs/${encodeURIComponent(job)}/logs?attempt=${attempt}`;
export const getText = async (path) => (await ask(path)).text();
export const getDrawing = (id, number) => getText(exportPath(id, number, "svg"));
export const askTrial = async (id, number, verb) => (await ask(`${trialPath(id, number)}:${verb}`, { method: "POST" })).json();
/** `wanted` says which architecture. */
export const enqueueTrial = async (id, wanted) => (await post(`${searchPath(id)}/trials:enqueue`, wanted)).json();
export const getRequest = async (id, number) => (await ask(`${searchPath(id)}/requests/${number}`)).json();
export const requestVerb = async (id, verb) => (await ask(`${searchPath(id)}:${verb}`, { method: "POST" })).json();
export const eventsPath = (id, after) => `${searchPath(id)}/events?after=${after}`;
