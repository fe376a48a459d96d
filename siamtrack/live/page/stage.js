// The picture with what is known about the targets in it.

import { hue } from "./looks.js";

const TRAIL = 45; // places that a trail remembers
const AROUND = 250; // pixels of the window that stand above and below the picture
const LOWEST = 0.4; // of the window
const SMALLEST_SNAPSHOT = 640; // pixels wide

export class Stage {
  constructor(canvas, holder) {
    this.canvas = canvas;
    this.holder = holder;
    this.clear();
    new ResizeObserver(() => this.fit()).observe(holder);
    window.addEventListener("resize", () => this.fit());
  }

  clear() {
    this.picture = null;
    this.frame = null;
    this.targets = [];
    this.trails = new Map();
    this.selected = null;
    this.draft = null;
    this.width = this.height = 0;
    this.holder.classList.add("empty");
  }

  show(picture, frame, targets) {
    this.picture?.close?.();
    this.picture = picture;
    this.frame = frame;
    this.targets = targets;
    for (const target of targets) {
      if (target.status !== "lost") this.remember(target);
    }
    for (const id of this.trails.keys()) {
      if (!targets.some((target) => target.id === id)) this.trails.delete(id);
    }
    if (picture.width !== this.width || picture.height !== this.height) {
      this.width = picture.width;
      this.height = picture.height;
      this.holder.classList.remove("empty");
      this.fit();
    } else {
      this.draw();
    }
  }

  remember({ id, box: [x, y, w, h] }) {
    const trail = this.trails.get(id) ?? [];
    trail.push([x + w / 2, y + h / 2]);
    this.trails.set(id, trail.slice(-TRAIL));
  }

  change(targets) {
    this.targets = targets;
    this.draw();
  }

  fit() {
    if (!this.width) return;
    const scale = Math.min(this.holder.clientWidth / this.width, Math.max(innerHeight - AROUND, innerHeight * LOWEST) / this.height);
    this.scale = scale;
    const [width, height] = [this.width * scale, this.height * scale];
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.draw();
  }

  // Pixels of the frame from a pointer's place.
  place(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const inside = (value, most) => Math.min(Math.max(value, 0), most);
    return [
      inside(((event.clientX - bounds.left) / bounds.width) * this.width, this.width),
      inside(((event.clientY - bounds.top) / bounds.height) * this.height, this.height),
    ];
  }

  targetAt([px, py]) {
    const inside = ({ box: [x, y, w, h] }) => px >= x && px <= x + w && py >= y && py <= y + h;
    const smallest = (a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3];
    return this.targets.filter(inside).sort(smallest)[0] ?? null;
  }

  draw() {
    if (!this.picture) return;
    paint(this.canvas.getContext("2d"), this, this.scale, devicePixelRatio);
  }

  snapshot() {
    const scale = Math.max(1, SMALLEST_SNAPSHOT / this.width);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(this.width * scale);
    canvas.height = Math.round(this.height * scale);
    paint(canvas.getContext("2d"), { ...this, draft: null, selected: null }, scale, 1);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }
}

function paint(context, scene, scale, density) {
  context.setTransform(density, 0, 0, density, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(scene.picture, 0, 0, scene.width * scale, scene.height * scale);
  for (const target of scene.targets) paintTrail(context, scene.trails.get(target.id) ?? [], hue(target.id), scale);
  for (const target of scene.targets) paintTarget(context, scene, target, scale);
  if (scene.draft) paintDraft(context, scene.draft.map((value) => value * scale));
}

function paintTrail(context, trail, color, scale) {
  context.setLineDash([]);
  context.lineCap = "round";
  context.lineWidth = 3;
  context.strokeStyle = color;
  for (let index = 1; index < trail.length; index += 1) {
    context.globalAlpha = (0.75 * index) / trail.length;
    context.beginPath();
    context.moveTo(trail[index - 1][0] * scale, trail[index - 1][1] * scale);
    context.lineTo(trail[index][0] * scale, trail[index][1] * scale);
    context.stroke();
  }
  context.globalAlpha = 1;
}

function paintTarget(context, scene, { id, box, score, status }, scale) {
  const [x, y, w, h] = box.map((value) => value * scale);
  const path = new Path2D();
  if (status === "lost") corners(path, x, y, w, h);
  else path.roundRect(x, y, w, h, 3);
  context.lineCap = "butt";
  context.setLineDash(status === "uncertain" ? [9, 6] : []);
  context.globalAlpha = status === "lost" ? 0.75 : 1;
  const width = (status === "lost" ? 1.6 : 2.6) + (scene.selected === id ? 1.4 : 0);
  stroke(context, path, hue(id), width);
  context.globalAlpha = 1;
  context.setLineDash([]);
  const text = status === "lost" ? `${id} lost, searching` : `${id}  ${score.toFixed(2)}${status === "tracked" ? "" : ` ${status}`}`;
  label(context, text, hue(id), x, y, h, [scene.width * scale, scene.height * scale], status === "lost");
}

function corners(path, x, y, w, h) {
  const [a, b] = [w * 0.22, h * 0.22];
  for (const [cx, cy, dx, dy] of [[x, y, a, b], [x + w, y, -a, b], [x + w, y + h, -a, -b], [x, y + h, a, -b]]) {
    path.moveTo(cx + dx, cy);
    path.lineTo(cx, cy);
    path.lineTo(cx, cy + dy);
  }
}

function stroke(context, path, color, width) {
  context.strokeStyle = "#0009";
  context.lineWidth = width + 2;
  context.stroke(path);
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke(path);
}

function label(context, text, color, x, y, h, [width, height], faint) {
  context.font = "600 13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
  const [wide, tall] = [context.measureText(text).width + 12, 20];
  const above = y - tall - 3;
  const top = above >= 0 ? above : Math.min(y + h + 3, height - tall);
  const left = Math.min(Math.max(x - 1, 0), Math.max(width - wide, 0));
  context.fillStyle = faint ? "#15181de0" : color;
  context.beginPath();
  context.roundRect(left, top, wide, tall, 4);
  context.fill();
  context.fillStyle = faint ? color : "#0b0d10";
  context.textBaseline = "middle";
  context.fillText(text, left + 6, top + tall / 2 + 1);
}

function paintDraft(context, [x, y, w, h]) {
  const path = new Path2D();
  path.rect(x, y, w, h);
  context.fillStyle = "#ffffff26";
  context.fill(path);
  context.setLineDash([]);
  stroke(context, path, "#ffffff", 2);
}
