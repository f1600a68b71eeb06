/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, times of the territory. A time's element says UTC when it is pointed at. */
import { h } from "./dom.js";

let zone = "UTC";
const formats = new Map();

export function setZone(name) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    zone = name;
  } catch {
    zone = "UTC"; /* a zone that this browser does not know */
  }
  formats.clear();
}

export function getZone() {
  return zone;
}

/* sv: 2026-03-29 02:15:00, as ISO 8601 has it */
function format(key, options) {
  if (!formats.has(key))
    formats.set(key, new Intl.DateTimeFormat("sv", { timeZone: zone, ...options }));
  return formats.get(key);
}

const DAY = { year: "numeric", month: "2-digit", day: "2-digit" };
const CLOCK = { hour: "2-digit", minute: "2-digit" };

export const day = (ms) => format("day", DAY).format(ms);
export const clock = (ms) => format("clock", CLOCK).format(ms);
export const clockSeconds = (ms) => format("seconds", { ...CLOCK, second: "2-digit" }).format(ms);
export const minutes = (ms) => format("minutes", { ...DAY, ...CLOCK }).format(ms);
export const seconds = (ms) => format("full", { ...DAY, ...CLOCK, second: "2-digit" }).format(ms);

export function utc(ms) {
  return new Date(ms).toISOString().replace("T", " ").replace(/(\.000)?Z$/, " UTC");
}

/* <time>: the territory's time, UTC as its title. `text` is ISO 8601; null gives a dash. */
export function time(text, form = seconds) {
  const ms = Date.parse(text ?? "");
  if (Number.isNaN(ms))
    return text ? String(text) : "–";
  return h("time", { datetime: text, title: utc(ms) }, form(ms));
}

/* Days as text, YYYY-MM-DD; their arithmetic is the calendar's, without hours. */
export function addDays(text, days) {
  const date = new Date(text + "T00:00:00Z");
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}

export const today = () => day(Date.now());
export const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text) &&
  !Number.isNaN(Date.parse(text + "T00:00:00Z"));

const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");

/* A decimal as text, exact: only its thousands are set apart. */
export function exact(text) {
  const [, sign, whole, rest] = /^(-?)(\d+)(\.\d+)?$/.exec(text) ?? [];
  return whole === undefined ? String(text) : sign + group(whole) + (rest ?? "");
}

/* The same number without zeros at its end: 239.900 is 239.9. */
export function trimmed(text) {
  return exact(/\.\d*$/.test(text) ? text.replace(/\.?0+$/, "") : text);
}

export function fixed(value, places) {
  return Number.isFinite(value) ? exact(value.toFixed(places)) : "–";
}

export const count = (value) => fixed(value, 0);

/* 9.53, 95.3, 953, 9,530: three digits are enough to look at */
export function short(value) {
  const size = Math.abs(value);
  return fixed(value, value === 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

export const kwh = (value) => value === null || value === undefined ? "–"
  : fixed(Number(value), 3) + " kWh";

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (value >= 1024 && at + 1 < units.length) {
    value /= 1024;
    at++;
  }
  return (at ? short(value) : count(value)) + " " + units[at];
}

export function micros(us) {
  if (!Number.isFinite(us))
    return "–";
  return us < 1000 ? `${short(us)} µs` : us < 1e6 ? `${short(us / 1000)} ms`
    : `${short(us / 1e6)} s`;
}

export function percent(value, places = 1) {
  return fixed(value, places) + " %";
}

export function duration(s) {
  const d = Math.floor(s / 86400), hour = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  return d ? `${count(d)} d ${hour} h` : hour ? `${hour} h ${m} min`
    : m ? `${m} min ${Math.floor(s) % 60} s` : `${Math.floor(s)} s`;
}

/* "too_late" for people */
export const words = (name) => String(name).replaceAll("_", " ");
