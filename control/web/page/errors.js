/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error queue: what was refused or in conflict, why, and the bytes as they came; and what an
 * operator does about it: send it again, send a corrected copy, give it up.
 */
import { call, get, has, may, path, takes } from "./api.js";
import { button, empty, field, h, put, select, table } from "./dom.js";
import { count, time, words } from "./format.js";
import { ask, bytesOf, change, changeButton, hexDump, meterLink, show } from "./parts.js";

export const title = "Error queue";

const PAGE = 50;
const STATES = [["", "any"], ["open", "open"], ["replayed", "replayed"], ["corrected", "corrected"],
  ["discarded", "discarded"]];
const BADGES = { open: "warn", replayed: "good", corrected: "good", discarded: "" };
const OUTCOMES = { done: "done", kept_open: "refused again, stays open",
  unanswered: "not answered in time, stays open", not_open: "was not open any more",
  absent: "is not there" };

function outcome(answer) {
  const one = answer.entries ? answer.entries.length === 1 && answer.entries[0] : answer;
  if (one)
    return `Entry ${one.number}: ${OUTCOMES[one.outcome] ?? words(one.outcome)}` +
      (one.reason ? `, ${words(one.reason)}` : "") + (one.why ? ` (${one.why}).` : ".");
  return `${count(answer.done)} done, ${count(answer.kept_open)} stay open, `
    + `${count(answer.not_open)} were not open any more: ${count(answer.stored)} readings stored, `
    + `${count(answer.duplicate)} known already, ${count(answer.refused)} refused again.`;
}

class Errors {
  constructor(place) {
    this.place = place;
    this.starts = [Number(place.query.get("from")) || 0]; /* of the pages up to this one */
    this.shown = Number(place.query.get("entry")) || null;
    this.chosen = new Set();
    this.filters = { reason: place.query.get("reason") ?? "", state: place.query.get("state") ??
      "" };
    this.acts = may("operator") && has("/errors/replay", "post");
    this.reason = h("div");
    this.list = h("div", { id: "error-list" });
    this.pages = h("div", { class: "group" });
    this.said = h("p", { class: "said", role: "status", id: "error-said" });
    this.actions = h("div", { class: "bar-of-controls", hidden: !this.acts });
    this.entry = h("section", { class: "card", id: "error-entry", "aria-label": "The entry chosen",
      tabindex: -1, hidden: true });
    const filters = h("div", { class: "bar-of-controls" }, this.reason,
      takes("/errors", "state") && field("State", this.filter("state", STATES)));
    this.element = h("div", null, h("h1", null, title),
      h("p", { class: "lead" }, "Acknowledged to the sender with its reason, kept with the bytes "
        + "that came, in no bill and no aggregate."), filters,
      h("div", { class: "grid wide" }, h("div", { class: "card" }, this.actions, this.said,
        this.list,
        this.pages), this.entry));
    this.takeReasons();
    this.refresh();
    if (this.shown)
      this.open(this.shown, false);
  }

  filter(name, options) {
    const choice = select(options, this.filters[name], { id: "error-" + name, onchange: () => {
      this.filters[name] = choice.value;
      this.starts = [0];
      this.refresh();
    } });
    return choice;
  }

  /* Those that there are, from the accounts. */
  async takeReasons() {
    const { readings } = await get("/status", null, this.place.signal).catch(() => ({}));
    if (!readings)
      return;
    const there = Object.entries(readings.totals).filter(([name, n]) =>
      (n && name !== "stored" && name !== "duplicate") || name === this.filters.reason);
    put(this.reason, field("Reason", this.filter("reason", [["", "any"], ...there.map(([name, n]) =>
      [name, `${words(name)} (${count(n)})`])])));
  }

  refresh() {
    const query = { from: this.starts[this.starts.length - 1], limit: PAGE, ...this.filters };
    this.keep();
    this.chosen.clear();
    this.putActions();
    return show(this.list, this.place.signal, () => get("/errors", query, this.place.signal),
      (answer) => this.draw(answer));
  }

  keep() {
    this.place.set({ ...this.filters, from: this.starts[this.starts.length - 1] || "",
      entry: this.shown });
  }

  turn(from) {
    if (from === null)
      this.starts.pop();
    else
      this.starts.push(from);
    this.refresh();
  }

  /* --- the list --- */

  draw(answer) {
    put(this.pages, this.starts.length > 1 && button("Previous",
      { onclick: () => this.turn(null) }),
      answer.more && button("Next", { onclick: () => this.turn(answer.next) }));
    if (answer.errors.length === 0)
      return empty(this.filters.reason || this.filters.state ? "No entry is like that."
        : "Nothing was refused.");
    const states = answer.errors.some((e) => e.state);
    return table("Oldest first", [
      ...(this.acts ? [{ head: this.chooseAll(answer.errors), cell: (e) => this.chooser(e) }] : []),
      { head: "Entry", cell: (e) => button(String(e.number), { class: "small",
        "aria-label": `Show entry ${e.number}`, onclick: () => this.open(e.number, true) }),
          row: true },
      { head: "Reason", cell: (e) => h("span", { class: "badge bad", title: e.cause },
        words(e.reason)) },
      ...(states ? [{ head: "State", cell: (e) => h("span",
        { class: `badge ${BADGES[e.state] ?? ""}` },
        words(e.state)) }] : []),
      { head: "Device", free: true, cell: (e) => !e.device ? "–" : e.known_device
        ? meterLink(e.device)
        : e.device },
      { head: "Received", cell: (e) => time(e.received) },
      { head: "Meter's time", cell: (e) => time(e.meter_time) },
      { head: "By", cell: (e) => `${e.protocol}, ${e.from}` },
      { head: "Bytes", cell: (e) => count(e.raw_bytes), number: true }], answer.errors, {
      row: (e) => ({ "aria-selected": e.number === this.shown ? "true" : null,
        "data-entry": e.number }) });
  }

