// Live numbers by server-sent events. The browser itself comes back by the last event's id; where too much was
// missed the server says `reset`.
const AGAIN_MS = 5000;

export function listen({ onFacility, onReset, onState, missed = false }) {
  const source = new EventSource("/v1/occupancy/stream");
  source.addEventListener("open", () => {
    onState("live");
    if (missed) onReset();
    missed = false;
  });
  source.addEventListener("error", () => {
    onState("offline");
    // A refused stream is not tried again by the browser itself, and a new one has no id to come back by.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => listen({ onFacility, onReset, onState, missed: true }), AGAIN_MS);
  });
  source.addEventListener("facility", (event) => onFacility(JSON.parse(event.data)));
  source.addEventListener("reset", onReset);
}
