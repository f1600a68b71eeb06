/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame: which panel is shown (the address says it: #/meter/ID?from=...), who is signed in,
 * colours, shortcuts, and whether the daemon answers.
 *
 * A panel is a module with `title`, `role` (the least one that may see it) and `open(place)`, which
 * returns {element, refresh(), close()}.
 * place: {rest: [parts of the path], query: URLSearchParams, signal: aborted at the end,
 *         every(ms, f): f at once and again, set(query): keep in the address what is shown}.
 */
import { events, get, has, may, path, Problem, session } from "./api.js";
import { put, button, h, setText } from "./dom.js";
import { duration, getZone, setZone } from "./format.js";
import * as overview from "./overview.js";
import * as completeness from "./completeness.js";
import * as happenings from "./events.js";
import * as errors from "./errors.js";
import * as fleet from "./fleet.js";
import * as meter from "./meter.js";

const PANELS = [
  { name: "overview", panel: overview, key: "1" },
  { name: "completeness", panel: completeness, key: "2" },
  { name: "events", panel: happenings, key: "3", needs: "/events" },
  { name: "errors", panel: errors, key: "4" },
  { name: "fleet", panel: fleet, key: "5" },
  { name: "meter", panel: meter, hidden: true },
];
const HEALTH_MS = 5000;
const byId = (id) => document.getElementById(id);
const state = { shown: null, controller: null,
  keys: localStorage.getItem("headrace.keys") !== "off",
  started: false, watching: false };

/* --- panels --- */

function available(entry) {
  return !entry.needs || has(entry.needs);
}

const shownTo = (entry) => available(entry) && may(entry.panel.role ?? "viewer");

function putNavigation(current) {
  put(byId("panels"), PANELS.filter((e) => !e.hidden && shownTo(e)).map((e) =>
    h("li", null, h("a", { href: "#/" + e.name, "aria-current": e.name === current && "page",
      "aria-keyshortcuts": e.key }, e.panel.title))));
}

function parseAddress() {
  const [where, query] = location.hash.replace(/^#\/?/, "").split("?");
  let parts;
  try {
    parts = where.split("/").map(decodeURIComponent);
  } catch {
    parts = [""];
  }
  const entry = PANELS.find((e) => e.name === parts[0] && available(e)) ?? PANELS[0];
  return { entry, rest: parts.slice(1), query: new URLSearchParams(query ?? "") };
}

/* f now and again, unless the page is hidden; never twice at once. */
function every(signal, ms, f) {
  let busy = false;
  const run = async () => {
    if (busy || document.hidden || signal.aborted)
      return;
    busy = true;
    try {
      await f();
    } catch (error) {
      if (!signal.aborted && !(error instanceof Problem))
        throw error;
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(run, ms);
  signal.addEventListener("abort", () => clearInterval(timer));
  document.addEventListener("visibilitychange", run, { signal });
  run();
}

function show(moved) {
  const { entry, rest, query } = parseAddress();
  state.controller?.abort();
  state.shown?.close?.();
  state.controller = new AbortController();
  const signal = state.controller.signal;
  const place = {
    rest, query, signal,
    every: (ms, f) => every(signal, ms, f),
    set: (values) => keepQuery(values),
    go,
  };
  if (!shownTo(entry)) {
    putNavigation(entry.name);
    signIn(null);
    return;
  }
  state.shown = entry.panel.open(place);
  putNavigation(entry.name);
  put(byId("main"), state.shown.element);
  document.title = `${state.shown.title ?? entry.panel.title} · Headrace`;
  if (moved) {
    const heading = byId("main").querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    (heading ?? byId("main")).focus();
    scrollTo(0, 0);
  }
}

/* The address follows what is chosen, without a step in the browser's history. */
function keepQuery(values) {
  const where = location.hash.split("?")[0] || "#/overview";
  const set = Object.entries(values).filter(([, v]) => v);
  history.replaceState(null, "", where + (set.length ? "?" + new URLSearchParams(set) : ""));
}

function go(...parts) {
  location.hash = "#" + path(...parts);
}

/* --- the daemon --- */

function putLink(linked) {
  byId("link").dataset.state = linked ? "yes" : "no";
  setText(byId("link"), linked ? "connected" : "no connection: what is shown may be old");
}

function putBanner(problem) {
  const banner = byId("banner");
  banner.hidden = !problem;
  if (problem)
    put(banner, h("strong", null, problem.title + ". "), problem.message, " ", problem.remedy);
}

async function checkHealth() {
  try {
    await get("/health");
    putBanner(null);
  } catch (problem) {
    putBanner(problem.status === 503 ? problem : null);
  }
}

async function putFoot() {
  const status = await get("/status");
  if (status.timezone)
    setZone(status.timezone);
  put(byId("foot"),
    `Headrace ${status.version} · up ${duration(status.uptime_s)} · times are those `
    + `of ${getZone()}; point at one for UTC`);
}

/* --- who --- */

async function learnPaths() {
  try {
    session.paths = (await get("/openapi.json")).paths;
  } catch (problem) {
    if (problem.status !== 404)
      throw problem;
    session.paths = {}; /* a daemon without a description */
  }
}

async function learnWho() {
  session.role = "admin";
  session.name = null;
  if (!has("/whoami"))
    return; /* an older daemon: whoever reaches it may do everything */
  const me = await get("/whoami");
  session.role = me.role;
  session.name = me.name ?? null;
}

function putWho() {
  byId("who").hidden = !session.name;
  setText(byId("who"), session.name ? `${session.name}, ${session.role}` : "");
  byId("sign-out").hidden = !session.token;
  byId("sign-in").hidden = Boolean(session.token) || may("admin");
}

/* `refused`: what was said to a token; without it the page begins as for anybody. */
async function start(refused = null) {
  try {
    await learnPaths();
    await learnWho();
    await putFoot();
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) {
      if (!session.token)
        return signIn(refused);
      session.token = null;
      return start(problem);
    }
    put(byId("main"), h("h1", null, "Headrace"), h("div", { class: "problem" },
      h("p", null, problem.message), h("p", null, problem.remedy)),
    button("Try again", { onclick: () => start(), class: "main" }));
    return setTimeout(() => !state.started && start(), 3000);
  }
  state.started = true;
  putWho();
  if (refused) {
    putNavigation(null);
    signIn(refused);
  } else {
    show(false);
  }
  if (!state.watching)
    every(new AbortController().signal, HEALTH_MS, async () => state.started && checkHealth());
  state.watching = true;
  return null;
}

/* --- signing in --- */

/* The form, in place of a panel. What may be seen without a token stays in reach. */
function signIn(problem) {
  state.controller?.abort();
  state.shown?.close?.();
  state.shown = null;
  putWho();
  document.title = "Sign in · Headrace";
  const input = h("input", { id: "token", type: "password", autocomplete: "off", required: true,
    spellcheck: "false" });
  put(byId("main"), h("form", { class: "card sign-in", onsubmit: (event) => {
    event.preventDefault();
    session.token = input.value.trim();
    state.started = false;
    start();
  } }, h("h1", null, "Sign in"),
  h("p", null, "This address asks for a token. Who runs this server makes one; see ",
    h("code", null, "headrace --help"), "."),
  problem && h("div", { class: "problem", role: "alert" }, h("p", null, problem.message),
    h("p", null, problem.remedy)),
  h("label", { class: "field", for: "token" }, "Token", input),
  h("p", { class: "lead" },
    "It is kept in this tab only, until the tab is closed or you sign out."),
  h("button", { type: "submit", class: "main" }, "Sign in")));
  input.focus();
}

function signOut() {
  session.token = null;
  session.role = null;
  session.name = null;
  state.started = false;
  state.controller?.abort();
  putWho();
  put(byId("panels"));
}

/* --- colours --- */

function themeNow() {
  return document.documentElement.dataset.theme ?? "system";
}

function putTheme() {
  setText(byId("theme"), `Colours: ${themeNow()}`);
}

function turnTheme() {
  const next = { system: "light", light: "dark", dark: "system" }[themeNow()];
  if (next === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("headrace.theme");
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem("headrace.theme", next);
  }
  putTheme();
}

/* --- shortcuts --- */

function helpRows() {
  return [
    ...PANELS.filter((e) => e.key && shownTo(e)).map((e) => [e.key, e.panel.title]),
    ["/", "Search the fleet"], ["r", "Ask again now"], ["c", "Colours: system, light, dark"],
    ["?", "This overview"], ["Esc", "Close what is open"],
    ["← →", "In a plot: from value to value; Home and End to its ends"],
  ];
}

function help() {
  const box = byId("help-box");
  const keys = h("input", { type: "checkbox", checked: state.keys, onchange: () => {
    state.keys = keys.checked;
    localStorage.setItem("headrace.keys", state.keys ? "on" : "off");
  } });
  put(box, h("h2", { id: "help-title" }, "Keyboard"),
    h("table", null, h("tbody", null, helpRows().map(([key, what]) => h("tr", null,
      h("th", { scope: "row" }, h("kbd", null, key)), h("td", null, what))))),
    h("p", null, h("label", null, keys, " Single keys are shortcuts")),
    h("div", { class: "buttons" }, button("Close", { class: "main", onclick: () => box.close() })));
  box.showModal();
}

function onShortcut(event) {
  const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (!state.keys || typing || event.ctrlKey || event.altKey || event.metaKey ||
    !state.started || document.querySelector("dialog[open]"))
    return;
  const entry = PANELS.find((e) => e.key === event.key && shownTo(e));
  if (entry)
    go(entry.name);
  else if (event.key === "/" && may("viewer"))
    fleet.search(go);
  else if (event.key === "r")
    state.shown?.refresh?.();
  else if (event.key === "c")
    turnTheme();
  else if (event.key === "?")
    help();
  else
    return;
  event.preventDefault();
}

/* --- start --- */

events.addEventListener("link", (event) => putLink(event.detail.linked));
events.addEventListener("sign-in", () => {
  if (!state.started || !session.token)
    return;
  signOut();
  signIn(new Problem(401, "Signed out", "the server does not take this token any more",
    "sign in again"));
});
addEventListener("hashchange", () => state.started && show(true));
document.addEventListener("keydown", onShortcut);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
byId("theme").addEventListener("click", turnTheme);
byId("help").addEventListener("click", help);
byId("sign-in").addEventListener("click", () => signIn(null));
byId("sign-out").addEventListener("click", () => {
  signOut();
  start();
});
putTheme();
start();
