"use strict";

// Tables: a heading sorts by its column; a second time, the other way round.
document.addEventListener("click", (event) => {
  const button = event.target.closest("table.sortable .sort");
  if (button) sortTable(button.closest("table"), button.closest("th"));
});

function sortTable(table, heading) {
  const column = heading.cellIndex;
  const rows = [...table.tBodies[0].rows];
  const numeric = rows.some((row) => "value" in row.cells[column].dataset);
  const before = heading.getAttribute("aria-sort");
  const descending = before === "none" ? numeric : before === "ascending";
  const key = (row) => {
    const cell = row.cells[column];
    return numeric ? Number(cell.dataset.value ?? NaN) : cell.textContent.trim();
  };
  const order = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (!numeric) return x.localeCompare(y, undefined, { numeric: true }) * (descending ? -1 : 1);
    // What has no figure comes last either way.
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return descending ? y - x : x - y;
  };
  table.tBodies[0].append(...rows.sort(order));
  for (const each of heading.parentElement.cells) {
    if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

const filter = document.getElementById("filter");
filter?.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const row of document.querySelectorAll("#sequence-table tbody tr")) {
    row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  }
});

// Plots: the numbers of a path are the values of its curve, so they are read from there.
const tip = document.getElementById("tip");
const curves = new WeakMap();

function pointsOf(path) {
  if (!curves.has(path)) {
    const numbers = path.getAttribute("d").match(/-?\d+(\.\d+)?/g)?.map(Number) ?? [];
    const points = [];
    for (let i = 0; i + 1 < numbers.length; i += 2) points.push([numbers[i], numbers[i + 1]]);
    curves.set(path, points);
  }
  return curves.get(path);
}

function nearest(points, x) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= x) low = middle; else high = middle;
  }
  return x - points[low][0] <= points[high][0] - x ? points[low] : points[high];
}

function showTip(title, lines, x, y) {
  tip.replaceChildren();
  tip.append(Object.assign(document.createElement("strong"), { textContent: title }));
  for (const line of lines) {
    const row = document.createElement("div");
    const color = document.createElement("i");
    color.style.background = line.color;
    row.append(color, Object.assign(document.createElement("span"), { textContent: line.name }),
      Object.assign(document.createElement("b"), { textContent: line.text }));
    tip.append(row);
  }
  // Nothing is seen above an open dialog but what is in it.
  (document.querySelector("dialog[open]") ?? document.body).append(tip);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.min(Math.max(4, y + 12), innerHeight - box.height - 4)}px`;
}

function hideTip(svg) {
  tip.hidden = true;
  svg?.querySelector(".cursor")?.remove();
}

function readAt(svg, clientX, clientY) {
  const data = svg.querySelector(".data");
  const matrix = data.getScreenCTM();
  const wanted = new DOMPoint(clientX, clientY).matrixTransform(matrix.inverse()).x;
  const near = [];
  for (const path of svg.querySelectorAll(".line")) {
    const points = pointsOf(path);
    if (points.length) near.push([path, nearest(points, wanted)]);
  }
  if (!near.length) return;
  const closest = near.reduce((a, b) => (Math.abs(b[1][0] - wanted) < Math.abs(a[1][0] - wanted) ? b : a))[1][0];
  near.sort((a, b) => b[1][1] - a[1][1]);
  let cursor = data.querySelector(".cursor");
  if (!cursor) {
    cursor = document.createElementNS(svg.namespaceURI, "path");
    cursor.setAttribute("class", "cursor");
    data.prepend(cursor);
  }
  cursor.setAttribute("d", `M${closest} 0V1`);
  const lines = near.map(([path, point]) => ({
    name: path.dataset.name, color: path.getAttribute("stroke"), text: point[1].toFixed(3),
  }));
  showTip(`${svg.querySelector(".label").textContent} ${closest}`, lines, clientX, clientY);
}

document.addEventListener("pointermove", (event) => {
  const svg = event.target.closest?.(".plot");
  const dot = event.target.closest?.(".dot");
  if (dot) return showDot(dot);
  if (svg && event.target.classList.contains("area")) return readAt(svg, event.clientX, event.clientY);
  if (!tip.hidden) document.querySelectorAll(".plot").forEach(hideTip);
});
document.addEventListener("pointerdown", (event) => {
  if (event.target.classList?.contains("area")) readAt(event.target.closest(".plot"), event.clientX, event.clientY);
});
document.addEventListener("focusin", (event) => {
  const dot = event.target.closest?.(".dot");
  if (dot) showDot(dot); else hideTip(null);
});

function showDot(dot) {
  const box = dot.querySelector(".point").getBoundingClientRect();
  const words = dot.getAttribute("aria-label").slice(dot.dataset.name.length + 2);
  showTip(dot.dataset.name, [{ name: words, color: dot.getAttribute("stroke"), text: "" }], box.right, box.bottom);
}

// A tracker pointed at in a legend stands out in the plots beside it.
for (const [kind, on] of [["mouseover", true], ["mouseout", false]]) {
  document.addEventListener(kind, (event) => {
    const item = event.target.closest?.(".legend li, dialog tr[data-name]");
    const svg = item?.closest(".plot-card, dialog").querySelector(".plot");
    if (!svg) return;
    svg.classList.toggle("picked", on);
    for (const line of svg.querySelectorAll(".line")) {
      line.classList.toggle("picked", on && line.dataset.name === item.dataset.name);
    }
  });
}

// Sequences.
const panel = document.getElementById("panel");
const templates = [...document.querySelectorAll("template[id^='sequence-']")];
let shown = 0;

function openSequence(number) {
  shown = (number + templates.length) % templates.length;
  const template = templates[shown];
  document.getElementById("panel-title").textContent = template.dataset.name;
  document.getElementById("panel-body").replaceChildren(template.content.cloneNode(true));
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-panel]");
  if (opener) openSequence(Number(opener.dataset.panel));
  else if (event.target === panel) panel.close();
});
document.getElementById("close").addEventListener("click", () => panel.close());
document.getElementById("previous").addEventListener("click", () => openSequence(shown - 1));
document.getElementById("next").addEventListener("click", () => openSequence(shown + 1));
panel.addEventListener("keydown", (event) => {
  if (event.target.closest(".scroll, .strip")) return;
  if (event.key === "ArrowLeft") openSequence(shown - 1);
  if (event.key === "ArrowRight") openSequence(shown + 1);
});
panel.addEventListener("close", () => hideTip(null));
