// What the page does: it holds the source, the picture, the targets and the buttons together.

import { Connection } from "./connection.js";
import { TargetList } from "./list.js";
import { Pen } from "./pen.js";
import { Stage } from "./stage.js";
import { upload } from "./upload.js";
import { Webcam } from "./webcam.js";

const SPAN = 2000; // milliseconds that frames per second are counted over
const REMEMBERED = "siamtrack-source";
const LINES = { connecting: ["connecting", ""], on: ["connected", "on"], offline: ["no connection, trying again", "off"] };

const element = (id) => document.getElementById(id);

let hello = null;
let source = null; // {kind, paused, opened, over, file, address, frames}
let redrawing = null;
let shownAt = [];
let waitingPictures = [];
let unpacking = Promise.resolve();

const stage = new Stage(element("canvas"), element("stage"));
const list = new TargetList(element("targets"), element("none"), element("count"), { select, redraw, remove });
const pen = new Pen(stage, { may: () => stage.picture !== null, hold, box: follow, click, hint: say });
const webcam = new Webcam({
  send: (number, seconds, jpeg) => connection.sendFrame(number, seconds, jpeg),
  mayGrab: () => source?.kind === "webcam" && source.opened && !source.paused && !pen.drawing && connection.ready,
  ended: () => end("The camera is gone: connect it again, then choose it."),
  side: () => hello?.allowed.side ?? Infinity,
});
const connection = new Connection({ line: showLine, message: take, picture: takePicture });

// What the server says

function take(message) {
  switch (message.type) {
    case "hello": return greet(message);
    case "opened": return opened(message);
    case "boxes": return boxes(message);
    case "changed": return changed(message);
    case "ended": return end(message.why);
    case "notice": return say(message.text ?? "", message.text !== null);
    case "problem": return problem(message);
  }
}

function greet(message) {
  hello = message;
  showLine("on");
  element("model").textContent = `${message.model} · ${message.version}`;
  element("camera").hidden = !message.cameras;
  for (const id of ["webcam", "video"]) element(id).disabled = false;
  const before = source?.kind ?? sessionStorage.getItem(REMEMBERED);
  const had = stage.targets.length > 0;
  source = null;
  reset();
  if (before === "webcam") {
    openWebcam().then(() => had && say("The connection was lost and is back: draw the targets again."));
  } else if (before) {
    say("The connection was lost and is back: choose the source again.");
  }
}

function opened(message) {
  if (source?.kind !== message.kind) return;
  Object.assign(source, { opened: true, paused: message.paused, frames: message.frames, over: false });
  if (message.kind === "webcam") webcam.start();
  const ways = "Drag a box around what is to be followed";
  say(message.paused ? `${ways}, then press Play.` : `${ways}.`);
  showButtons();
}

function boxes(message) {
  const sent = webcam.take(message.frame);
  if (sent && !pen.drawing && source?.kind === "webcam" && source.opened) {
    display(sent.picture, message);
    element("delay").textContent = `${Math.round(performance.now() - sent.at)} ms`;
  }
}

// Pictures are unpacked in their order, and shown only while nobody draws on the one that is there.
function takePicture(message, blob) {
  const mine = source;
  unpacking = unpacking.then(async () => {
    const picture = await createImageBitmap(blob);
    if (mine !== source || !source?.opened) return picture.close();
    waitingPictures.push([picture, message]);
    if (!pen.drawing) showPictures();
  });
}

function showPictures() {
  for (const [picture, message] of waitingPictures.splice(0)) {
    display(picture, message);
    element("delay").textContent = `${Math.round(message.milliseconds)} ms`;
    connection.send({ type: "shown", frame: message.frame });
  }
}

function display(picture, message) {
  stage.show(picture, message.frame, message.targets);
  showTargets();
  const now = performance.now();
  shownAt = [...shownAt.filter((at) => now - at < SPAN), now];
  const seconds = (now - shownAt[0]) / 1000;
  element("fps").textContent = seconds > 0.5 ? `${((shownAt.length - 1) / seconds).toFixed(1)} fps` : "";
  element("place").textContent = source?.frames ? `${message.frame + 1} of ${source.frames}` : `frame ${message.frame}`;
  if (message.frame === 0 || element("pause").disabled) showButtons();
  document.dispatchEvent(new CustomEvent("siamtrack:boxes", { detail: message }));
}

function changed(message) {
  stage.change(message.targets);
  if (message.target !== null) {
    select(message.target);
    say(source?.paused ? "Press Play, or draw another." : "");
  }
  showTargets();
}

function problem(message) {
  if (message.frame !== null) webcam.take(message.frame);
  say(message.text, true);
  if (source && !source.opened) {
    source = null;
    webcam.stop();
    showButtons();
  }
}

function end(why) {
  if (!source) return;
  if (source.kind === "webcam") webcam.stop();
  source.over = true;
  source.paused = true;
  say(why ?? "The video is over: download the results, or play it again.", why !== null);
  showButtons();
}

// Sources

function choose(kind, more = {}) {
  webcam.stop();
  source = { kind, opened: false, paused: false, over: false, ...more };
  if (kind === "webcam") sessionStorage.setItem(REMEMBERED, kind);
  else sessionStorage.removeItem(REMEMBERED);
  reset();
  element("address-form").hidden = kind !== "camera";
}

function reset() {
  pen.cancel();
  for (const [picture] of waitingPictures.splice(0)) picture.close();
  stage.clear();
  shownAt = [];
  redrawing = null;
  for (const id of ["fps", "delay", "place"]) element(id).textContent = "";
  showTargets();
  showButtons();
}

