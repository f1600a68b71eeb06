/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dashboard in Debian's Chromium, by playwright-core; axe-core judges names, roles, contrasts.
 * Usage: dashboard_talk.js URL FILE, where
 * FILE is JSON: {tokens: {viewer, operator}, meter, hostile, month, screens}. Each step checks what
 * the page shows against what the API says; the first that fails ends it with exit 1.
 */
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [, , url, file] = process.argv;
const set = JSON.parse(fs.readFileSync(file));
const PATIENCE_MS = 30000;
const BROWSER = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((p) => fs.existsSync(p));
const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const trouble = []; /* what must not happen */
let page, quiet = true;

async function api(where) {
  const answer = await fetch(url + where, { headers: { Authorization: "Bearer "
    + set.tokens.operator } });
  assert.equal(answer.status, 200, where);
  return answer.json();
}

const main = () => page.locator("main");
const text = async (selector) => (await page.locator(selector).innerText()).replace(/\s+/g, " ");
const number = (shown) => Number(shown.replace(/[^0-9.-]/g, ""));
const screen = (name) => page.screenshot({ path: path.join(set.screens, name + ".png") });

async function until(what, f) {
  const end = Date.now() + PATIENCE_MS;
  let last;
  while (Date.now() < end) {
    try {
      last = await f();
      if (last)
        return last;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${what}: not in ${PATIENCE_MS / 1000} s; last: ${last}`);
}

async function go(hash, heading) {
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
  await page.locator("h1", { hasText: heading }).waitFor();
}

let panels;
const PANELS = [["#/overview", "Overview"], ["#/errors", "Error queue"], ["#/fleet", "Fleet"],
  ["#/events", "Events"],
  ["#/completeness", "Completeness"], [`#/meter/${set.meter}`, set.meter]];

async function filled(hash) {
  await until(`${hash} is filled`,
    async () => (await page.locator("main").innerText()).length > 150 &&
    await page.locator("main [aria-busy]").count() === 0);
}

async function fitsAndMakesSense(where) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${where} is ${wide} pixels too wide`);
  const shown = await page.locator("body").innerText();
  assert.doesNotMatch(shown, /NaN|undefined|\[object|Infinity/, where);
}

async function signIn(token) {
  await page.locator("#sign-in").click();
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await page.locator("#sign-out").waitFor();
}

/* By axe-core. The browser lets us run it whatever the page's policy is. */
async function isAccessible(where, rules) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((runOnly) =>
    globalThis.axe.run(document, { preload: false, resultTypes: ["violations"], runOnly }), rules);
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 120)}`), [], where);
}

/* --- steps --- */

async function strangerSeesRatesOnly() {
  await page.goto(url + "/");
  await page.locator("h1", { hasText: "Overview" }).waitFor();
  assert.equal(page.url().split("#")[0], url + "/ui/", "not sent to /ui/");
  assert.equal(await page.locator("nav a").count(), 1, "more than the overview without a token");
  await go("#/fleet", "Sign in");
  await page.getByLabel("Token").fill("hr_wrong");
  quiet = false; /* a 401 is told on the console */
  await page.keyboard.press("Enter");
  await page.locator(".problem", { hasText: "token" }).waitFor();
  quiet = true;
  await page.goto(url + "/ui/");
  await page.locator("h1", { hasText: "Overview" }).waitFor();
}

async function viewerHasNoButtonsThatChange() {
  await signIn(set.tokens.viewer);
  await go("#/fleet?state=pending", "Fleet");
  await page.getByRole("link", { name: set.hostile }).waitFor();
  assert.equal(await page.getByRole("button", { name: /Approve|Reject/ }).count(), 0);
  await go("#/errors", "Error queue");
  await page.locator("#error-list tbody tr").first().waitFor();
  assert.equal(await main().locator("input[type=checkbox]").count(), 0);
  assert.equal(await page.locator("#error-replay").count(), 0);
  await go(`#/meter/${set.meter}`, set.meter);
  await page.locator("#meter-edits", { hasText: "No value was put" }).waitFor();
  assert.equal(await page.locator("#edit-new").count(), 0);
  assert.match(await text("#who"), /viewer/);
  await page.locator("#sign-out").click();
  await page.locator("#sign-in").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0, "the token stayed");
}

