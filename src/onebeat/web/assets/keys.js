// The keyboard. Nothing while somebody types, and nothing that changes anything without being asked about.

import { dropPicks, pick } from "./acts.js";
import { look, turnTheme } from "./console.js";

export const PLACES = {
  o: "overview", q: "overview", t: "tasks", e: "errors", s: "schedules", v: "servers", g: "groups", m: "metrics",
  h: "health", r: "redis", a: "audit", ",": "settings",
};

export const KEYS = {
  "/": ["Search", search],
  j: ["Next row", () => move(1)],
  k: ["Row before", () => move(-1)],
  x: ["Pick the row", pickRow],
  n: ["Next page", () => press('a[rel="next"]')],
  p: ["Page before", () => press('a[rel="prev"]')],
  r: ["Look again now", () => look(true)],
  t: ["Light or dark", turnTheme],
  "?": ["These keys", async () => (await import("./help.js")).help()],
};

let isGoing = 0;

const seen = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled;
const rows = () => [...document.querySelectorAll("#live tbody tr")].filter((row) => seen(row) && row.querySelector("a, input"));
const current = () => document.activeElement?.closest("#live tbody tr");

function search() {
  const input = document.querySelector('main input[type="search"]');
  if (input) return input.focus(), input.select();
  press('.rail [data-page="tasks"]');
}

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  const row = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  row?.querySelector("a, input")?.focus();
  row?.scrollIntoView({ block: "nearest" });
}

function pickRow() {
  const one = current()?.querySelector("input[data-pick]");
  if (one) pick(one);
}

function press(selector) {
  [...document.querySelectorAll(selector)].find(seen)?.click();
}

function go(key) {
  press(`.rail [data-page="${PLACES[key]}"]`);
}

export const own = () => [...document.querySelectorAll("main [data-key]")].filter(seen);

// What few need is loaded when the first asks for it.
async function openBox() {
  const box = document.getElementById("palette");
  if (box.open) return box.close();
  if (document.querySelector("dialog[open]") || !document.querySelector(".rail")) return; // before the login: nowhere to go
  const input = box.querySelector("input");
  input.value = "";
  box.showModal(); // at once, so that it has what is typed next
  input.focus();
  (await import("./palette.js")).attach(box, input);
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-palette]")) openBox();
});
document.addEventListener("focusin", async (event) => {
  if (event.target.matches?.("input[data-completions]")) (await import("./complete.js")).attach(event.target);
});

function isTyping(target) {
  const isField = target.closest?.("input, textarea, select, [contenteditable]");
  return isField && !["checkbox", "radio", "button", "submit"].includes(isField.type);
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    return openBox();
  }
  if (event.key === "Escape" && event.target.matches?.('input[type="search"]')) return event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") return dropPicks();
  if (event.key === "Enter" && event.target.matches?.("input[data-pick]")) {
    return event.preventDefault(), current()?.querySelector("a")?.click(); // on a box it would do nothing
  }
  const wasGoing = Date.now() - isGoing < 1500;
  isGoing = 0;
  if (wasGoing && PLACES[event.key]) return event.preventDefault(), go(event.key);
  if (event.key === "g") return void (isGoing = Date.now());
  const button = own().find((one) => one.dataset.key === event.key);
  const deed = button ? () => button.click() : KEYS[event.key]?.[1];
  if (!deed) return;
  event.preventDefault();
  deed();
});
