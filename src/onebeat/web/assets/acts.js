// Picking rows, asking before something is done, and copying.

import { tellTimes } from "./times.js";

let last = null;
let isAnswered = false;

const box = () => document.getElementById("dialog");
const picks = () => [...document.querySelectorAll("#live input[data-pick]")];

// -- picking ----------------------------------------------------------------------------------------------------------

export function tidyPicks() {
  const all = picks();
  const count = all.filter((one) => one.checked).length;
  for (const one of all) one.closest("tr")?.setAttribute("aria-selected", String(one.checked));
  for (const one of document.querySelectorAll("[data-pick-all]")) {
    one.hidden = false;
    one.checked = count > 0 && count === all.length;
    one.indeterminate = count > 0 && count < all.length;
  }
  const word = count ? `${count} selected` : "Select tasks to act on them";
  for (const one of document.querySelectorAll("[data-picked-count]")) if (one.textContent !== word) one.textContent = word;
  for (const one of document.querySelectorAll("[data-needs-pick]")) one.disabled = !count;
}

export function pick(one, isChecked = !one.checked) {
  one.checked = isChecked;
  one.dispatchEvent(new Event("change", { bubbles: true }));
}

export function dropPicks() {
  for (const one of picks()) one.checked = false;
  tidyPicks();
  document.dispatchEvent(new Event("change"));
}

document.addEventListener("click", (event) => {
  const one = event.target.closest?.("input[data-pick]");
  if (!one) return;
  const all = picks();
  const [from, to] = [all.indexOf(last), all.indexOf(one)].sort((a, b) => a - b);
  if (event.shiftKey && from >= 0) for (const between of all.slice(from, to + 1)) between.checked = one.checked;
  last = one;
  tidyPicks();
});

document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-pick-all]")) for (const one of picks()) one.checked = event.target.checked;
  if (event.target.matches?.("[data-pick], [data-pick-all]")) tidyPicks();
});

// -- asking -----------------------------------------------------------------------------------------------------------

// What ends in "…" asks first: its answer is a page with a form, and a way back in the same bar.
const asks = (one) => one?.textContent.trim().endsWith("…") ?? false;

// Where one goes on: the word that must be typed, else the way back, so that a key too many does nothing.
const PLACES = ["[autofocus]", "input[required]:not([type=hidden])", "[data-close], .bar > a.button", "input:not([type=hidden]), select, textarea, button"];

// The server's own page about what is to be done; where it cannot be had, the browser goes there.
export async function open(address, options) {
  let answer;
  try {
    answer = await fetch(address, { ...options, headers: { "HX-Request": "true" } });
  } catch {
    return false;
  }
  if (!answer.ok || answer.redirected) return false;
  box().innerHTML = await answer.text();
  box().setAttribute("aria-label", box().querySelector("h1")?.textContent.trim() ?? "Confirm");
  for (const one of box().querySelectorAll("[data-live]")) one.remove();
  box().classList.toggle("is-wide", box().querySelector("table") !== null);
  tellTimes(box());
  box().showModal();
  PLACES.map((place) => box().querySelector(place)).find(Boolean)?.focus();
  return true;
}

export function closeDialog() {
  if (box().open) box().close();
  box().replaceChildren();
}

document.addEventListener("click", async (event) => {
  if (event.target.closest?.("#dialog [data-close], #dialog .bar > a.button") || event.target === box()) {
    event.preventDefault();
    return closeDialog();
  }
  const link = event.target.closest?.("a.button");
  if (!asks(link) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (!(await open(link.href))) location.assign(link.href);
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (isAnswered || !asks(event.submitter)) return;
  event.preventDefault();
  const words = new URLSearchParams(new FormData(form, event.submitter));
  const told = (name) => event.submitter.getAttribute(`form${name}`) ?? form.getAttribute(name) ?? ""; // fields may be called so
  const address = told("action");
  const isPost = told("method").toLowerCase() === "post";
  const asked = isPost ? open(address, { method: "POST", body: words }) : open(`${address.split("?")[0]}?${words}`);
  if (await asked) return;
  isAnswered = true;
  form.requestSubmit(event.submitter);
});

// -- copying ----------------------------------------------------------------------------------------------------------

// Without TLS there is no clipboard but for what is selected.
function copySelected(text) {
  const place = document.createElement("textarea");
  place.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(place);
  place.select();
  const isDone = document.execCommand("copy");
  place.remove();
  return isDone;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-of]");
  if (!button) return;
  const text = button.dataset.copy ?? document.getElementById(button.dataset.copyOf)?.textContent ?? "";
  const word = (button.dataset.word ??= button.textContent);
  button.dataset.keep = ""; // a look must not take the answer away
  button.textContent = (await copy(text)) ? "Copied" : "Not copied";
  document.getElementById("announce").textContent = button.textContent;
  button.focus();
  setTimeout(() => {
    button.textContent = word;
    delete button.dataset.keep;
  }, 1500);
});
