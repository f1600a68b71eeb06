/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon does now, and did in the last minutes: it keeps a sample a second, which this
 * page takes over when it is opened and goes on from.
 */
import { get } from "./api.js";
import { button, card, empty, h, put, renew, setText, table } from "./dom.js";
import { bytes, count, duration, fixed, micros, percent, short, words } from "./format.js";
import { Plot, sparkline } from "./plot.js";

export const title = "Overview";
export const role = "monitor";

const SAMPLES_MAX = 600, RECENT = 10, LEVELS_SHOWN = 14;
const STAGE_LINES_MAX = 6;
const SPANS = [[60, "1 min"], [300, "5 min"], [600, "10 min"]];

const perSecond = (v) => `${short(v)}/s`;
const COUNTED = ["stored", "duplicate"]; /* fates that are no error */
const refused = (fates) => Object.entries(fates).filter(([name]) => !COUNTED.includes(name))
  .reduce((sum, [, n]) => sum + n, 0);

/* --- tiles --- */

function tile(name) {
  const value = h("span", { class: "value" }, "–"), unit = h("span", { class: "unit" });
  const more = h("div", { class: "more" }), spark = h("div");
  return {
    element: h("div", { class: "tile", "data-tile": name }, h("dt", null, name),
      h("dd", null, value, " ", unit, spark, more)),
    set(text, unitText, moreText, values, hue) {
      setText(value, text);
      setText(unit, unitText);
      setText(more, moreText ?? "");
      if (values)
        put(spark, sparkline(values, hue));
    },
  };
}

/* --- what the samples say --- */

const sum = (list) => list.reduce((a, b) => a + b, 0);
const rate = (samples, key) => {
  const s = sum(samples.map((x) => x.seconds));
  return s > 0 ? sum(samples.map((x) => x[key])) / s : 0;
};
const worst = (samples, part, key) => samples.reduce((most, x) => x[part].count ?
  Math.max(most ?? 0, x[part][key]) : most, null);

function series(samples, name, hue, dash, value) {
  return { name, hue, dash, values: samples.map(value) };
}

/* One line per stage; of many, one per kind of stage. */
function stageLines(stages, samples) {
  const groups = new Map();
  stages.forEach((stage, i) => {
    const name = stages.length > STAGE_LINES_MAX ? stage.name.replace(/\d+$/, "") : stage.name;
    groups.set(name, [...groups.get(name) ?? [], i]);
  });
  return [...groups].map(([name, members], n) => series(samples, name, n % 6 + 1, n % 4,
    (x) => sum(members.map((i) => x.stages[i] ?? 0)) / x.seconds));
}

/* --- the panel --- */

class Overview {
  constructor(place) {
    this.place = place;
    this.samples = [];
    this.stages = [];
    this.next = 0;
    this.span = Number(place.query.get("span")) || 300;
    this.paused = false;
    this.tiles = Object.fromEntries(["Readings", "Publish to durable, p99", "Device write, p99",
      "Not yet durable", "Connections", "Stored", "Refused or in conflict", "Journal"].map((name) =>
      [name, tile(name)]));
    this.plots = {
      fates: new Plot({ title: "Readings by fate", kind: "stack", format: perSecond,
        id: "plot-fates" }),
      latency: new Plot({ title: "From publish to durable, against the device's own writes",
        kind: "lines", log: true, format: micros, id: "plot-latency" }),
      stages: new Plot({ title: "Work per stage", kind: "lines", format: perSecond,
        id: "plot-stages" }),
      connections: new Plot({ title: "Connections", kind: "lines", format: count,
        id: "plot-connections" }),
    };
    this.cards = Object.fromEntries(["levels", "fates", "storage", "memory", "stages", "counters"]
      .map((name) => [name, h("div", { "data-card": name })]));
    this.makeElement();
    place.every(1000, () => this.paused ? null : this.takeHistory());
    place.every(2000, () => this.paused ? null : this.takeStatus());
  }

  makeElement() {
    const pause = button("Pause", { "aria-pressed": "false", onclick: () => {
      this.paused = !this.paused;
      pause.setAttribute("aria-pressed", String(this.paused));
    } });
    this.spans = h("div", { class: "group", role: "group", "aria-label": "Period of the plots" });
    this.putSpans();
    this.element = h("div", null, h("h1", null, title),
      h("div", { class: "bar-of-controls" }, this.spans, pause),
      h("dl", { class: "tiles" }, Object.values(this.tiles).map((t) => t.element)),
      h("div", { class: "grid" }, Object.values(this.plots).map((p) => p.element)),
      h("div", { class: "grid" }, card("Rings and pools", this.cards.levels),
        card("Readings by fate", this.cards.fates), card("Journal and store", this.cards.storage),
        card("Connections and memory", this.cards.memory)),
      h("div", { class: "grid wide" }, card("Stages", this.cards.stages),
        card("Counters", this.cards.counters)));
  }