async function openWebcam() {
  choose("webcam");
  const mine = source;
  say("Allow the browser to use the camera.");
  try {
    await webcam.open();
    if (mine === source) connection.send({ type: "webcam" });
  } catch (error) {
    if (mine !== source) return;
    source = null;
    sessionStorage.removeItem(REMEMBERED);
    say(error.message, true);
    showButtons();
  }
}

async function openFile(file) {
  if (!file || !hello) return;
  if (file.size > hello.allowed.upload) {
    say(`The video has ${(file.size / 1e6).toFixed(0)} MB, this server takes ${(hello.allowed.upload / 1e6).toFixed(0)} MB.`, true);
    return;
  }
  choose("upload");
  const mine = source;
  const progress = element("progress");
  progress.hidden = false;
  say(`Uploading ${file.name}`);
  try {
    await upload(hello.session, file, (share) => { progress.value = share; });
    if (mine === source) connection.send({ type: "upload" });
  } catch (error) {
    if (mine !== source) return;
    source = null;
    say(error.message, true);
    showButtons();
  } finally {
    progress.hidden = true;
  }
}

function openCamera(address) {
  choose("camera", { address });
  say(`Opening ${address}`);
  connection.send({ type: "camera", address });
}

// Targets

function follow(box) {
  const command = { frame: stage.frame, box };
  if (redrawing !== null) connection.send({ type: "restart", target: redrawing, ...command });
  else connection.send({ type: "add", ...command });
  redrawing = null;
}

function click(place) {
  const target = stage.targetAt(place);
  if (target) select(target.id);
  else say("That was a click: drag a box around the object.");
}

function select(id) {
  stage.selected = id;
  stage.draw();
  showTargets();
}

function redraw(id) {
  select(id);
  redrawing = id;
  say(`Draw a box around target ${id}.`);
  element("canvas").focus({ preventScroll: true });
  element("canvas").scrollIntoView({ block: "nearest" });
}

function remove(id) {
  if (redrawing === id) redrawing = null;
  connection.send({ type: "drop", target: id });
}

// The picture stands still while somebody draws on it.
function hold(on) {
  if (!on) showPictures();
}

// Buttons

function togglePause() {
  if (!source || element("pause").disabled) return;
  if (source.over) {
    if (source.kind === "webcam") openWebcam();
    else if (source.kind === "camera") openCamera(source.address);
    else {
      choose("upload");
      connection.send({ type: "upload" });
    }
    return;
  }
  source.paused = !source.paused;
  if (source.kind !== "webcam") connection.send({ type: "pause", paused: source.paused });
  shownAt = [];
  say("");
  showButtons();
}

async function saveSnapshot() {
  if (!stage.picture) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await stage.snapshot());
  link.download = `siamtrack-${String(stage.frame).padStart(6, "0")}.png`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function showButtons() {
  for (const id of ["webcam", "video", "camera"]) {
    const on = source?.kind === { webcam: "webcam", video: "upload", camera: "camera" }[id];
    element(id).classList.toggle("on", on);
    element(id).setAttribute("aria-pressed", String(on));
  }
  const pause = element("pause");
  pause.disabled = !source?.opened;
  pause.textContent = source?.over ? "Play again" : source?.paused ? "Play" : "Pause";
  const seen = stage.picture !== null;
  element("snapshot").disabled = !seen;
  element("welcome").hidden = seen;
  saving("save-video", seen && hello, "video.mp4", "siamtrack-tracked.mp4");
  saving("save-csv", seen && hello, "boxes.csv", "siamtrack-boxes.csv");
}

function saving(id, on, file, name) {
  const link = element(id);
  if (on) {
    link.href = `sessions/${hello.session}/${file}`;
    link.download = name;
  } else {
    link.removeAttribute("href");
  }
  link.setAttribute("aria-disabled", String(!on));
}

function showTargets() {
  list.show(stage.targets, stage.selected);
}

function showLine(state) {
  const [text, name] = LINES[state];
  const line = element("line");
  line.className = `line ${name}`;
  line.querySelector("span").textContent = text;
  if (state === "offline") for (const id of ["webcam", "video"]) element(id).disabled = true;
}

function say(text, bad = false) {
  const hint = element("hint");
  hint.textContent = text;
  hint.classList.toggle("bad", bad);
}

element("webcam").onclick = openWebcam;
element("video").onclick = () => element("file").click();
element("file").onchange = (event) => {
  openFile(event.target.files[0]);
  event.target.value = ""; // the same one may be chosen again
};
element("camera").onclick = () => {
  element("address-form").hidden = false;
  element("address").focus();
};
element("address-form").onsubmit = (event) => {
  event.preventDefault();
  openCamera(element("address").value.trim());
};
element("pause").onclick = togglePause;
element("snapshot").onclick = saveSnapshot;

for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  element("stage").addEventListener(name, (event) => {
    event.preventDefault();
    element("stage").classList.toggle("over", over);
    if (name === "drop") openFile(event.dataTransfer.files[0]);
  });
}

const KEYS = {
  " ": togglePause,
  n: () => pen.begin(),
  s: saveSnapshot,
  r: () => stage.selected !== null && redraw(stage.selected),
  d: () => stage.selected !== null && remove(stage.selected),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, summary") || (event.key === " " && event.target.closest("button, a"))) return;
  const target = stage.targets.find(({ id }) => String(id) === event.key);
  if (target) select(target.id);
  else if (event.key.toLowerCase() in KEYS) {
    event.preventDefault();
    KEYS[event.key.toLowerCase()]();
  }
});

if (location.search) history.replaceState(null, "", location.pathname); // the token is in a cookie now
showButtons();
