/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which meters have all their intervals, day by day: the share of intervals with a value, of
 * meters a page at a time.
 */
import { get, path } from "./api.js";
import { button, empty, field, h, put, select } from "./dom.js";
import { addDays, count, today } from "./format.js";
import { meterLink, show } from "./parts.js";

export const title = "Completeness";

const PAGE = 25, TOGETHER = 6;
const DAYS = [["7", "7 days"], ["14", "14 days"], ["31", "31 days"]];

/* f for each of the list, a few at a time, in order of the list. */
async function forEach(list, f) {
  const out = [];
  let next = 0;
  const work = async () => {
    for (let at = next++; at < list.length; at = next++)
      out[at] = await f(list[at]);
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
  return out;
}

class Completeness {
  constructor(place) {
    this.place = place;
    this.offset = Number(place.query.get("offset")) || 0;
    this.prefix = h("input", { type: "search", spellcheck: "false", autocomplete: "off",
      value: place.query.get("prefix") ?? "", maxlength: 200 });
    this.days = select(DAYS, place.query.get("days") ?? "14", { onchange: () => this.refresh() });
    this.found = h("div", { id: "completeness-found", class: "card" });
    this.pages = h("div", { class: "group" });
    this.element = h("div", null, h("h1", null, title),
      h("p", { class: "lead" },
        "Intervals that have a reading, in percent of those expected, by day "
        + "of the territory. Today is not over."),
      h("form", { class: "bar-of-controls", role: "search", onsubmit: (event) => {
        event.preventDefault();
        this.turn(0);
      } }, field("Id begins with", this.prefix), field("Period", this.days),
      h("button", { type: "submit", class: "main" }, "Show")), this.found, this.pages);
    this.refresh();
  }

  turn(offset) {
    this.offset = offset;
    this.refresh();
  }

  refresh() {
    this.place.set({ prefix: this.prefix.value.trim(), days: this.days.value,
      offset: this.offset || "" });
    show(this.found, this.place.signal, () => this.ask(), (answer) => this.draw(answer));
  }

  async ask() {
    const signal = this.place.signal, n = Number(this.days.value), last = today();
    const days = Array.from({ length: n }, (_, i) => addDays(last, i + 1 - n));
    const list = await get("/devices", { prefix: this.prefix.value.trim(), state: "active",
      offset: this.offset, limit: PAGE }, signal);
    const rows = await forEach(list.devices, async (d) => {
      const got = await get(path("aggregates", d.id), { level: "day", from: days[0],
        to: addDays(last, 1) }, signal);
      return { id: d.id, by: new Map(got.aggregates.map((a) => [a.day, a])) };
    });
    return { days, rows, more: list.more };
  }

  draw({ days, rows, more }) {
    put(this.pages, this.offset > 0 && button("Previous", { onclick: () =>
      this.turn(Math.max(0, this.offset - PAGE)) }),
    more && button("Next", { onclick: () => this.turn(this.offset + PAGE) }));
    if (rows.length === 0)
      return empty("No active device is like that.");
    const cells = rows.map((r) => days.map((d) => r.by.get(d)));
    const full = cells.flatMap((row) => row.slice(0, -1)).filter((a) => a &&
      Number(a.completeness) >= 100).length;
    return [h("p", { class: "lead" },
      `${count(full)} of ${count(rows.length * (days.length - 1))} meter `
      + "days before today are complete."),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Completeness by day" },
      h("table", { class: "days" }, h("caption", { class: "hidden" }, "Completeness in percent"),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Meter"), days.map((d) =>
          h("th", { scope: "col", class: "number", title: d }, d.slice(5))))),
        h("tbody", null, rows.map((r, i) => h("tr", null, h("th", { scope: "row" },
          meterLink(r.id)),
          cells[i].map((a, k) => this.cell(r.id, days[k], a)))))))];
  }

  cell(id, day, a) {
    if (day === today())
      return h("td", { class: "now", title: a ? `${id}, today: ${a.intervals} intervals so far`
        : null },
        a ? `${count(a.intervals)} so far` : "none yet");
    if (!a)
      return h("td", { class: "none", title: `${id}, ${day}: no reading` }, "0");
    const value = Number(a.completeness), full = value >= 100;
    return h("td", { class: full ? "full" : value > 0 ? "part" : "none",
      title: `${id}, ${day}: ${a.intervals} of ${a.expected} intervals` },
    full ? "100" : value.toFixed(value < 10 ? 1 : 0));
  }
}

export function open(place) {
  return new Completeness(place);
}
