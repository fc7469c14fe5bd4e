// What pages do by themselves: look again while somebody sees them, and say times in words.
// Without it they can be read, and every form works.
//
// What pages may say to it and to its sisters:
//   data-live         a button that stops and starts looking; data-live-word in it tells how it stands
//   data-announce     its text is read aloud when it has changed (times and counts that only tick should not stand in it)
//   data-keep         a look leaves this element as it is: what is typed there stays
//   a.button, button  whose word ends in "…": its answer is a question and opens in a dialog (acts.js);
//                     data-close in it, and links in its bar, close it
//   data-pick         a checkbox of a row; data-pick-all: all on the page; data-picked-count: says how many;
//                     data-needs-pick: a button that waits for the first
//   data-copy         a button that copies this text; data-copy-of: that of the element with this id
//   data-key="D"      a button or link that this key presses (keys.js)
//   data-completions  an input that completes what is typed, with the words of this address (complete.js)
//   class="js"        seen only where scripts run

import { closeDialog, tidyPicks } from "./acts.js";
import "./keys.js";
import { tellTimes } from "./times.js";

const root = document.documentElement;
const LONGEST_MS = 30000;
const QUIET_MS = 10000;

let isStill = root.dataset.refresh === "0";
let failures = 0;
let timer = 0;
let isLooking = false;
let isAskedAgain = false;
let isAnew = false;
let lastWord = 0;
let lastAnswer = new Date();
let said = "";

const live = () => document.getElementById("live");
const polls = () => live()?.hasAttribute("data-polls") && !isStill;

// Why a look would disturb who is at the page now: "" if it would not.
function held() {
  if (document.querySelector("dialog[open]")) return "dialog open";
  if (document.querySelector("#live input[data-pick]:checked")) return "tasks selected";
  const selection = getSelection();
  const isSelecting = selection && !selection.isCollapsed && live()?.contains(selection.anchorNode);
  return isSelecting ? "text selected" : "";
}

// One look at a time; whoever asks during one gets another after it, since the first may have read before he asked.
export function look(isFresh = false) {
  isAnew ||= isFresh;
  isAskedAgain = isLooking;
  if (!isLooking) live()?.dispatchEvent(new CustomEvent("look"));
}

// The next look comes only after the last has ended, and later and later while there is no answer.
function plan() {
  clearTimeout(timer);
  if (!polls() || document.hidden) return;
  const seconds = Number(root.dataset.refresh) || 2;
  const after = failures ? Math.min(seconds * 1000 * 2 ** Math.min(failures, 6), Math.max(LONGEST_MS, seconds * 1000)) : seconds * 1000;
  timer = setTimeout(() => (held() ? (showLive(), plan()) : isLooking || look()), after);
}

function showLive() {
  const seconds = root.dataset.refresh === "0" ? "2" : root.dataset.refresh;
  const word = failures ? "no answer" : isStill ? "paused" : held() ? `held: ${held()}` : `live · ${seconds} s`;
  for (const button of document.querySelectorAll("[data-live]")) {
    button.hidden = false;
    button.classList.toggle("is-still", isStill || (!failures && held() !== ""));
    button.classList.toggle("is-away", failures > 0);
    button.setAttribute("aria-pressed", String(!isStill));
    button.title = isStill ? "Look again by itself" : "Stop looking by itself";
    const place = button.querySelector("[data-live-word]");
    if (place.textContent !== word) place.textContent = word;
  }
}

// Tells readers of screens what has changed, not every digit that ticks, and not more often than one can listen.
function announce() {
  const words = [...document.querySelectorAll("#live [data-announce], #live .verdict")].map((one) => one.textContent.trim()).join(". ");
  const gist = words.replace(/[\d.,:]+\s*(ms|[smhd]\b)?/g, "#");
  if (said && gist !== said && Date.now() - lastWord > QUIET_MS) {
    document.getElementById("announce").textContent = words;
    lastWord = Date.now();
  }
  said = gist;
}

