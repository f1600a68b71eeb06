/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plots in SVG: lines and stacked areas over time, and bars of periods. Each is a figure that a
 * keyboard can walk along (arrow keys), says in words what it shows, and has a table instead.
 *
 *	const plot = new Plot({title, kind: "lines" | "stack" | "bars", format, log, height, id,
 *		choose: what a click or Enter on a value calls, with its index});
 *	plot.set({x: [ms], series: [{name, hue, dash, values}]});            lines, stack
 *	plot.set({bars: [{from, to, value, kind}], kinds: {key: {name, hue, pattern}}});
 *
 * Colour is never alone: lines differ in their dashes, bars in their patterns.
 */
import { button, h, put, s, setText } from "./dom.js";
import { clock, clockSeconds, day, minutes, seconds } from "./format.js";

const LEFT_LEAST = 40, CHARACTER = 6.7, RIGHT = 10, TOP = 8, BOTTOM = 24;
const ROWS_MAX = 2000; /* of the table */
const MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [1000, 5000, 10000, 15000, 30000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE,
  15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY,
  14 * DAY, 28 * DAY];
let made = 0;

/* Round values of an axis from 0: up to `most` of them. */
function linearTicks(top, most) {
  const raw = top / most, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * size >= raw) * size;
  const ticks = [];
  for (let i = 0; i * step <= top * 1.0001; i++)
    ticks.push(i * step);
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let p = Math.ceil(Math.log10(low)); p <= Math.log10(high); p++)
    ticks.push(10 ** p);
  return ticks;
}

/* Times at which a clock of the territory shows round values. Its offset from UTC is a multiple of
 * 15 minutes; where it changes within the plot, the ticks follow. */
function timeTicks(from, to, most) {
  const step = STEPS.find((v) => (to - from) / v <= most) ?? 28 * DAY;
  const grid = Math.min(step, DAY), ticks = [];
  const offset = (ms) => Date.parse(seconds(ms).replace(" ", "T")
    + "Z") - Math.floor(ms / 1000) * 1000;
  let next = Math.ceil((from + offset(from)) / grid) * grid;
  for (; ; next += step) {
    const ms = next - offset(next - offset(from));
    if (ms > to)
      break;
    if (ms >= from)
      ticks.push(ms);
  }
  return { ticks, label: step >= DAY ? (ms) => day(ms).slice(5)
    : step < MINUTE ? clockSeconds
      : (ms) => to - from > DAY && clock(ms) === "00:00" ? day(ms).slice(5) : clock(ms) };
}

export class Plot {
  constructor(options) {
    this.options = { height: 190, format: String, ...options };
    this.uid = "plot" + ++made;
    this.data = null;
    this.at = null; /* index under the cursor */
    this.svg = s("svg", { role: "img", "aria-labelledby": this.uid + "t",
      "aria-describedby": this.uid + "d" });
    this.readout = h("p", { class: "readout" });
    this.spoken = h("p", { class: "hidden", "aria-live": "polite" });
    this.words = h("p", { class: "hidden", id: this.uid + "d" });
    this.legend = h("ul", { class: "legend" });
    this.box = h("div", { class: "plot", tabindex: 0, role: "group", "aria-roledescription": "plot",
      "aria-labelledby": this.uid + "t", "aria-describedby": this.uid + "d",
      onkeydown: (e) => this.onKey(e), onpointermove: (e) => this.onPointer(e),
      onpointerleave: () => this.point(null),
      onclick: () => this.at !== null && this.options.choose?.(this.at) }, this.svg);
    this.tableBox = h("div", { hidden: true });
    this.toggle = button("Table", { class: "small", "aria-pressed": "false",
      "aria-label": `${this.options.title}: as a table`, onclick: () => this.switchTable() });
    this.element = h("figure", { class: "card figure", id: this.options.id },
      h("figcaption", null, h("h2", { id: this.uid + "t" }, this.options.title), this.toggle),
      this.legend, this.box, this.tableBox, this.readout, this.words, this.spoken);
    this.width = 0;
    this.observer = new ResizeObserver(() => {
      if (Math.abs(this.box.clientWidth - this.width) > 1)
        this.draw();
    });
    this.observer.observe(this.box);
  }

  close() {
    this.observer.disconnect();
  }

  set(data) {
    this.data = data;
    this.draw();
    this.putLegend();
    setText(this.words, this.describe());
    if (!this.tableBox.hidden)
      this.putTable();
  }

  get bars() {
    return this.options.kind === "bars";
  }