  putSpans() {
    put(this.spans, SPANS.map(([s, text]) => button(text, {
      "aria-pressed": String(s === this.span), onclick: () => {
        this.span = s;
        this.place.set({ span: s });
        this.putSpans();
        this.putHistory();
        [...this.spans.children].find((b) => b.getAttribute("aria-pressed") === "true").focus();
      } })));
  }

  refresh() {
    this.takeHistory().catch(() => {});
    this.takeStatus().catch(() => {});
  }

  close() {
    Object.values(this.plots).forEach((p) => p.close());
  }

  /* --- history --- */

  async takeHistory() {
    const got = await get("/status/history", { after: this.next }, this.place.signal);
    if (got.started !== this.started)
      this.samples = []; /* the daemon was started anew */
    this.started = got.started;
    this.next = got.last;
    this.stages = got.stages;
    this.samples = [...this.samples, ...got.samples].slice(-SAMPLES_MAX);
    this.putHistory();
  }

  putHistory() {
    const samples = this.samples.slice(-this.span), x = samples.map((v) => Date.parse(v.time));
    const per = (key) => (v) => v[key] / v.seconds;
    this.plots.fates.set({ x, series: [series(samples, "stored", 1, 0, per("stored")),
      series(samples, "duplicate", 6, 0, per("duplicate")),
      series(samples, "conflict", 3, 0, per("conflict")),
      series(samples, "rejected", 5, 0, per("rejected"))] });
    const part = (name, key) => (v) => v[name].count ? v[name][key] : null;
    this.plots.latency.set({ x, series: [
      series(samples, "p50", 1, 0, part("acknowledgement", "p50_us")),
      series(samples, "p99", 4, 1, part("acknowledgement", "p99_us")),
      series(samples, "p99.9", 5, 2, part("acknowledgement", "p999_us")),
      series(samples, "device p50", 6, 0, part("write", "p50_us")),
      series(samples, "device p99", 3, 3, part("write", "p99_us"))] });
    this.plots.stages.set({ x, series: stageLines(this.stages, samples) });
    this.plots.connections.set({ x, series: [series(samples, "connections", 1, 0,
      (v) => v.connections)] });
    this.putTiles();
  }

  putTiles() {
    const recent = this.samples.slice(-RECENT), minute = this.samples.slice(-60), t = this.tiles;
    const last = this.samples[this.samples.length - 1];
    if (!last)
      return;
    const ack = worst(recent, "acknowledgement", "p99_us"), write = worst(recent, "write",
      "p99_us");
    t.Readings.set(short(rate(recent, "readings")), "per second",
      `${short(rate(recent, "messages"))} messages/s, last ${RECENT} s`,
      minute.map((v) => v.readings / v.seconds), 1);
    this.putMicros(t["Publish to durable, p99"], ack, ack && write
      ? `${short(ack / write)} × the device's write` : "nothing acknowledged just now",
    minute.map((v) => v.acknowledgement.p99_us), 4);
    this.putMicros(t["Device write, p99"], write, "durable block writes of the journal",
      minute.map((v) => v.write.p99_us), 3);
    t["Not yet durable"].set(count(last.in_flight), "readings", "received, not yet acknowledged",
      minute.map((v) => v.in_flight), 2);
    t.Connections.set(count(last.connections), "", "", minute.map((v) => v.connections), 1);
  }

  putMicros(to, us, more, values, hue) {
    const [value, unit] = us === null ? ["–", ""] : micros(us).split(" ");
    to.set(value, unit, more, values, hue);
  }

  /* --- status --- */

  async takeStatus() {
    const status = await get("/status", null, this.place.signal);
    this.putTotals(status);
    this.putLevels(status.levels);
    this.putFates(status.readings);
    this.putStorage(status);
    this.putMemory(status);
    this.putStages(status);
    this.putCounters(status);
  }

  putTotals({ readings, journal, store }) {
    const t = this.tiles, totals = readings.totals,
      behind = journal.durable_block - store.applied_block;
    t.Stored.set(count(totals.stored), "readings",
      `${count(totals.duplicate)} duplicates, counted once`);
    t["Refused or in conflict"].set(count(refused(totals)), "readings",
      "with their bytes in the error queue");
    t.Journal.set(journal.stalled ? "stalled" : "running", "",
      behind > 0 ? `the store is ${count(behind)} blocks behind` : "the store has all of it");
  }