// What stands beside the names in the rail comes in a header: a page that did not change has no body.
function tellTallies(said) {
  if (!said) return;
  const tallies = JSON.parse(said);
  for (const link of document.querySelectorAll(".rail [data-page]")) {
    const [number, kind, words] = tallies[link.dataset.page] ?? [];
    if (words === undefined) continue; // not told this time: what was stays
    link.dataset.tally = number.toLocaleString("en-GB");
    link.dataset.tallyKind = kind;
    link.title = words;
  }
}

// Says how old what is seen is. One lost answer is nothing to be told of.
function tellAway(status) {
  const place = document.getElementById("away");
  if (!failures) lastAnswer = new Date();
  place.hidden = failures < 2;
  const who = status ? "The store" : "The console";
  const words = `${who} gives no answer since ${lastAnswer.toLocaleTimeString("en-GB")}. What you see is as it was then; this page looks again by itself.`;
  if (!place.hidden && place.textContent !== words) place.textContent = words;
}

// What scrolls by itself can be come to, and scrolled, by keyboard.
function tidyScrolling() {
  for (const one of document.querySelectorAll("main .table, main pre")) {
    if (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
}
addEventListener("resize", tidyScrolling);
document.addEventListener("toggle", tidyScrolling, true);

function tidy() {
  tidyScrolling();
  showLive();
  tidyPicks();
  tellTimes(document);
  announce();
}

function isOfLive(event) {
  return event.detail.ctx?.sourceElement === live();
}

document.addEventListener("htmx:config:request", (event) => {
  if (!isAnew || !isOfLive(event)) return;
  event.detail.ctx.request.headers["Cache-Control"] = "no-cache"; // not what others were shown some seconds ago
  isAnew = false;
});
document.addEventListener("htmx:before:request", (event) => {
  if (isOfLive(event)) isLooking = true;
});
document.addEventListener("htmx:before:swap", (event) => {
  if (isOfLive(event) && held()) event.preventDefault(); // somebody began while the answer was on its way
});
document.addEventListener("htmx:finally:request", (event) => {
  if (!isOfLive(event)) return;
  const status = event.detail.ctx.response?.status ?? 0;
  isLooking = false;
  if (status === 401 || event.detail.ctx.response?.raw?.redirected) return location.reload(); // the session is over
  failures = status === 0 || status >= 500 ? failures + 1 : 0;
  tellTallies(event.detail.ctx.response?.raw?.headers.get("Onebeat-Tallies"));
  tellAway(status);
  showLive();
  plan();
  if (isAskedAgain) queueMicrotask(look); // htmx lets nobody in before this event is over
});
document.addEventListener("htmx:after:swap", tidy);
document.addEventListener("selectionchange", showLive);
document.addEventListener("change", showLive);
document.addEventListener("close", () => (showLive(), plan()), true);

function isBack() {
  if (document.hidden) return clearTimeout(timer);
  if (polls() && !held()) look();
  plan();
}
document.addEventListener("visibilitychange", isBack);
addEventListener("pageshow", (event) => {
  if (event.persisted) closeDialog(), isBack();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-live]")) return;
  isStill = !isStill;
  showLive();
  if (!isStill) look();
  plan();
});

export function remember(name, value) {
  const path = root.dataset.root ?? "/";
  document.cookie = `onebeat_${name}=${encodeURIComponent(value)}; path=${path}; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
}

export function turnTheme() {
  const isDark = root.dataset.theme === "dark" || (root.dataset.theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = isDark ? "light" : "dark";
  remember("theme", root.dataset.theme);
}

// Times are said in the zone of who looks: the first page does not know it, all others do.
function settleZone() {
  if (/(^|; )onebeat_zone=/.test(document.cookie)) return;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  remember("zone", zone);
  if (zone === root.dataset.zone) return;
  if (live()?.hasAttribute("data-htmx-powered")) return look();
  document.addEventListener("htmx:after:process", () => look(), { once: true }); // it does not listen yet
}

root.dataset.js = "";
const rail = document.querySelector(".rail");
const here = rail?.querySelector("[aria-current]");
if (here && rail.scrollWidth > rail.clientWidth) rail.scrollLeft = here.offsetLeft - (rail.clientWidth - here.offsetWidth) / 2;
tidy();
settleZone();
plan();
