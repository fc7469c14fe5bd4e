// What pages do by themselves: look again while somebody sees them, and say times in words.
// Without it they can be read, and every form works.

import { tellTimes } from "./times.js";

const live = () => document.getElementById("live");
let isStill = document.documentElement.dataset.refresh === "0";
let isAway = false;

function mayLook() {
  const isPicking = document.querySelector("#live input[data-pick]:checked") || document.querySelector("dialog[open]");
  return !document.hidden && !isStill && !isPicking;
}

function showLive() {
  for (const button of document.querySelectorAll("[data-live]")) {
    button.hidden = false;
    button.classList.toggle("is-still", isStill);
    button.classList.toggle("is-away", isAway);
    const seconds = document.documentElement.dataset.refresh;
    button.querySelector("[data-live-word]").textContent = isAway ? "no answer" : isStill ? "paused" : `live · ${seconds} s`;
    button.title = isStill ? "Look again by itself" : "Stop looking by itself";
  }
}

function tidy() {
  showLive();
  tellTimes(document);
}

document.addEventListener("htmx:before:request", (event) => {
  const context = event.detail.ctx;
  const isOwn = context.sourceElement === live() && context.sourceEvent?.type !== "look";
  if (isOwn && !mayLook()) event.preventDefault();
});
document.addEventListener("htmx:after:request", (event) => {
  const status = event.detail.ctx.response?.status ?? 0;
  isAway = status >= 500 || status === 0;
  showLive();
});
document.addEventListener("htmx:error", () => {
  isAway = true;
  showLive();
});
document.addEventListener("htmx:after:swap", tidy);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && mayLook()) live()?.dispatchEvent(new CustomEvent("look"));
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-live]");
  if (!button) return;
  isStill = !isStill;
  showLive();
  if (!isStill) live()?.dispatchEvent(new CustomEvent("look"));
});

tidy();
