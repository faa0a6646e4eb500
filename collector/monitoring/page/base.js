// Small tools. Whatever comes from outside goes through textContent or a named attribute, never through markup.
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svgElement(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttr(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

const number = (value) => (value == null ? "–" : Math.abs(value) < 1000000 ? whole.format(value) : short.format(value));
const rate = (value) => (value == null ? "–" : value < 10 ? fine.format(value) : number(value));

function size(bytes) {
  if (bytes == null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (bytes >= 1000 && step < units.length - 1) { bytes /= 1000; step += 1; }
  return `${step && bytes < 10 ? fine.format(bytes) : whole.format(bytes)} ${units[step]}`;
}

function span(secs) {
  if (secs == null) return "–";
  secs = Math.max(0, secs);
  if (secs < 0.95) return `${whole.format(secs * 1000)} ms`;
  if (secs < 59.5) return `${whole.format(secs)} s`;
  const minutes = Math.round(secs / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
}

// Below ten minutes to the second.
function exactSpan(secs) {
  const rounded = Math.round(secs);
  if (rounded < 60 || rounded >= 600) return span(secs);
  return rounded % 60 ? `${Math.floor(rounded / 60)} min ${rounded % 60} s` : `${rounded / 60} min`;
}

const ago = (ms, now) => (ms == null ? "never" : now - ms < 1000 ? "just now" : `${span((now - ms) / 1000)} ago`);
const parseTime = (iso) => (iso ? Date.parse(iso) : null);
// Every time on the page is UTC and says so: 16:00 UTC, 16:00:05 UTC, and with its date 2026-11-29 16:00:05 UTC.
const iso = (ms) => new Date(ms).toISOString();
const timeOfDay = (ms) => `${iso(ms).slice(11, 16)} UTC`;
const dateTime = (ms) => `${iso(ms).slice(0, 19).replace("T", " ")} UTC`;
const when = (ms, now) => (iso(ms).slice(0, 10) === iso(now).slice(0, 10) ? `${iso(ms).slice(11, 19)} UTC` : dateTime(ms));
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
