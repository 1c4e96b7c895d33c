// Very many facilities on the map: drawn on canvas from vector tiles, those close together as one with sums.
//
//   const layer = facilityTiles(map, { onPick: ({ id, code, name }) => … });
//   layer.addTo(map); layer.remove();
//
// A click on a single facility picks it; on several it goes nearer. Whoever cannot use a canvas has the list.
import { leaflet } from "./leaflet.js";
import { tilePoints } from "./tile_points.js";
import { load } from "./words.js";

const L = await leaflet();
const SIDE = 256;
const REFRESH_MS = 15_000;
const COLOURS = { plenty: "--plenty", few: "--few", full: "--full", unknown: "--unknown" };
const FALLBACK = { plenty: "#0b6b4f", few: "#8a5a00", full: "#9b1c1c", unknown: "#55656a" };

export function facilityTiles(map, { onPick }) {
  const layer = new FacilityTiles({ tileSize: SIDE, keepBuffer: 1, updateWhenIdle: true });
  layer.onPick = onPick;
  return layer;
}

const FacilityTiles = L.GridLayer.extend({
  onAdd(map) {
    L.GridLayer.prototype.onAdd.call(this, map);
    this.colours = coloursOf(map.getContainer());
    const box = this.getContainer();
    box.style.pointerEvents = "auto";
    L.DomEvent.on(box, "click", this.clicked, this);
    L.DomEvent.on(box, "mousemove", this.hovered, this);
    this.timer = setInterval(() => this.refresh(), REFRESH_MS);
  },

  onRemove(map) {
    clearInterval(this.timer);
    L.DomEvent.off(this.getContainer(), "click", this.clicked, this);
    L.DomEvent.off(this.getContainer(), "mousemove", this.hovered, this);
    map.getContainer().style.cursor = "";
    L.GridLayer.prototype.onRemove.call(this, map);
  },

  createTile(coords, done) {
    const canvas = L.DomUtil.create("canvas", "leaflet-tile");
    const scale = window.devicePixelRatio || 1;
    canvas.width = canvas.height = Math.round(SIDE * scale);
    canvas.style.pointerEvents = "auto";
    this.fill(canvas, coords).then(() => done(null, canvas), (error) => done(error, canvas));
    return canvas;
  },

  async fill(canvas, { z, x, y }) {
    const answer = await fetch(`/v1/tiles/facilities/${z}/${x}/${y}.mvt`);
    if (!answer.ok) throw new Error(`tile ${z}/${x}/${y}: ${answer.status}`);
    canvas.points = tilePoints(await answer.arrayBuffer());
    draw(canvas, this.colours);
  },

  // The numbers anew, in place: what cannot be fetched stays as it is until it can.
  refresh() {
    if (document.hidden) return;
    for (const { el, coords, current } of Object.values(this._tiles)) {
      if (current) this.fill(el, coords).catch(() => {});
    }
  },

  clicked(event) {
    const hit = this.hit(event);
    if (!hit || this._map.dragging.moved()) return;
    L.DomEvent.stop(event);
    const { id, code, name, count } = hit.properties;
    if (count === 1) this.onPick({ id, code, name });
    else this._map.setView(this._map.mouseEventToLatLng(event), Math.min(this._map.getZoom() + 2, this._map.getMaxZoom()));
  },

  hovered(event) {
    this._map.getContainer().style.cursor = this.hit(event) ? "pointer" : "";
  },

  // What is drawn under the pointer, the topmost first.
  hit(event) {
    const canvas = event.target;
    if (!canvas.points) return undefined;
    const box = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    return canvas.points.findLast(({ x, y, properties }) => Math.hypot(x * box.width - px, y * box.height - py) <= radius(properties) + 4);
  },
});

function radius({ count, capacity }) {
  if (count > 1) return Math.min(16 + Math.log2(count) * 2, 28);
  return capacity > 200 ? 19 : capacity > 60 ? 16 : 13.5;
}

function draw(canvas, colours) {
  const scale = canvas.width / SIDE;
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, SIDE, SIDE);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const { x, y, properties } of canvas.points) symbol(pen, x * SIDE, y * SIDE, properties, colours);
}

function symbol(pen, x, y, properties, colours) {
  const free = properties.free ?? null;
  const size = radius(properties);
  pen.beginPath();
  pen.arc(x, y, size, 0, 2 * Math.PI);
  pen.fillStyle = colours[load({ free, capacity: properties.known })];
  pen.globalAlpha = properties.count > 1 ? 0.85 : 1;
  pen.fill();
  pen.globalAlpha = 1;
  pen.lineWidth = properties.count > 1 ? 4 : 2;
  pen.strokeStyle = "#fff";
  pen.stroke();
  pen.fillStyle = "#fff";
  pen.font = `600 ${free > 9999 ? 11 : 13}px system-ui, sans-serif`;
  pen.fillText(free === null ? "?" : String(free), x, y + 0.5);
}

function coloursOf(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(Object.entries(COLOURS).map(([load, name]) => [load, style.getPropertyValue(name).trim() || FALLBACK[load]]));
}
