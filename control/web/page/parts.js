/* SPDX-License-Identifier: Apache-2.0 */
/* What the panels share: asking and saying so, links to a meter, confirming, raw bytes. */
import { may } from "./api.js";
import { button, empty, h, put } from "./dom.js";
import { time, words } from "./format.js";

const ISO = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

export function problemBox(problem) {
  return h("div", { class: "problem", role: "alert" }, h("p", null, problem.message),
    problem.remedy && h("p", null, problem.remedy));
}

/*
 * Fills `box` with what `ask` gives, or says what went wrong. Only the last call on a box counts.
 * While it takes time the box keeps what it has, marked busy.
 */
export async function show(box, signal, ask, draw) {
  const turn = box.turn = (box.turn ?? 0) + 1;
  box.setAttribute("aria-busy", "true");
  if (!box.firstChild)
    put(box, empty("asking …"));
  try {
    const answer = await ask();
    if (turn === box.turn && !signal.aborted)
      put(box, draw(answer));
  } catch (problem) {
    if (signal.aborted || turn !== box.turn)
      return;
    put(box, problemBox(problem));
    if (problem.status === undefined)
      throw problem; /* a fault of this page */
  } finally {
    if (turn === box.turn)
      box.removeAttribute("aria-busy");
  }
}

/* What the API says of a thing, whatever its members are: lists in lists. */
export function tree(value) {
  if (value === null || value === "")
    return "–";
  if (Array.isArray(value))
    return value.length === 0 ? "none" : h("ul", { class: "tree" }, value.map((v) => h("li", null,
      tree(v))));
  if (typeof value === "object")
    return h("dl", { class: "facts" }, Object.entries(value).map(([k, v]) => [h("dt", null,
      words(k)),
      h("dd", null, tree(v))]));
  return typeof value === "string" && ISO.test(value) ? time(value) : String(value);
}

export const meterLink = (id) => h("a", { href: "#/meter/" + encodeURIComponent(id) }, id);

const STATES = { active: "good", pending: "warn", suspended: "warn", retired: "" };
export const stateBadge = (state) => h("span", { class: `badge ${STATES[state] ?? ""}` }, state);

/* A question before something is changed. Resolves to the values of its fields, or null. */
export function ask(title, text, fields, yes) {
  const box = document.getElementById("ask-box");
  const inputs = Object.fromEntries(fields.map((f) => [f.name, f.input]));
  return new Promise((resolve) => {
    let answer = null;
    put(box, h("form", { method: "dialog", onsubmit: () => {
      answer = Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, v.value]));
    } }, h("h2", { id: "ask-title" }, title), text && h("p", null, text),
    fields.map((f) => h("label", { class: "field" }, h("span", null, f.label), f.input)),
    h("div", { class: "buttons" }, button("Cancel", { onclick: () => box.close() }),
      h("button", { type: "submit", class: "main" }, yes))));
    box.addEventListener("close", () => resolve(answer), { once: true });
    box.showModal();
  });
}

/* A button that changes something: only who may sees it. */
export function changeButton(text, attributes, role = "operator") {
  return may(role) ? button(text, { class: "small", ...attributes }) : null;
}

/* Runs a change and says how it went in `said`. True: it was done. */
export async function change(said, work, done) {
  said.classList.remove("bad");
  put(said, "…");
  try {
    const answer = await work();
    put(said, typeof done === "function" ? done(answer) : done);
    return true;
  } catch (problem) {
    if (problem.status === undefined)
      throw problem;
    said.classList.add("bad");
    put(said, `${problem.message} ${problem.remedy ?? ""}`);
    return false;
  }
}

export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

/* 0000  7b 22 6d …  {"m… */
export function hexDump(bytes, most = 4096) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, most); at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    lines.push(at.toString(16).padStart(4, "0") + "  " +
      row.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(47) + "  " +
      row.map((b) => b >= 32 && b < 127 ? String.fromCharCode(b) : "·").join(""));
  }
  if (bytes.length > most)
    lines.push(`… ${bytes.length - most} bytes more`);
  return lines.join("\n");
}
