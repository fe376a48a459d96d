// The list of targets; its rows are changed in place, so that the focus stays where it is.

import { hue, STATUS_MARKS } from "./looks.js";

export class TargetList {
  // handlers: {select(id), redraw(id), remove(id)}
  constructor(list, none, count, handlers) {
    Object.assign(this, { list, none, count, handlers });
    this.rows = new Map();
  }

  show(targets, selected) {
    for (const [id, row] of this.rows) {
      if (targets.some((target) => target.id === id)) continue;
      row.item.remove();
      this.rows.delete(id);
    }
    for (const target of targets) {
      const row = this.rows.get(target.id) ?? this.add(target.id);
      row.item.classList.toggle("selected", target.id === selected);
      row.name.setAttribute("aria-pressed", String(target.id === selected));
      const status = `${STATUS_MARKS[target.status]} ${target.status}`;
      if (row.chip.textContent !== status) {
        row.chip.textContent = status;
        row.chip.className = `chip ${target.status}`;
      }
      row.value.textContent = target.score.toFixed(2);
      row.meter.setAttribute("aria-valuenow", target.score.toFixed(2));
      row.fill.style.transform = `scaleX(${target.score})`;
    }
    this.none.hidden = targets.length > 0;
    this.count.textContent = targets.length ? `(${targets.length})` : "";
  }

  add(id) {
    const item = make("li", "");
    item.style.setProperty("--hue", hue(id));
    item.dataset.target = id;
    const name = make("button", "name", `Target ${id}`);
    name.onclick = () => this.handlers.select(id);
    const chip = make("span", "chip");
    const head = make("div", "head");
    head.append(name, chip);
    const fill = make("i", "");
    const meter = make("div", "meter");
    for (const [key, value] of Object.entries({ role: "meter", "aria-valuemin": 0, "aria-valuemax": 1, "aria-label": `Score of target ${id}` })) {
      meter.setAttribute(key, value);
    }
    meter.append(fill);
    const value = make("span", "");
    const score = make("div", "score");
    score.append(meter, value);
    const redraw = make("button", "redraw", "Draw anew");
    redraw.setAttribute("aria-label", `Draw target ${id} anew`);
    redraw.onclick = () => this.handlers.redraw(id);
    const remove = make("button", "remove", "Remove");
    remove.setAttribute("aria-label", `Remove target ${id}`);
    remove.onclick = () => this.handlers.remove(id);
    const buttons = make("div", "row");
    buttons.append(redraw, remove);
    item.append(head, score, buttons);
    this.list.append(item);
    const row = { item, name, chip, meter, fill, value };
    this.rows.set(id, row);
    return row;
  }
}

function make(tag, name, text = "") {
  const element = document.createElement(tag);
  if (tag === "button") element.type = "button";
  if (name) element.className = name;
  element.textContent = text;
  return element;
}