  /* --- what it says --- */

  describe() {
    const d = this.data, f = this.options.format;
    if (this.length() === 0)
      return "Nothing to show yet.";
    const first = minutes(this.from(0)), last = minutes(this.to(this.length() - 1));
    const walk = "Arrow keys read the values." + (this.options.choose ? " Enter tells more." : "");
    if (this.bars) {
      const known = d.bars.filter((b) => b.value !== null);
      const most = known.reduce((a, b) => a && a.value >= b.value ? a : b, null);
      const kinds = Object.entries(d.kinds).map(([key, k]) =>
        `${d.bars.filter((b) => b.kind === key).length} ${k.name}`).join(", ");
      return `${d.bars.length} periods from ${first} to ${last}: ${kinds}. ` +
        (most ? `The highest is ${f(most.value)}, ${minutes(most.from)}. ` : "") + walk;
    }
    return `From ${first} to ${last}. Now: ` + d.series.map((v) =>
      `${v.name} ${f(v.values[v.values.length - 1])}`).join(", ") + ". " + walk;
  }

  length() {
    return this.data ? (this.bars ? this.data.bars : this.data.x).length : 0;
  }

  from(i) {
    return this.bars ? this.data.bars[i].from : this.data.x[i];
  }

  to(i) {
    return this.bars ? this.data.bars[i].to : this.data.x[i];
  }

  told(i) {
    const d = this.data, f = this.options.format;
    if (this.bars) {
      const b = d.bars[i];
      return `${minutes(b.from)} – ${clock(b.to)}: ` +
        (b.value === null ? "no value, " : `${f(b.value)}, `) +
        d.kinds[b.kind].name + (b.note ? `, ${b.note}` : "");
    }
    return `${seconds(d.x[i])}: ` + d.series.map((v) =>
      `${v.name} ${v.values[i] === null ? "–" : f(v.values[i])}`).join(", ");
  }

  /* --- table --- */

  switchTable() {
    const table = this.tableBox.hidden;
    this.tableBox.hidden = !table;
    this.box.hidden = table;
    this.readout.hidden = table;
    this.toggle.setAttribute("aria-pressed", String(table));
    if (table)
      this.putTable();
    else
      this.draw();
  }

  tableRows() {
    const d = this.data, f = this.options.format;
    if (!d)
      return [];
    const value = (v) => v === null ? "–" : f(v);
    const rows = this.bars
      ? d.bars.map((b) => [minutes(b.from), value(b.value), d.kinds[b.kind].name])
      : d.x.map((x, i) => [seconds(x), ...d.series.map((v) => value(v.values[i]))]).reverse();
    return rows.slice(0, ROWS_MAX);
  }

  putTable() {
    const heads = this.bars ? ["From", "Value", "Kind"]
      : ["Time", ...(this.data?.series ?? []).map((v) => v.name)];
    const scrolled = this.tableBox.firstChild?.scrollTop ?? 0;
    put(this.tableBox, h("div", { class: "scroll tall", tabindex: 0, role: "region",
      "aria-label": `${this.options.title}, table` },
    h("table", null, h("caption", { class: "hidden" }, this.options.title),
      h("thead", null, h("tr", null, heads.map((t) => h("th", { scope: "col" }, t)))),
      h("tbody", null, this.tableRows().map((cells) => h("tr", null, cells.map((c, i) =>
        i ? h("td", { class: "number" }, c) : h("th", { scope: "row" }, c))))))));
    this.tableBox.firstChild.scrollTop = scrolled;
  }

  putLegend() {
    const entries = this.bars
      ? Object.entries(this.data.kinds)
        .filter(([key]) => this.data.bars.some((b) => b.kind === key))
        .map(([, k]) => [k.name, s("rect", { width: 22, height: 12, class: `bar hue${k.hue}`,
          fill: k.pattern && `url(#${this.uid}${k.pattern}${k.hue})` })])
      : this.data.series.map((v) => [v.name, this.options.kind === "stack"
        ? s("rect", { width: 22, height: 12, class: `area hue${v.hue}` })
        : s("path", { d: "M0 6H22", class: `line hue${v.hue} dash${v.dash ?? 0}` })]);
    const key = entries.map(([name]) => name).join("\n");
    if (this.legendKey === key)
      return;
    this.legendKey = key;
    put(this.legend, entries.map(([name, shape]) => h("li", null,
      s("svg", { width: 22, height: 12, "aria-hidden": "true" }, shape), name)));
  }

