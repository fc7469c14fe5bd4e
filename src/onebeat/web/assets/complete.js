// Completes what is typed into a query: the server says what fits where the cursor stands.

import { Choices } from "./choosing.js";

const known = new WeakSet();
const WAIT_MS = 80;

// The server answers {"from": 6, "to": 9, "items": [{"text": "archived", "hint": "8 tasks"}]}: what stands from one
// character to the other is replaced.
export function attach(input) {
  if (known.has(input)) return;
  known.add(input);
  let timer = 0;
  let asked = null;
  let range = [0, 0];
  const choices = new Choices(input, input.parentElement, (item) => {
    input.setRangeText(item.text, range[0], range[1], "end");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });

  async function ask() {
    asked?.abort();
    asked = new AbortController();
    const words = new URLSearchParams({ q: input.value, at: String(input.selectionStart) });
    try {
      const answer = await fetch(`${input.dataset.complete}?${words}`, { signal: asked.signal });
      if (!answer.ok) return choices.show([]);
      const { from, to, items } = await answer.json();
      range = [from, to];
      if (document.activeElement === input) choices.show(items);
    } catch (error) {
      if (error.name !== "AbortError") choices.show([]);
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  }
  input.addEventListener("input", soon);
  input.addEventListener("click", soon);
  input.addEventListener("focus", soon);
  input.addEventListener("blur", () => (clearTimeout(timer), asked?.abort(), choices.show([])));
  if (document.activeElement === input) soon();
}
