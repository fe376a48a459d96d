// Boxes that are drawn on the picture, by mouse, finger or keyboard.

const SMALLEST = 6; // pixels on the screen: anything less is a click
const FIRST = 0.25; // of the picture: a box by keyboard
const STEP = 0.015;

export class Pen {
  // handlers: {may(), hold(on), box([x, y, w, h]), click(place), hint(text)}
  constructor(stage, handlers) {
    this.stage = stage;
    this.handlers = handlers;
    this.from = null;
    this.keyed = false;
    const { canvas } = stage;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.keyed && this.cancel());
  }

  get drawing() {
    return this.from !== null || this.keyed;
  }

  down(event) {
    if (event.button !== 0 || this.from || !this.handlers.may()) return;
    this.cancel();
    this.stage.canvas.setPointerCapture(event.pointerId);
    this.from = this.stage.place(event);
    this.handlers.hold(true);
  }

  move(event) {
    if (!this.from) return;
    this.stage.draft = between(this.from, this.stage.place(event));
    this.stage.draw();
  }

  up(event) {
    if (!this.from) return;
    const box = between(this.from, this.stage.place(event));
    const from = this.from;
    const small = Math.min(box[2], box[3]) * this.stage.scale < SMALLEST;
    this.leave();
    if (small) this.handlers.click(from);
    else this.handlers.box(box);
    this.handlers.hold(false);
  }

  // A box by keyboard.
  begin() {
    if (this.drawing || !this.handlers.may()) return;
    const { width, height } = this.stage;
    const side = FIRST * Math.min(width, height);
    this.stage.draft = [(width - side) / 2, (height - side) / 2, side, side];
    this.keyed = true;
    this.handlers.hold(true);
    this.stage.canvas.focus();
    this.stage.draw();
    this.handlers.hint("Arrows move the box, Shift and arrows size it, Enter follows, Esc cancels.");
  }

  key(event) {
    if (!this.keyed) return;
    const step = STEP * Math.max(this.stage.width, this.stage.height);
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in moves) {
      const [dx, dy] = moves[event.key];
      this.stage.draft = moved(this.stage.draft, dx, dy, event.shiftKey, this.stage);
      this.stage.draw();
    } else if (event.key === "Enter") {
      const box = this.stage.draft;
      this.leave();
      this.handlers.box(box);
      this.handlers.hold(false);
    } else if (event.key === "Escape") {
      this.cancel();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  cancel() {
    if (!this.drawing) return;
    this.leave();
    this.handlers.hint("");
    this.handlers.hold(false);
  }

  leave() {
    this.from = null;
    this.keyed = false;
    this.stage.draft = null;
    this.stage.draw();
  }
}

function between([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.abs(ax - bx), Math.abs(ay - by)];
}

function moved([x, y, w, h], dx, dy, sized, { width, height }) {
  const inside = (value, least, most) => Math.min(Math.max(value, least), most);
  if (sized) return [x, y, inside(w + dx, 4, width - x), inside(h + dy, 4, height - y)];
  return [inside(x + dx, 0, width - w), inside(y + dy, 0, height - h), w, h];
}
