// Says instants in words ("3 minutes ago"), and how long something has waited ("4m 12s"); what the server wrote stays as the title.

const UNITS = [
  ["year", 31557600],
  ["month", 2629800],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });

function said(instant, now) {
  const seconds = (instant - now) / 1000;
  for (const [unit, length] of UNITS) {
    const whole = seconds > 0 && length >= 3600 ? Math.round : Math.trunc; // twelve hours are no eleven after a moment
    if (Math.abs(seconds) >= length) return relative.format(whole(seconds / length), unit);
  }
  return "now";
}

// As the server writes durations: the two units that matter, "4m 12s", "3h", "12 s".
function spanned(ms) {
  const seconds = Math.max(0, Math.trunc(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const lengths = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const at = lengths.findIndex(([, length]) => seconds >= length);
  const [[unit, length], [less, short]] = [lengths[at], lengths[at + 1]];
  const rest = Math.trunc((seconds % length) / short);
  return `${Math.trunc(seconds / length).toLocaleString("en")}${unit}${rest ? ` ${rest}${less}` : ""}`;
}

// By how much this machine's clock is ahead of the server's; less than two seconds is nothing.
function ahead() {
  const told = Date.parse(document.documentElement.dataset.now);
  const arrived = performance.timeOrigin + performance.getEntriesByType("navigation")[0]?.responseStart;
  const off = arrived - told;
  return Math.abs(off) > 2000 ? off : 0; // nor is what is not known
}
const AHEAD = ahead();

export function tellTimes(root) {
  const now = Date.now() - AHEAD;
  for (const element of root.querySelectorAll("time[data-words], time[data-span]")) {
    const instant = Date.parse(element.dateTime);
    if (Number.isNaN(instant)) continue;
    if (!element.title) element.title = element.textContent;
    const words = "span" in element.dataset ? spanned(now - instant) : said(instant, now);
    if (element.textContent !== words) element.textContent = words;
  }
}

setInterval(() => {
  if (!document.hidden) tellTimes(document);
}, 1000);
