// The keys there are, in a dialog.

import { KEYS, own, PLACES } from "./keys.js";

function line(keys, words) {
  const row = document.createElement("div");
  const term = document.createElement("dt");
  const told = document.createElement("dd");
  term.append(...keys.flatMap((key, at) => [at ? " " : "", Object.assign(document.createElement("kbd"), { textContent: key })]));
  told.textContent = words;
  row.append(term, told);
  return row;
}

function list(title, lines) {
  const heading = Object.assign(document.createElement("h2"), { textContent: title });
  const places = Object.assign(document.createElement("dl"), { className: "keys" });
  places.append(...lines);
  const part = document.createElement("section");
  part.append(heading, places);
  return part;
}

export function help() {
  if (document.querySelector("dialog[open]")) return; // opened while this was loaded
  const box = document.getElementById("dialog");
  const title = Object.assign(document.createElement("h1"), { textContent: "Keys" });
  const close = Object.assign(document.createElement("button"), { textContent: "Close", type: "button", className: "quiet" });
  close.dataset.close = "";
  const head = Object.assign(document.createElement("header"), { className: "head" });
  head.append(title, close);
  const pages = Object.entries(PLACES)
    .map(([key, name]) => [key, document.querySelector(`.rail [data-page="${name}"]`)])
    .filter(([key, link]) => link && key !== "q"); // a second name of the overview, for fingers that know queues
  const halves = Object.assign(document.createElement("div"), { className: "halves" });
  halves.append(
    list("Everywhere", [
      line(["Ctrl", "K"], "Go anywhere, find a task"),
      ...Object.entries(KEYS).map(([key, [words]]) => line([key], words)),
      line(["Enter"], "Open the row"),
      line(["Esc"], "Close, or pick none"),
      ...own().map((one) => line([one.dataset.key], one.textContent.trim())),
    ]),
    list("Go to", pages.map(([key, link]) => line(["g", key], link.textContent.trim()))),
  );
  box.replaceChildren(head, halves);
  box.setAttribute("aria-label", "Keys");
  box.showModal();
}
