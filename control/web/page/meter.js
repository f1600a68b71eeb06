/* SPDX-License-Identifier: Apache-2.0 */
/* One meter: its load profile, what it used by day, its last readings, its bills. */
import { call, get, has, path } from "./api.js";
import { button, card, empty, field, h, put, select, table } from "./dom.js";
import { addDays, count, exact, getZone, isDay, kwh, minutes, short, time, today, trimmed,
  words } from "./format.js";
import { Plot } from "./plot.js";
import { ask, change, changeButton, show, stateBadge, tree } from "./parts.js";
import { columns as eventColumns } from "./events.js";

export const title = "Meter";

const SPANS = [["1", "1 day"], ["2", "2 days"], ["3", "3 days"], ["7", "7 days"]];
const DAYS_SHOWN = 31, READINGS_SHOWN = 20, MONTHS_SHOWN = 12, EVENTS_SHOWN = 10;
/* Where an interval's value comes from. What is not as received differs in colour and pattern. */
const SOURCES = {
  actual: { name: "as received", hue: 1 },
  interpolated: { name: "interpolated", hue: 3, pattern: "stripes" },
  like_day: { name: "estimated from like days", hue: 3, pattern: "back" },
  even: { name: "estimated, spread evenly", hue: 3, pattern: "dots" },
  edited: { name: "edited by hand", hue: 4, pattern: "dots" },
  missing: { name: "no value", hue: 6, pattern: "stripes", faint: true },
};
const DAY_KINDS = {
  complete: { name: "all intervals as received", hue: 1 },
  estimated: { name: "partly estimated", hue: 3, pattern: "stripes" },
  part: { name: "intervals missing", hue: 6, pattern: "back" },
  now: { name: "today, so far", hue: 2, pattern: "dots" },
  none: { name: "no value", hue: 6, pattern: "stripes", faint: true },
};

const BILL_KINDS = {
  billed: { name: "billed", hue: 1 },
  none: { name: "not billed", hue: 6, pattern: "stripes", faint: true },
};

class Meter {
  constructor(place) {
    this.place = place;
    this.id = place.rest[0] ?? "";
    this.title = this.id;
    const to = place.query.get("day");
    this.last = isDay(to ?? "") ? to : today();
    this.span = SPANS.some(([s]) => s === place.query.get("span")) ? place.query.get("span") : "2";
    this.profile = new Plot({ title: "Load profile", kind: "bars", height: 240, id: "plot-profile",
      format: (v) => `${short(v)} kW`, choose: has("/explain/{id}") ? (i) => this.explain(i)
        : null });
    this.story = h("section", { class: "card", id: "meter-story", tabindex: -1, hidden: true,
      "aria-label": "Where the value comes from" });
    this.findings = h("div", { id: "meter-findings" });
    this.edits = h("div", { id: "meter-edits" });
    this.editSaid = h("p", { class: "said", role: "status", id: "edit-said" });
    this.events = h("div", { id: "meter-events" });
    this.daily = new Plot({ title: "Daily use", kind: "bars", height: 200, id: "plot-daily",
      format: (v) => `${short(v)} kWh` });
    this.currency = "";
    this.billed = new Plot({ title: "Bills by month", kind: "bars", height: 160, id: "plot-bills",
      format: (v) => `${short(v)} ${this.currency}` });
    this.facts = h("div");
    this.said = h("div", { class: "lead" });
    this.readings = h("div", { id: "meter-readings" });
    this.bills = h("div", { id: "meter-bills" });
    this.makeElement();
    this.refresh();
  }

  makeElement() {
    this.dayInput = h("input", { type: "date", value: this.last, max: today(), onchange: () =>
      isDay(this.dayInput.value) && this.move(this.dayInput.value) });
    const spans = select(SPANS, this.span, { onchange: () => {
      this.span = spans.value;
      this.takeProfile();
    } });
    const step = (sign) => () => this.move(addDays(this.last, sign * Number(this.span)));
    this.element = h("div", null, h("h1", null, this.id), this.facts,
      h("div", { class: "bar-of-controls" }, field("Up to and with the day", this.dayInput),
        field("Period", spans), button("← Earlier", { onclick: step(-1) }),
        button("Later →", { onclick: step(1) }), button("Today",
          { onclick: () => this.move(today()) })),
      h("div", { class: "grid wide" }, this.profile.element, this.said, this.editSaid,
        this.story),
      h("div", { class: "grid wide" }, this.daily.element),
      has("/events") && h("div", { class: "grid wide" }, card("Events", this.events)),
      h("div", { class: "grid wide" }, has("/vee/check/{id}") && card("What the rules found",
        this.findings), has("/edits/{id}") && card("Edits by hand", h("div", null,
          this.edits, has("/edits/{id}", "post") && changeButton("Edit …",
          { id: "edit-new", onclick: () => this.edit(this.last, addDays(this.last, 1)) })))),
      h("div", { class: "grid wide" }, card("Bills", this.bills), card("Last readings",
        this.readings)));
  }