  /* --- cursor --- */

  onPointer(event) {
    const x = event.clientX - this.box.getBoundingClientRect().left;
    this.point(this.nearest(x));
  }

  nearest(x) {
    const n = this.length();
    if (n === 0 || !this.xScale)
      return null;
    let best = 0, distance = Infinity;
    for (let i = 0; i < n; i++) {
      const middle = (this.xScale(this.from(i)) + this.xScale(this.to(i))) / 2;
      if (Math.abs(middle - x) < distance) {
        distance = Math.abs(middle - x);
        best = i;
      }
    }
    return best;
  }

  onKey(event) {
    const n = this.length(), steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    let to = null;
    if (event.key in steps)
      to = Math.min(n - 1, Math.max(0, (this.at ?? n - 1) + steps[event.key]));
    else if (event.key === "Home")
      to = 0;
    else if (event.key === "End")
      to = n - 1;
    else if (event.key === "Enter" && this.at !== null && this.options.choose)
      return void this.options.choose(this.at);
    else
      return;
    if (n === 0 || event.ctrlKey || event.altKey || event.metaKey)
      return;
    event.preventDefault();
    this.point(to);
    setText(this.spoken, this.told(to));
  }

  point(index) {
    this.at = index;
    if (index !== null && index >= this.length())
      this.at = null;
    setText(this.readout, this.at === null ? "" : this.told(this.at));
    this.putCursor();
  }

  putCursor() {
    if (!this.cursor)
      return;
    if (this.at === null) {
      this.cursor.setAttribute("visibility", "hidden");
      return;
    }
    const a = this.xScale(this.from(this.at)), b = this.xScale(this.to(this.at));
    this.cursor.setAttribute("x", Math.min(a, b) - (this.bars ? 0 : 0.5));
    this.cursor.setAttribute("width", Math.max(1, b - a));
    this.cursor.setAttribute("visibility", "visible");
  }

  /* --- drawing --- */

  draw() {
    if (this.box.hidden)
      return;
    this.width = this.box.clientWidth;
    const { height } = this.options, width = this.width;
    if (width < 60)
      return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    if (this.length() === 0) {
      put(this.svg, s("text", { x: width / 2, y: height / 2, class: "nothing",
        "text-anchor": "middle" }, "nothing to show yet"));
      this.cursor = null;
      return;
    }
    this.makeScales(width, height);
    this.cursor = s("rect", { class: "cursor", y: TOP, height: height - TOP - BOTTOM, width: 1,
      visibility: "hidden" });
    put(this.svg, this.patterns(), this.axes(width, height), this.shapes(), this.cursor);
    if (this.at !== null)
      this.point(this.at < this.length() ? this.at : null);
  }

  top() {
    const d = this.data;
    if (this.bars)
      return Math.max(0, ...d.bars.map((b) => b.value ?? 0));
    const n = d.x.length;
    if (this.options.kind === "stack") {
      let most = 0;
      for (let i = 0; i < n; i++)
        most = Math.max(most, d.series.reduce((sum, v) => sum + (v.values[i] ?? 0), 0));
      return most;
    }
    return d.series.reduce((most, v) => v.values.reduce((m, x) => Math.max(m, x ?? 0), most), 0);
  }

  makeScales(width, height) {
    const from = this.from(0), to = Math.max(this.to(this.length() - 1), from + 1000);
    const floor = height - BOTTOM, room = floor - TOP;
    this.span = [from, to];
    this.makeValueScale(floor, room);
    const format = this.options.tick ?? this.options.format;
    this.left = this.yTicks.reduce((most, v) => Math.max(most, format(v).length * CHARACTER + 8),
      LEFT_LEAST);
    this.xScale = (ms) => this.left + (ms - from) / (to - from) * (width - this.left - RIGHT);
  }

  makeValueScale(floor, room) {
    if (this.options.log) {
      const all = this.data.series.flatMap((v) => v.values).filter((v) => v > 0);
      const low = 10 ** Math.floor(Math.log10(all.reduce((a, b) => Math.min(a, b), 1e9)));
      const high = 10 ** Math.ceil(Math.log10(all.reduce((a, b) => Math.max(a, b), low * 10)));
      this.yTicks = all.length ? logTicks(low, high) : [];
      this.yScale = (v) => floor - Math.max(0, Math.log(v / low) / Math.log(high / low)) * room;
      return;
    }
    const most = this.top() || 1;
    this.yTicks = linearTicks(most * 1.05, Math.max(2, Math.floor(room / 36)));
    const high = Math.max(most * 1.05, this.yTicks[this.yTicks.length - 1]);
    this.yScale = (v) => floor - v / high * room;
  }

