/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of meters, gateways and the daemon: acknowledged and cleared here; and how the fleet is:
 * silence, batteries, clocks, firmware.
 */
import { call, get, has, path } from "./api.js";
import { button, card, empty, field, h, put, renew, select, table } from "./dom.js";
import { count, minutes, time, words } from "./format.js";
import { ask, change, changeButton, meterLink, show } from "./parts.js";

export const title = "Events";

const PAGE = 50, AGAIN_MS = 5000;
const STATES = [["", "not cleared"], ["open", "open"], ["acknowledged", "acknowledged"],
  ["cleared", "cleared"], ["all", "all"]];
const SEVERITIES = [["", "any"], ["warning", "warning or worse"], ["critical", "critical"]];
const SEVERITY_BADGES = { critical: "bad", warning: "warn", info: "" };
const STATE_BADGES = { open: "warn", acknowledged: "", cleared: "good" };
const DAEMON = "headraced"; /* the subject of its own events */

const badge = (text, kind) => h("span", { class: `badge ${kind ?? ""}` }, words(text));

/* What was said and done about it. */
function story(e) {
  const parts = [e.text && h("div", null, e.text)];
  if (e.acknowledged)
    parts.push(h("div", null, `acknowledged by ${e.acknowledged_by ?? "?"}, `,
      time(e.acknowledged, minutes), e.note && `: ${e.note}`));
  if (e.cleared)
    parts.push(h("div", null, e.cleared_by ? `cleared by ${e.cleared_by}, ` : "went by itself, ",
      time(e.cleared, minutes), e.cleared_why && `: ${e.cleared_why}`));
  return parts;
}

export const columns = (actions) => [
  { head: "Event", cell: (e) => count(e.number), row: true },
  { head: "Severity", cell: (e) => badge(e.severity, SEVERITY_BADGES[e.severity]) },
  { head: "Kind", cell: (e) => words(e.kind) },
  { head: "Of", free: true, cell: (e) => e.subject === DAEMON ? DAEMON : meterLink(e.subject) },
  { head: "State", cell: (e) => badge(e.state, STATE_BADGES[e.state]) },
  { head: "Last", cell: (e) => time(e.last, minutes) },
  { head: "Times", cell: (e) => count(e.count), number: true },
  { head: "What", cell: story, free: true },
  ...(actions ? [{ head: "Actions", cell: actions }] : []),
];

class Events {
  constructor(place) {
    this.place = place;
    this.starts = [null]; /* of the pages up to this one; null: the newest */
    this.filters = { state: place.query.get("state") ?? "",
      severity: place.query.get("severity") ?? "" };
    this.list = h("div", { id: "event-list", class: "card" });
    this.pages = h("div", { class: "group" });
    this.said = h("p", { class: "said", role: "status", id: "event-said" });
    this.fleet = h("div", { id: "fleet-health" });
    this.element = h("div", null, h("h1", null, title),
      h("div", { class: "bar-of-controls" }, field("State", this.filter("state", STATES)),
        field("Severity", this.filter("severity", SEVERITIES))),
      this.said, h("div", { class: "grid wide" }, this.list), this.pages, this.fleet);
    place.every(AGAIN_MS, async () => {
      if (!this.list.contains(document.activeElement))
        await this.take();
      if (has("/fleet"))
        this.putFleet(await get("/fleet", null, place.signal));
    });
  }

  filter(name, options) {
    const choice = select(options, this.filters[name], { id: "event-" + name, onchange: () => {
      this.filters[name] = choice.value;
      this.starts = [null];
      this.refresh();
    } });
    return choice;
  }

  refresh() {
    this.place.set(this.filters);
    return this.take();
  }

  take() {
    const query = { ...this.filters, from: this.starts[this.starts.length - 1], limit: PAGE };
    return show(this.list, this.place.signal, () => get("/events", query, this.place.signal),
      (answer) => this.draw(answer));
  }

  turn(from) {
    if (from === undefined)
      this.starts.pop();
    else
      this.starts.push(from);
    this.refresh();
  }

  draw(answer) {
    put(this.pages, this.starts.length > 1 &&
      button("Newer", { onclick: () => this.turn() }),
    answer.more && button("Older", { onclick: () => this.turn(answer.next) }));
    if (answer.events.length === 0)
      return empty(this.filters.state || this.filters.severity ? "No event is like that."
        : "Nothing is the matter.");
    return table("Newest first", columns((e) => this.actions(e)), answer.events,
      { row: (e) => ({ "data-event": e.number }) });
  }

  actions(e) {
    return h("div", { class: "group" }, e.state === "open" && changeButton("Acknowledge", {
      "aria-label": `Acknowledge event ${e.number}`, onclick: () => this.acknowledge(e) }),
    e.state !== "cleared" && changeButton("Clear", { "aria-label": `Clear event ${e.number}`,
      onclick: () => this.clear(e) }));
  }

  async act(e, verb, query, done) {
    await change(this.said, () => call("POST", path("events", e.number, verb), { query }), done);
    await this.take();
    this.said.scrollIntoView({ block: "nearest" });
  }

  async acknowledge(e) {
    const given = await ask(`Acknowledge event ${e.number}?`,
      "It says that somebody looks after it; " +
      "it stays open until its cause is gone.", [{ name: "note", label: "Note (may be left empty)",
      input: h("input", { maxlength: 200, autocomplete: "off" }) }], "Acknowledge");
    if (given)
      await this.act(e, "ack", { note: given.note.trim() }, `Event ${e.number} is acknowledged.`);
  }

  async clear(e) {
    const given = await ask(`Clear event ${e.number}?`, "It ends by hand. If its cause is still " +
      "there, it comes again.", [{ name: "why", label: "Why (may be left empty)",
      input: h("input", { maxlength: 200, autocomplete: "off" }) }], "Clear");
    if (given)
      await this.act(e, "clear", { why: given.why.trim() }, `Event ${e.number} is cleared.`);
  }

  /* --- the fleet --- */

  putFleet({ devices: d, gateways: g, clock_drift: drift, firmware }) {
    const facts = [["Active devices", d.active], ["Heard", d.heard], ["Never heard", d.never_heard],
      ["Silent", d.silent], ["Low battery", d.low_battery], ["Tamper", d.tamper],
      ["Gateways", g.known], ["Gateways connected", g.connected], ["Gateways silent", g.silent]];
    if (!this.fleetCards) {
      this.fleetCards = [h("div"), h("div"), h("div")];
      put(this.fleet, h("div", { class: "grid" }, card("The fleet", this.fleetCards[0]),
        card("Clocks", this.fleetCards[1]), card("Firmware", this.fleetCards[2])));
    }
    renew(this.fleetCards[0], h("dl", { class: "facts" }, facts.map(([name, n]) =>
      [h("dt", null, name), h("dd", null, count(n))])));
    renew(this.fleetCards[1], table("How far the meters' clocks are off", [
      { head: "Up to", cell: (row) => row.up_to_s === undefined ? "more"
        : `${count(row.up_to_s)} s`,
        row: true },
      { head: "Devices", cell: (row) => count(row.devices), number: true }], drift));
    renew(this.fleetCards[2], firmware.length === 0 ? empty("The registry names none.")
      : table("By maker and model", [
        { head: "Maker", cell: (f) => f.manufacturer || "–", row: true, free: true },
        { head: "Model", cell: (f) => f.model || "–", free: true },
        { head: "Version", cell: (f) => f.version || "–", free: true },
        { head: "Devices", cell: (f) => count(f.devices), number: true }], firmware));
  }
}

export function open(place) {
  return new Events(place);
}
