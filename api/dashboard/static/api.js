// The REST API, as promises. An error carries the problem's own words.

export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
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
  throw new ApiError(response.status, problem.detail ?? `The service answered ${response.status}.`);
}

const searchPath = (id) => `/v1/searches/${encodeURIComponent(id)}`;

export const listSearches = async (token) =>
  (await ask(`/v1/searches?page_size=50${token ? `&page_token=${encodeURIComponent(token)}` : ""}`)).json();
export const getSearch = async (id) => (await ask(searchPath(id))).json();
export const getHistory = async (id) => (await ask(`${searchPath(id)}/history`)).json();
export const getBest = async (id) => (await ask(`${searchPath(id)}/trials:best?limit=10`)).json();
export const getTrial = async (id, number) => (await ask(`${searchPath(id)}/trials/${number}`)).json();
export const getMeasurements = async (id, number) => (await ask(`${searchPath(id)}/trials/${number}/measurements`)).json();
export const exportPath = (id, number, format) => `${searchPath(id)}/trials/${number}/export?format=${format}`;
export const getDrawing = async (id, number) => (await ask(exportPath(id, number, "svg"))).text();
export const requestVerb = async (id, verb) => (await ask(`${searchPath(id)}:${verb}`, { method: "POST" })).json();
export const eventsPath = (id, after) => `${searchPath(id)}/events?after=${after}`;
