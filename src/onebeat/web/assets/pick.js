// Ticking tasks: all of a page, a range with shift, and how many there are beside what can be done to them.

const boxes = (form) => [...form.querySelectorAll("input[data-pick]")];
let last = null;

function count(form) {
  const all = boxes(form);
  const picked = all.filter((box) => box.checked);
  const word = form.querySelector("[data-picked-count]");
  if (word) word.textContent = picked.length ? `${picked.length} selected` : "Select tasks to act on them";
  for (const button of form.querySelectorAll("[data-needs-pick]")) button.disabled = !picked.length;
  for (const box of all) box.closest("tr")?.setAttribute("aria-selected", String(box.checked));
  const every = form.querySelector("[data-pick-all]");
  if (every) {
    every.hidden = false;
    every.checked = picked.length > 0 && picked.length === all.length;
    every.indeterminate = picked.length > 0 && picked.length < all.length;
  }
}

function tidy() {
  for (const form of document.querySelectorAll("form[data-picked]")) count(form);
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("input[data-pick]");
  if (!box) return;
  if (event.shiftKey && last?.isConnected && last !== box) {
    const all = boxes(box.form);
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    for (const between of all.slice(from, to + 1)) between.checked = box.checked;
  }
  last = box;
});
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-picked]");
  if (!form) return;
  if (event.target.matches("[data-pick-all]")) for (const box of boxes(form)) box.checked = event.target.checked;
  count(form);
});
document.addEventListener("htmx:after:swap", tidy);

tidy();
