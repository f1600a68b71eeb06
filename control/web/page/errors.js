/* SPDX-License-Identifier: Apache-2.0 */
/* The error queue: what was refused or in conflict, why, and the bytes as they came. */
import { get, path } from "./api.js";
import { button, empty, field, h, put, select, table } from "./dom.js";
import { count, time, words } from "./format.js";
import { bytesOf, hexDump, meterLink, show } from "./parts.js";

export const title = "Error queue";

const PAGE = 50;

class Errors {
	constructor(place) {
		this.place = place;
		this.starts = [Number(place.query.get("from")) || 0]; /* of the pages up to this one */
		this.shown = Number(place.query.get("entry")) || null;
		this.reason = h("div");
		this.list = h("div", { id: "error-list" });
		this.pages = h("div", { class: "group" });
		this.entry = h("section", { class: "card", id: "error-entry", "aria-label": "The entry chosen",
			tabindex: -1, hidden: true });
		this.reasonNow = place.query.get("reason") ?? "";
		this.element = h("div", null, h("h1", null, title),
			h("p", { class: "lead" }, "Acknowledged to the sender with its reason, kept with the bytes "
				+ "that came, in no bill and no aggregate."),
			this.reason, h("div", { class: "grid wide" }, h("div", { class: "card" }, this.list, this.pages),
				this.entry));
		this.takeReasons();
		this.refresh();
		if (this.shown)
			this.open(this.shown, false);
	}

	/* Those that there are, from the accounts. */
	async takeReasons() {
		const { readings } = await get("/status", null, this.place.signal).catch(() => ({}));
		if (!readings)
			return;
		const there = Object.entries(readings.totals).filter(([name, n]) =>
			(n && name !== "stored" && name !== "duplicate") || name === this.reasonNow);
		const choice = select([["", "any"], ...there.map(([name, n]) =>
			[name, `${words(name)} (${count(n)})`])], this.reasonNow, { id: "error-reason",
			onchange: () => {
				this.reasonNow = choice.value;
				this.starts = [0];
				this.refresh();
			} });
		put(this.reason, h("div", { class: "bar-of-controls" }, field("Reason", choice)));
	}

	refresh() {
		const query = { from: this.starts[this.starts.length - 1], limit: PAGE, reason: this.reasonNow };
		this.keep();
		show(this.list, this.place.signal, () => get("/errors", query, this.place.signal),
			(answer) => this.draw(answer));
	}

	keep() {
		this.place.set({ reason: this.reasonNow, from: this.starts[this.starts.length - 1] || "",
			entry: this.shown });
	}

	turn(from) {
		if (from === null)
			this.starts.pop();
		else
			this.starts.push(from);
		this.refresh();
	}

	draw(answer) {
		put(this.pages, this.starts.length > 1 && button("Previous", { onclick: () => this.turn(null) }),
			answer.more && button("Next", { onclick: () => this.turn(answer.next) }));
		if (answer.errors.length === 0)
			return empty(this.reasonNow ? "No entry with this reason." : "Nothing was refused.");
		return table("Oldest first", [
			{ head: "Entry", cell: (e) => button(String(e.number), { class: "small",
				"aria-label": `Show entry ${e.number}`, onclick: () => this.open(e.number, true) }), row: true },
			{ head: "Reason", cell: (e) => h("span", { class: "badge bad", title: e.cause }, words(e.reason)) },
			{ head: "Device", cell: (e) => !e.device ? "–" : e.known_device ? meterLink(e.device) : e.device },
			{ head: "Received", cell: (e) => time(e.received) },
			{ head: "Meter's time", cell: (e) => time(e.meter_time) },
			{ head: "By", cell: (e) => `${e.protocol}, ${e.from}` },
			{ head: "Bytes", cell: (e) => count(e.raw_bytes), number: true }], answer.errors, {
			row: (e) => ({ "aria-selected": e.number === this.shown ? "true" : null, "data-entry": e.number }) });
	}

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
		const facts = [["Reason", `${words(e.reason)}: ${e.cause}`], ["Device", e.device
			? [e.known_device ? meterLink(e.device) : e.device, e.known_device ? "" : " (not in the registry)"]
			: "not told"], ["Received", time(e.received)], ["Meter's time", time(e.meter_time)],
		["From", `${e.protocol} ${e.from}`], ["Client", e.client || "–"], ["Topic", e.topic || "–"],
		["QoS", e.qos]];
		return [h("h2", null, `Entry ${e.number}`),
			h("dl", { class: "facts" }, facts.map(([k, v]) => [h("dt", null, k), h("dd", null, v)])),
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