  close() {
    this.profile.close();
    this.daily.close();
    this.billed.close();
  }

  refresh() {
    const signal = this.place.signal;
    show(this.facts, signal, () => get(path("devices", this.id), null, signal),
      (d) => this.drawFacts(d));
    this.takeProfile();
    this.takeDays();
    show(this.readings, signal, () => get(path("readings", this.id), { limit: READINGS_SHOWN },
      signal),
      (answer) => this.drawReadings(answer));
    if (has("/events"))
      show(this.events, signal, () => get("/events", { subject: this.id, state: "all",
        limit: EVENTS_SHOWN }, signal), ({ events }) => events.length === 0
        ? empty("Nothing was the matter.") : table("Newest first", eventColumns(null), events));
    if (has("/edits/{id}"))
      show(this.edits, signal, () => get(path("edits", this.id), null, signal),
        (answer) => this.drawEdits(answer));
    show(this.bills, signal, () => this.askBills(), (list) => this.drawBills(list));
  }

  move(day) {
    this.last = day > today() ? today() : day;
    this.dayInput.value = this.last;
    this.takeProfile();
    this.takeDays();
  }

  drawFacts(d) {
    const hide = ["id", "state", "number"];
    const shown = Object.entries(d).filter(([k, v]) => !hide.includes(k) && v !== "" &&
      v !== null &&
      v !== 0 && !(typeof v === "object" && Object.keys(v).length === 0));
    return [h("p", null, stateBadge(d.state)), h("details", null, h("summary", null,
      "What the registry says"),
      h("dl", { class: "facts" }, shown.map(([k, v]) => [h("dt", null, words(k)),
        h("dd", null, tree(v))]))), has("/devices/{id}/history") && this.changes()];
  }

  /* Asked for when it is opened. */
  changes() {
    const box = h("div");
    const details = h("details", { ontoggle: () => details.open && show(box, this.place.signal,
      () => get(path("devices", this.id, "history"), null, this.place.signal), ({ history }) =>
        history.length === 0 ? empty("Nothing was changed since it was added.")
          : table("Newest last", [{ head: "When", cell: (e) => time(e.at), row: true },
            { head: "Who", cell: (e) => e.who }, { head: "What", cell: (e) => words(e.action) },
            { head: "Changes", cell: (e) => tree(e.changes), free: true }], history)) },
    h("summary", null, "Who changed what"), box);
    return details;
  }

  /* --- load profile --- */

  takeProfile() {
    const from = addDays(this.last, 1 - Number(this.span)), to = addDays(this.last, 1);
    this.place.set({ day: this.last === today() ? "" : this.last, span: this.span });
    show(this.said, this.place.signal, () => get(path("usage", this.id), { from, to,
      by: "interval" },
      this.place.signal), (usage) => this.drawProfile(usage));
  }

  drawProfile(usage) {
    const minutesLong = usage.interval_s / 60, interval = usage.interval_s * 1000, now = Date.now();
    const kinds = Object.assign({}, SOURCES);
    const bars = usage.intervals.map((v) => {
      const from = Date.parse(v.start);
      kinds[v.source] ??= { name: words(v.source), hue: 2, pattern: "back" };
      return { from, to: from + interval, kind: v.source,
        value: v.kwh === null ? null : Number(v.kwh) * 3600 / usage.interval_s,
        note: v.kwh === null ? "" : kwh(v.kwh) };
    }).filter((b) => b.from < now);
    this.profile.set({ bars, kinds });
    if (!usage.intervals.some((v) => v.kwh !== null))
      return `No value in this period. Intervals of ${minutesLong} minutes, ${getZone()}.`;
    const received = bars.filter((b) => b.kind === "actual").length;
    return `${kwh(usage.kwh)} in this period; ${count(received)} of its ${count(bars.length)} ` +
      "intervals so far as received. " +
      `Mean power by intervals of ${minutesLong} minutes, ${getZone()}.`;
  }

  /* Where the value of a bar comes from, in the API's words. */
  explain(index) {
    const bar = this.profile.data.bars[index];
    const [from, to] = [bar.from, bar.to].map((t) => new Date(t).toISOString().replace(".000", ""));
    this.story.hidden = false;
    show(this.story, this.place.signal, () => get(path("explain", this.id), { time: from },
      this.place.signal), (story) => [h("h2", null, "Where this value comes from"),
      has("/edits/{id}", "post") && changeButton("Edit this value …", { id: "edit-chosen",
        onclick: () => this.edit(from, to) }), tree(story)]).then(() => this.story.focus());
  }

