/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's REST API, and who we are there. The token stays in this tab's sessionStorage and is
 * sent to nobody but the server that the page came from.
 */
const TOKEN = "headrace.token";
const TIMEOUT_MS = 30000;
const PATIENCE_S = 5, TRIES = 4; /* with a server that asks us to wait */

/* status 0: no answer came. */
export class Problem extends Error {
  constructor(status, title, detail, remedy) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.remedy = remedy;
  }
}

/* "link": connected or not; "sign-in": a token is needed */
export const events = new EventTarget();

export const session = {
  role: null, name: null, signedIn: false,
  paths: null, /* of the API's own description */
  get token() {
    return sessionStorage.getItem(TOKEN);
  },
  set token(value) {
    if (value)
      sessionStorage.setItem(TOKEN, value);
    else
      sessionStorage.removeItem(TOKEN);
  },
};

/* Each may what those before it may. */
const RANKS = ["anybody", "monitor", "viewer", "operator", "admin"];
export const may = (role) => RANKS.indexOf(session.role) >= RANKS.indexOf(role);

/* Does the daemon have it? "/events", "post", as in its OpenAPI description. */
export const has = (path, method = "get") => Boolean(session.paths?.[path]?.[method]);
export const takes = (path, parameter, method = "get") =>
  Boolean(session.paths?.[path]?.[method]?.parameters?.some((p) => p.name === parameter));

let linked = null;

function setLinked(now, detail) {
  if (linked !== now) {
    linked = now;
    events.dispatchEvent(new CustomEvent("link", { detail: { linked, detail } }));
  }
}

async function problemOf(answer) {
  let told = null;
  try {
    told = await answer.json();
  } catch {
    /* no problem document: the status has to do */
  }
  return new Problem(answer.status, told?.title || `HTTP ${answer.status}`, told?.detail || "",
    told?.remedy || "");
}

/* path("devices", id): each part percent-encoded */
export const path = (...parts) => "/" + parts.map(encodeURIComponent).join("/");

function target(where, query) {
  const set = Object.entries(query ?? {}).filter(([, v]) => v !== undefined && v !== null &&
    v !== "");
  return where + (set.length ? "?" + new URLSearchParams(set) : "");
}

/* Waits as long as the server asks for (429), if that is short. */
async function patientFetch(url, options) {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(url, options);
    const wait = Number(answer.headers.get("Retry-After") ?? NaN);
    if (answer.status !== 429 || !(wait <= PATIENCE_S) || tries === TRIES)
      return answer;
    await new Promise((done) => setTimeout(done, wait * 1000));
  }
}

/*
 * One request; the answer's JSON. Throws a Problem, or an AbortError when `signal` said so.
 * options: {query, json, signal}
 */
export async function call(method, where, options = {}) {
  const headers = { Accept: "application/json" };
  const late = AbortSignal.timeout(TIMEOUT_MS);
  let body;
  if (session.token)
    headers.Authorization = "Bearer " + session.token;
  if (options.json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.json);
  }
  let answer;
  try {
    answer = await patientFetch(target(where, options.query), {
      method, headers, body, cache: "no-store", redirect: "error",
      credentials: "same-origin", /* there are none, but "omit" has connections of its own */
      signal: options.signal ? AbortSignal.any([options.signal, late]) : late,
    });
  } catch (error) {
    if (options.signal?.aborted)
      throw error;
    setLinked(false);
    throw new Problem(0, "No answer", "the daemon does not answer",
      "it is asked again by itself; is headraced running?");
  }
  setLinked(true);
  if (answer.status === 401)
    events.dispatchEvent(new Event("sign-in"));
  if (!answer.ok)
    throw await problemOf(answer);
  try {
    return answer.status === 204 ? null : await answer.json();
  } catch (error) {
    if (options.signal?.aborted)
      throw error;
    throw new Problem(0, "Half an answer", "the answer broke off", "try again");
  }
}

export const get = (where, query, signal) => call("GET", where, { query, signal });
