// The browser's own camera: frames as JPEG pictures, never more than the server has room for.

const WIDTH = 640;
const HEIGHT = 480;
const QUALITY = 0.8;
const IN_FLIGHT = 2;
const POOL = IN_FLIGHT + 2; // one is shown, one is being made
const LONGEST_STEP = 0.1; // seconds that a pause takes in the times of frames

const REASONS = {
  NotAllowedError: "The browser may not use the camera: allow it beside the address, then try again.",
  NotFoundError: "The browser finds no camera: connect one, or open a video.",
  NotReadableError: "The camera is in use: close the other program, then try again.",
  OverconstrainedError: "The camera gives no such picture: try another one.",
};

export class Webcam {
  // send(number, seconds, jpeg); mayGrab() says whether the picture runs; ended() is called when it is unplugged.
  constructor({ send, mayGrab, ended, side }) {
    Object.assign(this, { send, mayGrab, ended, side });
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.pool = Array.from({ length: POOL }, () => document.createElement("canvas"));
    this.waiting = new Map();
    this.busy = false;
    this.stream = null;
    this.round = 0;
  }

  async open() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give their camera only to pages on localhost or over https: ssh -L 8765:localhost:8765 to the server, and open localhost.");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { width: { ideal: WIDTH }, height: { ideal: HEIGHT } },
      });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The camera cannot be opened: ${error.message}`);
    }
    for (const track of this.stream.getVideoTracks()) track.onended = () => this.ended();
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  // The server is ready for frames, counted anew.
  start() {
    this.round += 1;
    this.number = 0;
    this.seconds = 0;
    this.last = null;
    this.forget();
    this.next(this.round);
  }

  forget() {
    this.waiting.clear();
    this.busy = false;
  }

  stop() {
    this.round += 1;
    this.forget();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  // A frame was answered: what it shows, or null when it is not known.
  take(number) {
    const sent = this.waiting.get(number) ?? null;
    this.waiting.delete(number);
    return sent;
  }

  next(round) {
    if (round !== this.round) return;
    const again = () => {
      if (round !== this.round) return;
      this.grab(round).finally(() => this.next(round));
    };
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(again);
    else setTimeout(again, 33);
  }

  async grab(round) {
    const now = performance.now();
    if (!this.mayGrab()) {
      this.held = true;
      return;
    }
    if (this.busy || this.waiting.size >= IN_FLIGHT || !this.video.videoWidth) return;
    const step = this.last === null ? 0 : (now - this.last) / 1000;
    this.seconds += this.held ? Math.min(step, LONGEST_STEP) : step;
    this.held = false;
    this.last = now;
    const number = this.number++;
    const canvas = this.pool[number % POOL];
    const scale = Math.min(1, this.side() / Math.max(this.video.videoWidth, this.video.videoHeight));
    canvas.width = Math.round(this.video.videoWidth * scale);
    canvas.height = Math.round(this.video.videoHeight * scale);
    canvas.getContext("2d", { alpha: false }).drawImage(this.video, 0, 0, canvas.width, canvas.height);
    this.waiting.set(number, { picture: canvas, at: now });
    this.busy = true;
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    const jpeg = await blob.arrayBuffer();
    if (round !== this.round) return;
    this.busy = false;
    this.send(number, this.seconds, jpeg);
  }
}