  /* --- edits --- */

  async edit(from, to) {
    const text = (value, more) => h("input", { value, required: true, autocomplete: "off",
      spellcheck: "false", ...more });
    const query = await ask("Put a value in the place of the meter's",
      "It is shared out over the intervals in the shape that their values have now. What was read "
      + "stays, and counts again when the edit is withdrawn.", [
        { name: "from", label: "From (a time, or a day of the territory)", input: text(from) },
        { name: "to", label: "To, not including it", input: text(to) },
        { name: "value", label: "kWh of the whole period", input: text("",
          { inputmode: "decimal", pattern: "[0-9]+([.][0-9]+)?" }) },
        { name: "reason", label: "Why", input: text("", { maxlength: 255 }) }], "Put in place");
    if (query && await change(this.editSaid, () => call("POST", path("edits", this.id), { query }),
      (e) => `Edit ${count(e.number)}: ${kwh(e.kwh)} in the place of what was there.`)) {
      this.story.hidden = true; /* it was that of the value before */
      this.refresh();
    }
  }

  async withdraw(edit) {
    const query = await ask(`Withdraw edit ${count(edit.number)}`,
      "What was under it counts again; the edit stays in the list.",
      [{ name: "reason", label: "Why", input: h("input", { required: true, maxlength: 255 }) }],
      "Withdraw");
    if (query && await change(this.editSaid, () => call("POST", path("edits", this.id,
      String(edit.number), "withdraw"), { query }), `Edit ${count(edit.number)}: withdrawn.`))
      this.refresh();
  }

  drawEdits({ edits }) {
    if (edits.length === 0)
      return empty("No value was put in the place of the meter's.");
    return table("Newest last", [
      { head: "Edit", cell: (e) => count(e.number), row: true },
      { head: "From", cell: (e) => time(e.from, minutes) },
      { head: "To", cell: (e) => time(e.to, minutes) },
      { head: "Value", cell: (e) => kwh(e.kwh), number: true },
      { head: "By", cell: (e) => [e.who, ", ", time(e.made, minutes)] },
      { head: "Why", cell: (e) => e.reason, free: true },
      { head: "State", cell: (e) => e.withdrawn ? `withdrawn by ${e.withdrawn_by}`
        : ["counts ", changeButton("Withdraw", { "aria-label": `Withdraw edit ${e.number}`,
          onclick: () => this.withdraw(e) })] }], edits);
  }

  /* --- days --- */

  takeDays() {
    const from = addDays(this.last, 1 - DAYS_SHOWN), to = addDays(this.last, 1);
    if (has("/vee/check/{id}"))
      show(this.findings, this.place.signal, () => get(path("vee", "check", this.id), { from, to },
        this.place.signal), drawFindings);
    get(path("usage", this.id), { from, to, by: "day" }, this.place.signal)
      .then((usage) => this.drawDays(usage.days))
      .catch((problem) => {
        if (problem.status === undefined && !this.place.signal.aborted)
          throw problem; /* the load profile's says what is wrong */
      });
  }

  drawDays(days) {
    const bars = days.map((d) => {
      const from = Date.parse(d.start ?? d.day + "T00:00:00Z");
      const kind = d.missing === d.intervals ? "none" : d.day === today() ? "now" : d.missing
        ? "part" : d.estimated ? "estimated"
        : "complete";
      return { from, to: from + 86400000, kind, value: kind === "none" ? null : Number(d.kwh),
        day: d.day, note: `${d.actual} of ${d.intervals} intervals as received` };
    });
    this.daily.set({ bars, kinds: DAY_KINDS });
  }

  /* --- readings --- */

  drawReadings({ readings }) {
    if (readings.length === 0)
      return empty("No reading is stored.");
    const names = [...new Set(readings.flatMap((r) => Object.keys(r.values)))];
    return table(`The last ${readings.length}`, [
      { head: "Time", cell: (r) => time(r.time), row: true },
      ...names.map((name) => ({ head: words(name), number: true, cell: (r) => r.values[name]
        ? trimmed(r.values[name].value) +
          (r.values[name].unit === "1" ? "" : ` ${r.values[name].unit}`)
        : "–" })),
      { head: "Flags", cell: (r) => r.flags.map(words).join(", ") || "–" },
      { head: "By", cell: (r) => `${r.protocol}, ${r.profile}` }], [...readings].reverse());
  }

  /* --- bills --- */