async function overviewShowsTheAccounts() {
  await signIn(set.tokens.operator);
  assert.equal(await page.evaluate(() => Object.values(localStorage).join()), "",
    "something was kept beyond the tab");
  await go("#/overview", "Overview");
  const before = (await api("/status")).readings.totals.stored;
  await until("the tile of stored readings", async () =>
    number(await text("[data-tile=Stored] .value")) >= before);
  const tile = number(await text("[data-tile=Stored] .value"));
  const after = (await api("/status")).readings.totals;
  assert.ok(tile <= after.stored, `${tile} stored, then ${after.stored}`);
  await until("rate", async () => number(await text("[data-tile=Readings] .value")) > 0);
  const shown = await until("three fates", async () => {
    const rows = await page.locator("#fates tbody tr").count();
    return rows >= 3 && rows;
  });
  assert.ok(shown <= Object.keys(after).length, `${shown} fates`);
  const history = await until("history", async () => {
    const got = await api("/status/history");
    return got.samples.length > 3 && got.samples.some((v) => v.stored > 0) && got;
  });
  for (const id of ["fates", "latency", "stages", "connections"])
    await until(`a path in ${id}`, async () =>
      (await page.locator(`#plot-${id} svg path[d*=L]`).count()) > 0);
  await page.getByRole("button", { name: "Work per stage: as a table" }).click();
  const heads = await page.locator("#plot-stages thead th").allInnerTexts();
  assert.deepEqual(heads, ["Time", ...history.stages.map((v) => v.name)]);
  await until("rows", async () => await page.locator("#plot-stages tbody tr").count() >= 3);
  await page.getByRole("button", { name: "Work per stage: as a table" }).click();
  assert.ok(await page.locator("meter").count() >= 5, "rings and pools");
  await fitsAndMakesSense("overview");
  await screen("overview");
}

async function fleetIsSearchedAndApproved() {
  await go("#/fleet", "Fleet");
  const all = await api("/devices?limit=50");
  await until("rows", async () => await page.locator("#fleet-found tbody tr").count() ===
    all.devices.length);
  await page.getByLabel("Id begins with").fill(set.hostile.slice(0, 9));
  await page.keyboard.press("Enter");
  await until("one row", async () => await page.locator("#fleet-found tbody tr").count() === 1);
  assert.equal(await page.locator("#fleet-found tbody th").innerText(), set.hostile);
  await page.getByRole("button", { name: "Approve" }).click();
  await page.locator(".said", { hasText: "approved" }).waitFor();
  const found = await api("/devices/" + encodeURIComponent(set.hostile));
  assert.equal(found.state, "active");
  await page.getByRole("link", { name: set.hostile }).click();
  await until("its page", async () => await page.locator("h1").innerText() === set.hostile);
  await until("its bills", async () => /No bill/.test(await text("#meter-bills")));
  assert.equal(await main().locator("img, b").count(), 0, "an id became markup");
  await fitsAndMakesSense("hostile meter");
}

async function errorQueueShowsBytes() {
  const { errors } = await api("/errors?limit=10000");
  const hostile = errors.find((e) => e.topic.includes("<img"));
  assert.ok(hostile, "no error entry with the hostile topic");
  await go(`#/errors?entry=${hostile.number}`, "Error queue");
  const entry = await api(`/errors/${hostile.number}`);
  await page.locator("#error-entry .raw").first().waitFor();
  assert.equal(await page.locator("#error-entry .raw").first().innerText(), entry.raw);
  assert.ok((await text("#error-entry")).includes(entry.topic));
  const hex = await page.locator("#error-entry .hex").innerText();
  const bytes = Buffer.from(entry.raw_base64, "base64");
  assert.ok(hex.startsWith("0000  " + bytes.subarray(0, 16).toString("hex").replace(/..\B/g,
    "$& ")));
  assert.equal(await main().locator("img, b").count(), 0, "bytes became markup");
  const reason = errors[0].reason;
  await page.locator("#error-reason").selectOption(reason);
  const same = errors.filter((e) => e.reason === reason).length;
  await until("only this reason", async () => {
    const rows = await page.locator("#error-list tbody tr").count();
    return rows >= Math.min(50, same) && await page.locator("#error-list .badge.bad",
      { hasText: reason.replaceAll("_", " ") }).count() === rows;
  });
  await fitsAndMakesSense("errors");
  await screen("errors");
}