  patterns() {
    if (!this.bars)
      return null;
    return s("defs", null, Object.values(this.data.kinds).filter((k) => k.pattern).map((k) =>
      s("pattern", { id: this.uid + k.pattern + k.hue, width: 6, height: 6,
        patternUnits: "userSpaceOnUse", patternTransform:
          k.pattern === "stripes" ? "rotate(45)" : k.pattern === "back" ? "rotate(-45)" : null },
      s("rect", { width: 6, height: 6, class: `wash hue${k.hue}` }),
      k.pattern === "dots" ? s("circle", { cx: 3, cy: 3, r: 1.4, class: `ink hue${k.hue}` })
        : s("rect", { width: 2.5, height: 6, class: `ink hue${k.hue}` }))));
  }

  axes(width, height) {
    const { ticks, label } = timeTicks(...this.span, Math.max(2,
      Math.floor((width - this.left) / 76)));
    const f = this.options.tick ?? this.options.format;
    return s("g", { class: "axes", "aria-hidden": "true" },
      this.yTicks.map((v) => [
        s("path", { class: "rule", d: `M${this.left} ${this.yScale(v)}H${width - RIGHT}` }),
        s("text", { x: this.left - 6, y: this.yScale(v) + 4, "text-anchor": "end" }, f(v))]),
      ticks.map((ms) => [
        s("path", { class: "tick", d: `M${this.xScale(ms)} ${height - BOTTOM}v4` }),
        s("text", { x: this.xScale(ms), y: height - 7, "text-anchor": "middle" }, label(ms))]));
  }

  shapes() {
    const d = this.data;
    if (this.bars)
      return this.barShapes();
    if (this.options.kind === "stack")
      return this.stackShapes();
    return d.series.map((v) => s("path", { class: `line hue${v.hue} dash${v.dash ?? 0}`,
      d: this.linePath(v.values) }));
  }

  linePath(values) {
    let path = "", pen = "M";
    values.forEach((v, i) => {
      if (v === null || (this.options.log && v <= 0)) {
        pen = "M";
        return;
      }
      path += `${pen}${this.xScale(this.data.x[i]).toFixed(1)} ${this.yScale(v).toFixed(1)}`;
      pen = "L";
    });
    return path;
  }

  stackShapes() {
    const d = this.data, below = d.x.map(() => 0);
    return d.series.map((v) => {
      const low = [...below];
      v.values.forEach((x, i) => {
        below[i] += x ?? 0;
      });
      const at = (y, i) => `${this.xScale(d.x[i]).toFixed(1)} ${this.yScale(y).toFixed(1)}`;
      const up = below.map(at), down = low.map(at).reverse();
      return s("path", { class: `area hue${v.hue}`, d: `M${up.join("L")}L${down.join("L")}Z` });
    });
  }

  /* One path per kind, however many bars there are. */
  barShapes() {
    const { bars, kinds } = this.data, floor = this.yScale(0), paths = {};
    for (const b of bars) {
      const x = this.xScale(b.from), w = this.xScale(b.to) - x, gap = w > 3 ? 0.6 : 0;
      const y = b.value === null ? TOP : Math.min(this.yScale(Math.max(0, b.value)), floor - 1);
      paths[b.kind] = (paths[b.kind] ?? "") + `M${(x + gap).toFixed(2)} ${floor}V${y.toFixed(1)}` +
        `H${(x + w - gap).toFixed(2)}V${floor}Z`;
    }
    return Object.entries(paths).map(([key, path]) => {
      const k = kinds[key];
      return s("path", { class: `bar hue${k.hue}${k.faint ? " faint" : ""}`, d: path,
        "data-kind": key, fill: k.pattern && `url(#${this.uid}${k.pattern}${k.hue})` });
    });
  }
}

/* A small line without axes, beside a number that says the same. */
export function sparkline(values, hue) {
  const width = 96, height = 24, most = Math.max(1e-9, ...values), n = Math.max(1,
    values.length - 1);
  const path = values.map((v, i) =>
    `${i ? "L" : "M"}${(i / n * width).toFixed(1)} ` +
    (height - 2 - v / most * (height - 4)).toFixed(1));
  return s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true",
    preserveAspectRatio: "none" }, s("path", { class: `line hue${hue}`, d: path.join("") }));
}