  /* The last twelve, newest first. */
  months() {
    const months = [today().slice(0, 7)];
    while (months.length < MONTHS_SHOWN)
      months.push(addDays(months.at(-1) + "-01", -1).slice(0, 7));
    return months;
  }

  async askBills() {
    const signal = this.place.signal;
    const lists = await Promise.all(this.months().map((month) =>
      get("/bills", { month, id: this.id }, signal)));
    return lists.flatMap((l) => l.bills);
  }

  drawBills(bills) {
    if (bills.length === 0)
      return empty(`No bill in the last ${MONTHS_SHOWN} months.`);
    const chosen = h("div", { id: "bill" });
    const choose = (b) => show(chosen, this.place.signal,
      () => get(path("bills", this.id), { month: b.month, number: b.number ?? 0 },
        this.place.signal), (bill) => drawBill(bill));
    choose(bills[0]);
    this.plotBills(bills);
    return [this.billed.element, table("Bills, newest first", [
      { head: "Month", cell: (b) => button(b.month, { class: "small", "aria-label":
        `Show the bill of ${b.month}${b.number > 1 ? `, ${whose(b)}` : ""}`, onclick: () => choose(b) }), row: true },
      { head: "Of", cell: (b) => whose(b) },
      { head: "State", cell: (b) => words(b.state) },
      { head: "Used", cell: (b) => b.kwh ? kwh(b.kwh) : "–", number: true },
      { head: "Total", cell: (b) => b.total ? `${exact(b.total)} ${b.currency}` : "–",
        number: true }],
    bills), chosen];
  }

  plotBills(bills) {
    const day = (month) => Date.parse(`${month}-01T00:00:00Z`);
    const after = (month) => addDays(month + "-01", 31).slice(0, 7);
    const bars = this.months().reverse().map((month) => {
      const its = bills.filter((b) => b.month === month), billed = its.filter((b) => b.total);
      const sum = (key) => billed.reduce((all, b) => all + Number(b[key]), 0);
      return { from: day(month), to: day(after(month)), kind: billed.length ? "billed" : "none",
        value: billed.length ? sum("total") : null,
        note: billed.length ? kwh(sum("kwh")) : its.length ? words(its[0].state) : "" };
    });
    this.currency = bills.find((b) => b.currency)?.currency ?? "";
    this.billed.set({ bars, kinds: BILL_KINDS });
  }
}

function drawFindings({ findings }) {
  if (findings.length === 0)
    return empty("Nothing in these days.");
  return table(`In the days shown above, ${count(findings.length)}`, [
    { head: "Rule", cell: (f) => h("span", { class: "badge warn" }, words(f.rule)), row: true },
    { head: "From", cell: (f) => time(f.from, minutes) }, { head: "To", cell: (f) => time(f.to,
      minutes) },
    { head: "Why", cell: (f) => f.text, free: true }], findings);
}

/* The meter itself, or the service point with its customer. */
function whose(bill) {
  return bill.service_point ? `${bill.service_point}, ${bill.customer ?? "no customer"}`
    : bill.meter;
}

function drawBill(bill) {
  if (!bill.lines)
    return [h("h3", null, bill.month), h("p", null, `${words(bill.state)}: ${bill.cause ?? ""}`)];
  const rows = bill.lines.map((l) => ({
    what: l.charge ? `${l.charge}, ${l.days} days` : `tier ${l.tier}, ${words(l.period)}`,
    kwh: l.kwh, price: l.price && `${exact(l.price)} × ${trimmed(l.multiplier)}`,
      amount: l.amount }));
  return [h("h3", null, `${bill.month}: ${bill.tariff}, ${words(bill.state)}`),
  bill.service_point && h("p", null, `${whose(bill)} ${bill.customer_name ?? ""}, ${bill.from} to ` +
    `before ${bill.to}`), table("Lines", [
    { head: "Line", cell: (r) => r.what, row: true },
    { head: "Used", cell: (r) => r.kwh ? kwh(r.kwh) : "", number: true },
    { head: "Price × factor", cell: (r) => r.price ?? "", number: true },
    { head: bill.currency, cell: (r) => exact(r.amount), number: true }], rows),
  h("p", null, h("strong", null, `Total ${exact(bill.total)} ${bill.currency}`)),
  bill.adjustments?.length > 0 && table("Adjustments", [
    { head: "Adjustment", cell: (a, i) => a.number ?? i ?? "", row: true },
    { head: "Used", cell: (a) => a.kwh ? kwh(a.kwh) : "–", number: true },
    { head: "Difference", cell: (a) => exact(a.difference ?? a.total ?? ""), number: true }],
  bill.adjustments)];
}

export function open(place) {
  return new Meter(place);
}