async function operatorActsOnErrors() {
  const isHostile = (e) => e.topic.includes("<img");
  const { errors } = await until("entries to act on", async () => {
    const got = await api("/errors?state=open&reason=unknown_device&limit=10000");
    return got.errors.length >= 3 && got.errors.some(isHostile) && got;
  });
  const hostile = errors.find(isHostile);
  const [again, given] = errors.filter((e) => e !== hostile);
  await go(`#/errors?entry=${hostile.number}&reason=unknown_device&state=open`, "Error queue");
  await page.locator("#error-correct").click();
  const box = page.locator("#ask-box");
  const { raw } = await api(`/errors/${hostile.number}`);
  assert.equal(await box.getByLabel("Payload").inputValue(), raw);
  await box.getByLabel("Payload").fill(raw.replace(`${set.hostile}?`, set.hostile));
  await box.getByRole("button", { name: "Send the copy" }).click();
  await until("corrected", async () =>
    (await api(`/errors/${hostile.number}`)).record?.state === "corrected");
  const stored = await api(`/readings/${encodeURIComponent(set.hostile)}`);
  assert.equal(stored.count, 1, "the corrected reading");
  await page.locator("#error-said", { hasText: `Entry ${hostile.number}: done` }).waitFor();

  await page.getByLabel(`Choose entry ${again.number}`, { exact: true }).check();
  await page.locator("#error-replay").click();
  await box.getByRole("button", { name: "Send again" }).click();
  await page.locator("#error-said", { hasText: `Entry ${again.number}: ` }).waitFor();

  await page.getByLabel(`Choose entry ${given.number}`, { exact: true }).check();
  await page.locator("#error-discard").click();
  await box.getByRole("button", { name: "Give up" }).click(); /* not without a reason */
  assert.ok(await box.isVisible());
  await box.getByLabel("Why").fill("a test");
  await page.keyboard.press("Enter");
  await page.locator("#error-said", { hasText: `Entry ${given.number}: done` }).waitFor();
  assert.equal((await api(`/errors/${given.number}`)).record.state, "discarded");
  assert.equal((await api(`/errors?state=open&limit=1&from=${again.number}`)).errors[0].number,
    again.number, "still refused, still open");
}

async function eventsAreAcknowledgedAndCleared() {
  const events = await until("events that do not clear by themselves now", async () => {
    const stay = (await api("/events")).events.filter((e) =>
      ["conflict", "tamper"].includes(e.kind));
    return stay.length >= 2 && stay;
  });
  await go("#/events", "Events");
  await page.locator("#event-list tbody tr").first().waitFor();
  const [first, second] = events;
  const row = page.locator(`tr[data-event="${first.number}"]`);
  assert.ok((await row.innerText()).includes(first.subject));
  await page.getByRole("button", { name: `Acknowledge event ${first.number}`,
    exact: true }).click();
  await page.locator("#ask-box").getByLabel("Note").fill("<b>looked at</b>");
  await page.keyboard.press("Enter");
  await page.locator("#event-said", { hasText: "is acknowledged" }).waitFor();
  const acknowledged = await api(`/events/${first.number}`);
  assert.equal(acknowledged.state, "acknowledged");
  assert.equal(acknowledged.acknowledged_by, "test-operator");
  await until("the note", async () => (await row.innerText()).includes("<b>looked at</b>"));
  await page.getByRole("button", { name: `Clear event ${second.number}`, exact: true }).click();
  await page.locator("#ask-box").getByRole("button", { name: "Clear" }).click();
  await page.locator("#event-said", { hasText: "is cleared" }).waitFor();
  assert.equal((await api(`/events/${second.number}`)).state, "cleared");
  await until("it is gone", async () =>
    await page.locator(`tr[data-event="${second.number}"]`).count() === 0);
  const fleet = await api("/fleet");
  await until("the fleet's health", async () =>
    (await text("#fleet-health")).includes(`Active devices ${fleet.devices.active}`));
  assert.equal(await main().locator("img, b").count(), 0, "an event became markup");
  await fitsAndMakesSense("events");
  await screen("events");
}