  putLevels(levels) {
    const full = (v) => v.capacity ? v.used / v.capacity : 0;
    const sorted = [...levels].sort((a, b) => full(b) - full(a) || (a.name < b.name ? -1 : 1));
    const shown = this.allLevels ? sorted : sorted.slice(0, LEVELS_SHOWN);
    const open = this.levelButton && document.activeElement === this.levelButton;
    this.levelButton = sorted.length > LEVELS_SHOWN && button(this.allLevels
      ? "Show the fullest only"
      : `Show all ${count(sorted.length)}`, { class: "small", onclick: () => {
      this.allLevels = !this.allLevels;
      this.putLevels(levels);
      this.levelButton.focus();
    } });
    put(this.cards.levels, h("ul", { class: "level" }, shown.map((v) => h("li", null,
      h("span", null, v.name, " ", h("span", { class: "badge" }, v.kind)),
      h("meter", { min: 0, max: v.capacity || 1, value: v.used, high: v.capacity * 0.8,
        optimum: 0, "aria-label": `${v.name}: ${percent(full(v) * 100)} full` }),
      h("span", { class: "number" }, `${count(v.used)} of ${count(v.capacity)}`)))),
        this.levelButton);
    if (open && this.levelButton)
      this.levelButton.focus();
  }

  putFates(readings) {
    const rows = Object.entries(readings.totals).filter(([name, n]) =>
      n || readings.since_start[name] || name === "stored");
    renew(this.cards.fates, table("Every reading received ends in exactly one of these", [
      { head: "Fate", cell: ([name]) => words(name), row: true },
      { head: "Since start", cell: ([name]) => count(readings.since_start[name] ?? 0),
        number: true },
      { head: "Ever", cell: ([, n]) => count(n), number: true }], rows, { id: "fates" }));
  }

  putStorage({ journal: j, store: v }) {
    const alarm = j.alarm || v.alarm;
    renew(this.cards.storage, alarm && h("div", { class: "problem" }, h("p", null, alarm)),
      h("dl", { class: "facts" }, facts([
        ["Journal written", `${bytes(j.bytes_written)} in ${count(j.blocks_written)} blocks`],
        ["Newest durable block", count(j.durable_block)],
        ["Also in the store", count(v.applied_block)],
        ["Device writes, since start",
          `p50 ${micros(j.write?.p50_us)}, p99 ${micros(j.write?.p99_us)}, `
          + `worst ${micros(j.write?.max_us)}`],
        ["Writes under way", count(j.inflight)],
        ["Segments", `${count(j.segments)}, ${count(j.segments_free)} free`],
        ["Store on disk", bytes(v.disk_bytes)],
        ["Readings not yet packed", count(v.run_readings)]])));
  }

  putMemory({ connections: c, memory_budget_bytes: budget, devices, uptime_s: up }) {
    renew(this.cards.memory, h("dl", { class: "facts" }, facts([
      ["Reserved at start", bytes(budget)],
      ["Connections", `${count(c.count)}, taking ${bytes(c.used_bytes)}`],
      ["Each idle one", bytes(c.bytes_per_idle_connection)],
      ["Devices in the registry", count(devices)], ["Up for", duration(up)]])),
    table("Memory of connections", [
      { head: "Pool", cell: (p) => p.name, row: true },
      { head: "Used", cell: (p) => count(p.used), number: true },
      { head: "Room", cell: (p) => count(p.capacity), number: true },
      { head: "Bytes", cell: (p) => bytes(p.used_bytes), number: true }], c.pools));
  }

  putStages(status) {
    renew(this.cards.stages, table("What each stage did: frames, readings or records", [
      { head: "Stage", cell: (v) => v.name, row: true },
      { head: "CPU", cell: (v) => v.cpu, number: true },
      { head: "Items/s", cell: (v) => short(v.items_per_s ?? 0), number: true },
      { head: "Cycles each, now", cell: (v) => v.recent_cycles_per_item
        ? count(v.recent_cycles_per_item) : "–", number: true },
      { head: "Cycles each, ever", cell: (v) => v.items ? count(v.cycles_per_item) : "–",
        number: true },
      { head: "Polls with work", cell: (v) => v.polls ?
        percent(v.busy_polls / v.polls * 100) : "–",
        number: true },
      { head: "Items", cell: (v) => count(v.items), number: true }], status.stages));
  }

  putCounters(status) {
    const rows = Object.entries({ ...status.gauges, ...status.counters });
    if (!this.filter) {
      this.filter = h("input", { type: "search", oninput: () => this.putCounterRows() });
      this.counterBox = h("div");
      put(this.cards.counters, h("details", null, h("summary", null, "All that are not zero"),
        h("label", { class: "field" }, "Name contains", this.filter), this.counterBox));
    }
    this.counterRows = rows;
    this.putCounterRows();
  }

  putCounterRows() {
    const text = this.filter.value.trim().toLowerCase();
    const rows = this.counterRows.filter(([name]) => name.includes(text));
    renew(this.counterBox, rows.length ? table("Counters and gauges", [
      { head: "Name", cell: ([name]) => h("code", null, name), row: true },
      { head: "Value", cell: ([, n]) => fixed(n, 0), number: true }], rows, { hideCaption: true })
      : empty("No counter with that name."));
  }
}

function facts(pairs) {
  return pairs.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]);
}

export function open(place) {
  return new Overview(place);
}
