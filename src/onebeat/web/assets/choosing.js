// A list under an input, from which one is chosen by arrows and Enter, or by the mouse: an ARIA combobox.

let number = 0;

export class Choices {
  // `input` is typed in, `place` holds the list, `chosen(item)` hears what was taken.
  constructor(input, place, chosen) {
    this.input = input;
    this.chosen = chosen;
    this.items = [];
    this.at = -1;
    this.list = document.createElement("ul");
    this.list.id = `choices-${++number}`;
    this.list.className = "choices";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Choices");
    this.list.hidden = true;
    place.append(this.list);
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", this.list.id],
      ["aria-expanded", "false"], ["autocomplete", "off"]]) input.setAttribute(name, value);
    input.addEventListener("keydown", (event) => this.heard(event));
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the input keeps the focus
      const one = event.target.closest("[role=option]");
      if (one) this.take(this.items[Number(one.dataset.at)], event);
    });
  }

  // Each item: text, and perhaps kind and hint.
  show(items, at = -1) {
    this.items = items;
    this.list.replaceChildren(...items.map((item, index) => this.option(item, index)));
    this.list.hidden = !items.length;
    this.input.setAttribute("aria-expanded", String(items.length > 0));
    this.mark(items.length ? at : -1);
  }

  option(item, index) {
    const one = document.createElement("li");
    one.id = `${this.list.id}-${index}`;
    one.dataset.at = index;
    one.setAttribute("role", "option");
    for (const [name, text] of [["kind", item.kind], ["text", item.text], ["hint", item.hint]]) {
      if (text) one.append(Object.assign(document.createElement("span"), { className: name, textContent: text }));
    }
    return one;
  }

  mark(at) {
    this.at = at;
    [...this.list.children].forEach((one, index) => one.setAttribute("aria-selected", String(index === at)));
    const one = this.list.children[at];
    if (one) this.input.setAttribute("aria-activedescendant", one.id);
    else this.input.removeAttribute("aria-activedescendant");
    one?.scrollIntoView({ block: "nearest" });
  }

  take(item, event) {
    this.show([]);
    this.chosen(item, event);
  }

  heard(event) {
    const count = this.items.length;
    if (!count || event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (steps[event.key]) {
      event.preventDefault();
      const next = this.at + steps[event.key];
      this.mark(next < 0 ? count - 1 : next % count);
    } else if ((event.key === "Enter" || event.key === "Tab") && this.at >= 0) {
      event.preventDefault();
      event.stopPropagation();
      this.take(this.items[this.at], event);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.show([]);
    }
  }
}
