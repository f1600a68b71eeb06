/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: devices by the beginning of their id, text in any field, group and state, a page at
 * a time.
 */
import { call, get, path, takes } from "./api.js";
import { button, empty, field, h, put, select, table } from "./dom.js";
import { count } from "./format.js";
import { change, changeButton, meterLink, show, stateBadge } from "./parts.js";

export const title = "Fleet";

const PAGE = 50;
const STATES = [["", "any"], ["active", "active"], ["pending", "pending"], ["suspended",
  "suspended"],
  ["retired", "retired"]];
const FIELDS = ["gateway", "profile", "serial", "manufacturer", "model", "firmware",
  "service_point"];
const NAMES = { service_point: "Service point" };
const named = (name) => NAMES[name] ?? name[0].toUpperCase() + name.slice(1);

/* From anywhere: to the field where one types. */
export function search(go) {
  const input = document.getElementById("fleet-prefix");
  if (input)
    input.focus();
  else
    go("fleet");
}

class Fleet {
  constructor(place) {
    this.place = place;
    this.offset = Number(place.query.get("offset")) || 0;
    this.prefix = h("input", { id: "fleet-prefix", type: "search", spellcheck: "false",
      autocomplete: "off", value: place.query.get("prefix") ?? "", maxlength: 200 });
    this.more = Object.fromEntries([["search", "Any field contains"], ["group", "Group"]]
      .filter(([name]) => takes("/devices", name)).map(([name, label]) => [name, { label,
        input: h("input", { type: "search", spellcheck: "false", autocomplete: "off",
          maxlength: 200,
          id: "fleet-" + name, value: place.query.get(name) ?? "" }) }]));
    this.state = select(STATES, place.query.get("state") ?? "", null);
    this.found = h("div", { id: "fleet-found" });
    this.pages = h("div", { class: "group" });
    this.said = h("p", { class: "said", role: "status" });
    const form = h("form", { class: "bar-of-controls", role: "search", onsubmit: (event) => {
      event.preventDefault();
      this.turn(0);
    } }, field("Id begins with", this.prefix),
    Object.values(this.more).map((f) => field(f.label, f.input)), field("State", this.state),
    h("button", { type: "submit", class: "main" }, "Search"));
    this.state.addEventListener("change", () => this.turn(0));
    this.element = h("div", null, h("h1", null, title), form, this.said, this.found, this.pages);
    this.refresh();
  }

  turn(offset) {
    this.offset = offset;
    this.refresh();
  }

  refresh() {
    const query = { prefix: this.prefix.value.trim(), state: this.state.value };
    for (const [name, f] of Object.entries(this.more))
      query[name] = f.input.value.trim();
    this.place.set({ ...query, offset: this.offset || "" });
    show(this.found, this.place.signal,
      () => get("/devices", { ...query, offset: this.offset, limit: PAGE }, this.place.signal),
      (answer) => this.draw(answer));
  }

  draw(answer) {
    const { devices } = answer;
    put(this.pages, this.offset > 0 && button("Previous", { onclick: () =>
      this.turn(Math.max(0, this.offset - PAGE)) }),
    answer.more && button("Next", { onclick: () => this.turn(this.offset + PAGE) }));
    if (devices.length === 0)
      return empty(answer.total ? `None of ${count(answer.total)} devices is like that.`
        : "The registry is empty: headrace devices import FILE");
    const fields = FIELDS.filter((name) => devices.some((d) => d[name]));
    return table(`${count(this.offset + 1)} to ${count(this.offset + devices.length)}; `
      + `${count(answer.total)} devices in the registry`, [
      { head: "Id", cell: (d) => meterLink(d.id), row: true },
      { head: "State", cell: (d) => [stateBadge(d.state), this.decide(d)] },
      ...fields.map((name) => ({ head: named(name), cell: (d) => d[name] || "–" }))], devices);
  }

  decide(device) {
    if (device.state !== "pending")
      return null;
    const act = async (verb) => {
      await change(this.said, () => call("POST", path("devices", verb, device.id)),
        `${device.id}: ${verb === "approve" ? "approved, its readings are taken" : "rejected"}`);
      this.refresh();
    };
    return [" ", changeButton("Approve", { "aria-label": `Approve ${device.id}`,
      onclick: () => act("approve") }), " ",
    changeButton("Reject", { "aria-label": `Reject ${device.id}`, onclick: () => act("reject") })];
  }
}

export function open(place) {
  return new Fleet(place);
}
