// Says instants in words ("3 minutes ago"); what the server wrote stays as the title.

const UNITS = [
  ["year", 31557600],
  ["month", 2629800],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const words = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });

function said(instant, now) {
  const seconds = (instant - now) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit);
  }
  return "now";
}

export function tellTimes(root) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time[data-words]")) {
    const instant = Date.parse(element.dateTime);
    if (Number.isNaN(instant)) continue;
    if (!element.title) element.title = element.textContent;
    element.textContent = said(instant, now);
  }
}

setInterval(() => {
  if (!document.hidden) tellTimes(document);
}, 1000);
