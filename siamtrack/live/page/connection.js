// The WebSocket to the server; it is opened again when it breaks. What is said over it: server/protocol.py.

const FIRST_WAIT = 400;
const LONGEST_WAIT = 4000;
const HEADER = 12;

export class Connection {
  // handlers: {line(state), message(json), picture(boxes, blob)}
  constructor(handlers) {
    this.handlers = handlers;
    this.wait = FIRST_WAIT;
    this.socket = null;
    this.open();
  }

  open() {
    const url = new URL("session", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.search = "";
    this.handlers.line("connecting");
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.handlers.line("offline");
      setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(this.wait * 1.6, LONGEST_WAIT);
    };
    this.socket = socket;
  }

  receive(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "hello") this.wait = FIRST_WAIT;
      this.handlers.message(message);
      return;
    }
    const length = new DataView(data).getUint32(0, true);
    const text = new TextDecoder().decode(new Uint8Array(data, 4, length));
    this.handlers.picture(JSON.parse(text), new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
  }

  get ready() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(command) {
    if (this.ready) this.socket.send(JSON.stringify(command));
  }

  sendFrame(number, seconds, jpeg) {
    if (!this.ready) return;
    const message = new Uint8Array(HEADER + jpeg.byteLength);
    const view = new DataView(message.buffer);
    view.setUint32(0, number, true);
    view.setFloat64(4, seconds, true);
    message.set(new Uint8Array(jpeg), HEADER);
    this.socket.send(message);
  }
}