async function completenessIsTheApis() {
  await go(`#/completeness?prefix=${set.meter}&days=7`, "Completeness");
  await page.locator("#completeness-found tbody tr").first().waitFor();
  const cells = await page.locator("#completeness-found tbody tr").first().locator("td").all();
  assert.equal(cells.length, 7);
  const days = await page.locator("#completeness-found thead th[title]").evaluateAll((list) =>
    list.map((th) => th.title));
  const got = await api(`/aggregates/${set.meter}?level=day&from=${days[0]}`);
  const by = new Map(got.aggregates.map((a) => [a.day, Number(a.completeness)]));
  for (let i = 0; i < 6; i++) {
    const value = by.get(days[i]) ?? 0;
    assert.equal(await cells[i].innerText(), value >= 100 ? "100" : value.toFixed(value > 0 &&
      value < 10
      ? 1 : 0), days[i]);
  }
  await fitsAndMakesSense("completeness");
  await screen("completeness");
}

async function meterShowsProfileAndBill() {
  await go(`#/meter/${set.meter}?span=3`, set.meter);
  await page.locator("#plot-profile [data-kind=actual]").waitFor();
  await page.locator("#plot-profile [data-kind=interpolated]").waitFor();
  const estimated = await page.locator("#plot-profile [data-kind=interpolated]")
    .getAttribute("fill");
  assert.match(estimated, /^url\(#/, "an estimate has no pattern");
  await page.getByRole("button", { name: "Load profile: as a table" }).click();
  const rows = await page.locator("#plot-profile tbody tr").all();
  const day = (ms) => new Intl.DateTimeFormat("sv", { timeZone: set.zone }).format(ms);
  const next = (d, n) => new Date(Date.parse(d) + n * 86400000).toISOString().slice(0, 10);
  const last = day(Date.now());
  const from = next(last, -2), to = next(last, 1);
  const usage = await api(`/usage/${set.meter}?from=${from}&to=${to}&by=interval`);
  for (const i of [0, 17, 100]) {
    const [value, kind] = await rows[i].locator("td").allInnerTexts();
    const v = usage.intervals[i];
    assert.equal(kind, { actual: "as received", interpolated: "interpolated" }[v.source] ?? kind);
    if (v.kwh !== null)
      assert.ok(Math.abs(number(value) - Number(v.kwh) * 4) <= 0.005 * Math.max(1,
        Number(v.kwh) * 4),
        `${value} shown, ${v.kwh} kWh in 15 minutes`);
  }
  await page.getByRole("button", { name: "Load profile: as a table" }).click();
  await page.locator("#plot-profile .plot").focus();
  await page.keyboard.press("Home");
  const first = await text("#plot-profile .readout");
  await page.keyboard.press("ArrowRight");
  assert.match(first, /as received|interpolated|like days|no value/);
  assert.notEqual(await text("#plot-profile .readout"), first);
  await page.keyboard.press("Enter");
  const told = await api(`/explain/${set.meter}?time=${usage.intervals[1].start}`);
  await page.locator("#meter-story dt", { hasText: "counts in" }).waitFor();
  assert.equal(await page.locator("#meter-story > dl > dt").count(), Object.keys(told).length);
  const { findings } = await api(`/vee/check/${set.meter}?from=${next(last, -30)}&to=${to}`);
  assert.ok(findings.length > 0, "the gaps were not found");
  await until("findings", async () =>
    await page.locator("#meter-findings tbody tr").count() === findings.length);
  const bill = await api(`/bills/${set.meter}?month=${set.month}`);
  await page.locator('#plot-bills svg[role="img"]').waitFor();
  assert.match(await text("#plot-bills"), /billed/);
  await page.getByRole("button", { name: `Show the bill of ${set.month}` }).click();
  await until("the bill", async () => (await text("#bill")).includes(`Total ${bill.total}`));
  assert.equal(await page.locator("#bill table").first().locator("tbody tr").count(),
    bill.lines.length);
  await until("readings",
    async () => await page.locator("#meter-readings tbody tr").count() === 20);
  await fitsAndMakesSense("meter");
  await screen("meter");
}

/* An interval that is chosen gets another value, with a reason; withdrawn, it has its own again. */
async function operatorEditsAValue() {
  const box = page.locator("#ask-box"), edits = async () => (await api(`/edits/${set.meter}`)).edits;
  const valueAt = async (time) => {
    const day = new Intl.DateTimeFormat("sv", { timeZone: set.zone }).format(new Date(time));
    const { intervals } = await api(`/usage/${set.meter}?from=${day}`);
    return intervals.find((i) => i.start === time);
  };
  await go(`#/meter/${set.meter}?span=3`, set.meter);
  await page.locator("#plot-profile [data-kind=actual]").waitFor();
  await page.locator("#plot-profile .plot").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await page.locator("#edit-chosen").click();
  const time = await box.getByLabel("From").inputValue(), before = await valueAt(time);
  await box.getByLabel("kWh").fill("much");
  await box.getByLabel("Why").fill("display was read");
  await box.getByRole("button", { name: "Put in place" }).click(); /* that is no number */
  assert.ok(await box.isVisible());
  await box.getByLabel("kWh").fill("1.25");
  await box.getByRole("button", { name: "Put in place" }).click();
  await page.locator("#edit-said", { hasText: /Edit 1: 1\.250* kWh/ }).waitFor();
  const [edit] = await edits();
  assert.deepEqual([edit.kwh, edit.reason, edit.from, edit.withdrawn],
    ["1.25", "display was read", time, false]);
  assert.deepEqual([(await valueAt(time)).source, (await valueAt(time)).kwh], ["edited", "1.25"]);
  await page.locator("#plot-profile [data-kind=edited]").waitFor();
  await fitsAndMakesSense("edited");
  await screen("edited");
  await page.getByRole("button", { name: "Withdraw edit 1" }).click();
  await box.getByLabel("Why").fill("misread");
  await page.keyboard.press("Enter");
  await page.locator("#edit-said", { hasText: "Edit 1: withdrawn" }).waitFor();
  await page.locator("#meter-edits", { hasText: "withdrawn by test-operator" }).waitFor();
  assert.ok((await edits())[0].withdrawn);
  assert.deepEqual(await valueAt(time), before);

  quiet = false; /* the browser complains of a 400 */
  await page.locator("#edit-new").click(); /* a period that can't be: the API says why */
  await box.getByLabel("To, not including it").fill("yesterday");
  await box.getByLabel("kWh").fill("1");
  await box.getByLabel("Why").fill("x");
  await page.keyboard.press("Enter");
  await page.locator("#edit-said.bad", { hasText: "yesterday" }).waitFor();
  assert.equal((await edits()).length, 1);
  quiet = true;
}

async function panelsAreAccessible() {
  for (const [hash, heading] of panels) {
    await go(hash, heading);
    await filled(hash);
    await isAccessible(hash);
  }
  await page.emulateMedia({ colorScheme: "dark" });
  await isAccessible("meter, dark", ["color-contrast"]);
  await go("#/errors", "Error queue");
  await filled("#/errors");
  await isAccessible("errors, dark", ["color-contrast"]);
  await page.keyboard.press("?");
  await isAccessible("help");
  await page.keyboard.press("Escape");
  await page.emulateMedia({ colorScheme: "light" });
}

async function coloursFollowSystemAndKey() {
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await go("#/overview", "Overview");
  const light = await back();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await back();
  assert.notEqual(dark, light);
  await screen("overview-dark");
  await page.locator("h1").click();
  await page.keyboard.press("c"); /* light */
  assert.equal(await back(), light);
  await page.emulateMedia({ colorScheme: "light" });
  await page.keyboard.press("c"); /* dark */
  assert.equal(await back(), dark);
  await page.reload();
  await page.locator("h1", { hasText: "Overview" }).waitFor();
  assert.equal(await back(), dark, "not remembered");
  await go(`#/meter/${set.meter}`, set.meter);
  await page.locator("#plot-profile [data-kind=actual]").waitFor();
  await screen("meter-dark");
  await page.keyboard.press("c"); /* as the system */
}

async function narrowScreensShowEverything() {
  await page.setViewportSize({ width: 320, height: 640 });
  for (const [hash, heading] of panels) {
    await go(hash, heading);
    await filled(hash);
    await fitsAndMakesSense(`${hash} at 320 pixels`);
  }
  await screen("narrow");
  await page.setViewportSize({ width: 1280, height: 800 });
}

/* Without a pointer: every stop is visible, and everything can be reached. */
async function keyboardReachesEverything() {
  await page.goto(url + "/ui/#/overview");
  await page.reload();
  await page.locator("[data-tile=Readings]").waitFor();
  const seen = [];
  for (let i = 0; i < 40 && !seen.some((s) => s.includes("plot")); i++) {
    await page.keyboard.press("Tab");
    seen.push(await page.evaluate(() => {
      const e = document.activeElement, style = getComputedStyle(e);
      const box = e.getBoundingClientRect();
      if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2)
        return `no focus seen on ${e.outerHTML.slice(0, 80)}`;
      if (box.width === 0 || box.height === 0)
        return `nothing seen of ${e.outerHTML.slice(0, 80)}`;
      return e.id || e.className || e.innerText || e.tagName;
    }));
  }
  assert.ok(seen.every((s) => !s.startsWith("no")), seen.find((s) => s.startsWith("no")));
  assert.equal(seen[0], "skip");
  for (const stop of ["sign-out", "theme", "help", "Fleet", "5 min", "plot"])
    assert.ok(seen.includes(stop), `${stop} is not among ${seen.join(" | ")}`);
  await page.keyboard.press("?");
  await page.locator("#help-box[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#help-box[open]").waitFor({ state: "hidden" });
  await page.keyboard.press("5");
  await page.locator("h1", { hasText: "Fleet" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type(set.meter);
  await page.keyboard.press("Enter");
  await until("one row", async () => await page.locator("#fleet-found tbody tr").count() === 1);
  for (let i = 0; i < 10 &&
    await page.evaluate(() => document.activeElement.innerText) !== set.meter; i++)
    await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await until("the meter's page", async () => await page.locator("h1").innerText() === set.meter);
  await until("the focus on its heading", async () =>
    await page.evaluate(() => document.activeElement.tagName) === "H1");
}

async function lostConnectionIsSaid() {
  quiet = false;
  await go("#/overview", "Overview");
  await page.context().setOffline(true);
  await page.locator("#link[data-state=no]").waitFor();
  assert.match(await text("#link"), /may be old/);
  await screen("offline");
  await page.context().setOffline(false);
  await page.locator("#link[data-state=yes]").waitFor();
  quiet = true;
}

/* A step that needs a path runs where the daemon has it. */
const needs = new Map([[eventsAreAcknowledgedAndCleared, "/events"]]);
const steps = [strangerSeesRatesOnly, viewerHasNoButtonsThatChange, overviewShowsTheAccounts,
  fleetIsSearchedAndApproved, errorQueueShowsBytes, operatorActsOnErrors,
  eventsAreAcknowledgedAndCleared, completenessIsTheApis, meterShowsProfileAndBill,
  operatorEditsAValue,
  panelsAreAccessible, coloursFollowSystemAndKey, narrowScreensShowEverything,
    keyboardReachesEverything,
  lostConnectionIsSaid];

async function run() {
  const browser = await chromium.launch({ executablePath: BROWSER,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 },
    colorScheme: "light", reducedMotion: "reduce", locale: "en-US", timezoneId: "Asia/Tokyo" });
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => trouble.push(`page: ${error.stack}`));
  page.on("dialog", (dialog) => {
    trouble.push(`a script ran: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    if (quiet && ["error", "warning"].includes(message.type()))
      trouble.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== url)
      trouble.push(`asked elsewhere: ${request.url()}`);
  });
  const { paths } = await (await fetch(url + "/openapi.json")).json();
  panels = PANELS.filter(([hash]) => hash !== "#/events" || paths["/events"]);
  for (const step of steps.filter((f) => !needs.has(f) || paths[needs.get(f)])) {
    const start = Date.now();
    try {
      await step();
      assert.deepEqual(trouble, []);
    } catch (error) {
      await screen("failed").catch(() => {});
      console.log(`${step.name}: ${error.stack}\n${trouble.join("\n")}\n${page.url()}`);
      await browser.close();
      process.exit(1);
    }
    console.log(`${step.name} ${((Date.now() - start) / 1000).toFixed(1)} s`);
  }
  await browser.close();
}

if (!BROWSER) {
  console.log("no chromium: scripts/setup.sh installs it");
  process.exit(77);
}
run();
