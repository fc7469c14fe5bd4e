// Completes what is typed into a query: names of the language, and the queues, types, states and fields that there are.

import { Choices } from "./choosing.js";

const HINTS = {
  id: "the whole id", type: "mail:*", queue: "by name", group: "by name", state: "one or several, with commas",
  is: "orphaned or undecodable", error: "anywhere in the last error", payload: "anywhere in the payload",
  "payload.": "a field of the payload", "header.": "a header", age: "how long in its state", since: "since when in its state",
  due: "when it is due", failed: "when it last failed", completed: "when it was completed", deadline: "until when it may run",
  expires: "until when it is worth starting", retried: "failures so far", max_retry: "failures allowed",
  crashes: "deaths of its process", soft_failures: "failures that do not count", size: "bytes of the payload",
  timeout: "how long it may run", retention: "how long it is kept",
};
const COMPARED = new Set(["age", "since", "due", "failed", "completed", "deadline", "expires", "retried", "max_retry", "crashes",
  "soft_failures", "size", "timeout", "retention"]);
const INSTANTS = new Set(["since", "failed", "completed"]);
const TIMES = ["10m", "1h", "1d", "1w"];
const VALUES = { queue: "queues", type: "types", state: "states", is: "is", group: "groups" };
const MOST = 12;

const known = new WeakMap();

// What has been asked for is good as long as the page is.
function vocabulary(address) {
  if (!known.has(document)) known.set(document, fetch(address).then((answer) => (answer.ok ? answer.json() : null), () => null));
  return known.get(document);
}

// The word that the cursor stands in: where it begins, and whether in quotes.
function wordAt(text, at) {
  let [start, quote] = [0, ""];
  for (let i = 0; i < at; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (quote) quote = text[i] === quote ? "" : quote;
    else if (`"'`.includes(text[i])) quote = text[i];
    else if (/\s/.test(text[i])) start = i + 1;
  }
  return [start, quote];
}

const quoted = (value) => (/[\s,"'\\]/.test(value) ? `"${value.replace(/(["\\])/g, "\\$1")}"` : value);

function fitting(values, typed, item) {
  const low = typed.toLowerCase();
  const found = values.filter((value) => value.toLowerCase().includes(low));
  found.sort((a, b) => b.toLowerCase().startsWith(low) - a.toLowerCase().startsWith(low));
  return found.slice(0, MOST).map(item);
}

// What may stand where the cursor is, and from where on it takes the place of what was typed.
export function suggested(text, at, words) {
  let [start, quote] = wordAt(text, at);
  if (quote) return [at, []];
  if (text[start] === "-") start += 1;
  const typed = text.slice(start, at);
  const [, name, operator, rest] = /^([\w.]+?)(>=|<=|[:=<>])(.*)$/s.exec(typed) ?? [];
  if (!name) {
    const names = [...words.names, ...words.fields];
    return [start, fitting(names, typed, (one) => ({ text: one + (one.endsWith(".") ? "" : COMPARED.has(one) ? ">" : ":"), hint: HINTS[one] ?? "" }))];
  }
  const from = at - rest.split(",").at(-1).length;
  const part = text.slice(from, at);
  if (VALUES[name]) return [from, fitting(words[VALUES[name]] ?? [], part, (one) => ({ text: quoted(one), ends: true }))];
  if (/[<>]/.test(operator) && COMPARED.has(name) && !/retr|crash|soft|size/.test(name)) {
    const times = TIMES.map((time) => (INSTANTS.has(name) ? `-${time}` : time));
    return [from, fitting(times, part, (one) => ({ text: one, ends: true }))];
  }
  return [at, []];
}

export function attach(input) {
  if (known.has(input)) return;
  known.set(input, true);
  let from = 0;
  const choices = new Choices(input, input.closest(".query") ?? input.parentElement, (item) => {
    const isLast = input.selectionStart === input.value.length;
    input.setRangeText(item.text + (item.ends && isLast ? " " : ""), from, input.selectionStart, "end");
    suggest();
  });

  async function suggest() {
    const words = await vocabulary(input.dataset.completions);
    if (!words || document.activeElement !== input || input.selectionStart !== input.selectionEnd) return choices.show([]);
    const [start, items] = suggested(input.value, input.selectionStart, words);
    const isWhole = items.length === 1 && items[0].text.trim() === input.value.slice(start, input.selectionStart);
    from = start;
    choices.show(isWhole ? [] : items);
  }
  for (const happened of ["input", "click", "focus"]) input.addEventListener(happened, suggest);
  input.addEventListener("blur", () => choices.show([]));
  suggest();
}