  chooser(e) {
    if (e.state && e.state !== "open")
      return "";
    const box = h("input", { type: "checkbox", "aria-label": `Choose entry ${e.number}`,
      "data-choose": e.number, onchange: () => {
        this.chosen[box.checked ? "add" : "delete"](e.number);
        this.putActions();
      } });
    return box;
  }

  chooseAll() {
    const all = h("input", { type: "checkbox", "aria-label": "Choose all of this page",
      onchange: () => {
      this.list.querySelectorAll("[data-choose]").forEach((box) => {
        box.checked = all.checked;
        this.chosen[all.checked ? "add" : "delete"](Number(box.dataset.choose));
      });
      this.putActions();
    } });
    return all;
  }

  /* --- what is done about them --- */

  putActions() {
    const n = this.chosen.size;
    put(this.actions, h("span", { class: "lead" }, n ? `${count(n)} chosen` : "None chosen"),
      changeButton("Send again", { disabled: !n, id: "error-replay",
        onclick: () => this.replay() }),
      changeButton("Give up", { disabled: !n, id: "error-discard",
        onclick: () => this.discard() }));
  }

  async act(where, query, json) {
    const done = await change(this.said, () => call("POST", where, { query, json }),
      outcome);
    await this.refresh();
    if (this.shown)
      this.open(this.shown, false);
    return done;
  }

  late() {
    return { name: "late", label: "What is too late", input: select([["no", "stays refused"],
      ["yes", "is taken all the same"]], "no", null) };
  }

  why(required) {
    return { name: "why", label: required ? "Why" : "Why (may be left empty)",
      input: h("input", { required, maxlength: 200, autocomplete: "off" }) };
  }

  async replay() {
    const numbers = [...this.chosen];
    const given = await ask(`Send ${count(numbers.length)} again?`,
      "As if they came now from the same "
      + "sender: they are stored, are duplicates, or are refused again.", [this.late(),
        this.why(false)],
    "Send again");
    if (given)
      await this.act("/errors/replay", { numbers: numbers.join(","), accept_late: given.late,
        why: given.why.trim() });
  }

  async discard() {
    const numbers = [...this.chosen];
    const given = await ask(`Give ${count(numbers.length)} up?`,
      "They stay in the queue as discarded, "
      + "with your name and reason.", [this.why(true)], "Give up");
    if (given)
      await this.act("/errors/discard", { numbers: numbers.join(","), why: given.why.trim() });
  }

  async correct(e) {
    const text = h("textarea", { spellcheck: "false", class: "mono" });
    text.value = e.raw;
    const given = await ask(`Correct entry ${e.number}`,
      "A corrected copy is sent; what came stays as "
      + "it is, and the record says who changed it.", [{ name: "text", label: "Payload",
        input: text },
      this.late(), this.why(false)], "Send the copy");
    if (!given)
      return;
    const bytes = new TextEncoder().encode(given.text);
    await this.act(path("errors", e.number, "correct"), { accept_late: given.late,
      why: given.why.trim() }, { payload_base64: btoa(String.fromCharCode(...bytes)) });
  }

  /* --- one entry --- */

  open(number, move) {
    this.shown = number;
    this.keep();
    this.entry.hidden = false;
    this.list.querySelectorAll("tr[data-entry]").forEach((row) => {
      if (row.dataset.entry === String(number))
        row.setAttribute("aria-selected", "true");
      else
        row.removeAttribute("aria-selected");
    });
    show(this.entry, this.place.signal, () => get(path("errors", number), null, this.place.signal),
      (e) => this.drawEntry(e)).then(() => {
      if (move) {
        this.entry.focus();
        this.entry.scrollIntoView({ block: "nearest" });
      }
    });
  }

  drawEntry(e) {
    const state = e.record?.state ?? e.state;
    const facts = [["Reason", `${words(e.reason)}: ${e.cause}`], ["Device", e.device
      ? [e.known_device ? meterLink(e.device) : e.device, e.known_device ? ""
        : " (not in the registry)"]
      : "not told"], ["Received", time(e.received)], ["Meter's time", time(e.meter_time)],
    ["From", `${e.protocol} ${e.from}`], ["Client", e.client || "–"], ["Topic", e.topic || "–"],
    ["QoS", e.qos], ...(e.record ? Object.entries(e.record).map(([k, v]) => [words(k),
      typeof v === "object" ? JSON.stringify(v) : String(v)]) : [])];
    return [h("h2", null, `Entry ${e.number}`),
      h("dl", { class: "facts" }, facts.map(([k, v]) => [h("dt", null, k), h("dd", null, v)])),
      this.acts && e.raw !== null && (!state || state === "open") &&
        h("p", null, changeButton("Correct …", { id: "error-correct",
          onclick: () => this.correct(e) })),
      e.raw !== null && [h("h3", null, "As text"), h("pre", { class: "raw", tabindex: 0,
        "aria-label": "The bytes as text" }, e.raw)],
      h("h3", null, `${count(e.raw_bytes)} bytes`),
      h("pre", { class: "raw hex", tabindex: 0, "aria-label": "The bytes in hexadecimal" },
        hexDump(bytesOf(e.raw_base64)))];
  }
}

export function open(place) {
  return new Errors(place);
}
