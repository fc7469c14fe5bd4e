// The command palette: pages, what can be done here, and what the server finds: queues, and pausing them, schedules,
// servers, errors, any task by its id.

import { open } from "./acts.js";
import { Choices } from "./choosing.js";
import { look, turnTheme } from "./console.js";

let box = null;
let input = null;
let choices = null;
let asked = null;

function here() {
  const links = [...document.querySelectorAll(".rail [data-page]")].map((link) => ({ kind: "page", text: link.textContent.trim(), href: link.href }));
  const buttons = [...document.querySelectorAll("main .acts a, main .acts button, main [data-key]")]
    .filter((one) => one.checkVisibility() && !one.disabled && one.textContent.trim())
    .map((one) => ({ kind: "here", text: one.textContent.trim(), href: one.href, does: () => one.click() }));
  const always = [
    { kind: "console", text: "Light or dark", does: turnTheme },
    { kind: "console", text: "Look again now", does: () => look(true) },
  ];
  return [...new Map([...links, ...buttons, ...always].map((item) => [item.kind + item.text, item])).values()];
}

// Every word must stand somewhere; what begins with what was typed comes first.
function fitting(words) {
  const typed = words.trim().toLowerCase();
  const parts = typed.split(/\s+/);
  const found = here().filter((item) => parts.every((part) => `${item.text} ${item.kind}`.toLowerCase().includes(part)));
  return found.sort((a, b) => b.text.toLowerCase().startsWith(typed) - a.text.toLowerCase().startsWith(typed));
}

// Where an item leads; what leads nowhere is like no other.
function leads(item) {
  return item.href ? new URL(item.href, location).href : item;
}

async function ask() {
  const words = input.value;
  const own = fitting(words);
  choices.show(own, 0);
  asked?.abort();
  asked = new AbortController();
  try {
    let found = own;
    for (const more of ["", "&what=errors"]) { // errors take longer than all else
      const answer = await fetch(`${box.dataset.from}?q=${encodeURIComponent(words)}${more}`, { signal: asked.signal });
      if (!answer.ok) return;
      const { items } = await answer.json();
      if (found.length && choices.list.hidden) return; // Escape has closed it
      found = [...found, ...items.filter((item) => !found.some((one) => leads(one) === leads(item)))];
      choices.show(found, Math.max(choices.at, 0));
    }
  } catch (error) {
    if (error.name !== "AbortError" && error.name !== "TypeError") throw error;
  }
}

async function take(item, event) {
  box.close();
  if (item.does) return item.does();
  if (item.asks && (await open(item.href))) return;
  if (event.ctrlKey || event.metaKey) return void window.open(item.href, "_blank", "noopener");
  location.assign(item.href);
}

export function attach(element, field) {
  if (!box) {
    [box, input] = [element, field];
    choices = new Choices(input, box, take);
    input.addEventListener("input", ask);
    box.addEventListener("close", () => asked?.abort());
    box.addEventListener("click", (event) => event.target === box && box.close());
  }
  ask();
}
