// Live numbers of the facilities that are looked at, by server-sent events. The browser itself comes back by the
// last event's id; where too much was missed the server says `reset`.
const AGAIN_MS = 5000;

export class Live {
  constructor({ onFacility, onReset, onState }) {
    Object.assign(this, { onFacility, onReset, onState });
    this.asked = "";
  }

  // Hear of these from now on. What was just loaded is newer than anything missed in between.
  about(ids) {
    const asked = ids.map((id) => `facility=${id}`).sort().join("&");
    if (asked === this.asked && this.source?.readyState !== EventSource.CLOSED) return;
    this.asked = asked;
    this.open();
  }

  open(missed = false) {
    clearTimeout(this.timer);
    this.source?.close();
    if (!this.asked) return;
    const source = this.source = new EventSource(`/v1/occupancy/stream?${this.asked}`);
    source.addEventListener("open", () => {
      this.onState("live");
      if (missed) this.onReset();
      missed = false;
    });
    source.addEventListener("error", () => {
      this.onState("offline");
      // A refused stream is not tried again by the browser itself, and a new one has no id to come back by.
      if (source.readyState === EventSource.CLOSED) this.timer = setTimeout(() => this.open(true), AGAIN_MS);
    });
    source.addEventListener("facility", (event) => this.onFacility(JSON.parse(event.data)));
    source.addEventListener("reset", () => this.onReset());
  }
}
