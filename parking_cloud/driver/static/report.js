// Reporting a violation: photos made small on the phone, a place, and one sending with a key of its own.
import { leaflet } from "./leaflet.js";
import { at, element, once, say } from "./page.js";
import { PayApi } from "./pay_api.js";
import { NoPhoto, shrunk } from "./photo.js";
import { normalise, written } from "./plate_field.js";

const { texts: textsText, language, facility, tiles } = document.body.dataset;
const texts = JSON.parse(textsText);
const api = new PayApi(language);
const MOST = 3;
const CITY = [30.8703, 120.0933];
const PATIENCE = { enableHighAccuracy: true, timeout: 10_000, maximumAge: 30_000 };
const HUZHOU = "+08:00";
const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;

const photos = [];
let key = newKey();
let sent = false;
let here = null;
let map = null;

const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);

// Sent again as it was, it is the same report; with something changed, another: the first may have arrived.
function changed() {
  if (sent) key = newKey();
  sent = false;
}

function drawPhotos() {
  changed();
  at("photos").replaceChildren(...photos.map((photo, n) => {
    const item = element("li");
    const shown = element("img", "", { alt: fill(texts.photo_alt, { n: n + 1 }) });
    const reader = new FileReader();
    reader.addEventListener("load", () => { shown.src = reader.result; });
    reader.readAsDataURL(photo);
    const remove = element("button", "×", { type: "button", "aria-label": fill(texts.remove_photo, { n: n + 1 }) });
    remove.addEventListener("click", () => {
      photos.splice(n, 1);
      drawPhotos();
      at("photo").focus();
    });
    item.append(shown, remove);
    return item;
  }));
  at("add-photo").hidden = photos.length >= MOST;
}

async function addPhoto() {
  const [file] = at("photo").files;
  at("photo").value = "";
  if (!file || photos.length >= MOST) return;
  try {
    photos.push(await shrunk(file));
  } catch (error) {
    if (!(error instanceof NoPhoto)) throw error;
    return say(texts.photo_unusable);
  }
  drawPhotos();
}

function choose(lat, lon) {
  here = { lat: lat.toFixed(6), lon: lon.toFixed(6) };
  changed();
  at("where").textContent = fill(texts.at_position, { place: `${here.lat}, ${here.lon}` });
  map?.mark([lat, lon]);
}

function usePosition() {
  return new Promise((resolve) => {
    const none = () => { say(texts.no_position); resolve(openMap()); };
    if (!navigator.geolocation) return none();
    return navigator.geolocation.getCurrentPosition(({ coords }) => resolve(choose(coords.latitude, coords.longitude)), none, PATIENCE);
  });
}

async function openMap() {
  at("map").hidden = false;
  if (map) return;
  const L = await leaflet();
  const drawn = L.map("map", { attributionControl: false, minZoom: 8, maxZoom: 18 }).setView(here ? [here.lat, here.lon] : CITY, 15);
  if (tiles) L.tileLayer(tiles).addTo(drawn);
  else {
    const answer = await fetch("/v1/geo/roads").catch(() => null);
    if (answer?.ok) L.geoJSON(await answer.json(), { interactive: false, style: { color: "#b9c6c4", weight: 5 } }).addTo(drawn);
  }
  const pin = L.circleMarker(drawn.getCenter(), { radius: 10, color: "#fff", weight: 3, fillColor: "#b3261e", fillOpacity: 1, interactive: false });
  map = { mark: (point) => { pin.setLatLng(point).addTo(drawn); drawn.panTo(point); } };
  drawn.on("click", ({ latlng }) => choose(latlng.lat, latlng.wrap().lng));
  // With keys: the middle of the map is the place.
  drawn.getContainer().addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); choose(drawn.getCenter().lat, drawn.getCenter().lng); }
  });
  if (here) map.mark([here.lat, here.lon]);
}

async function send() {
  if (!photos.length) return say(texts.needs_photo);
  if (!here && !facility) return say(texts.needs_where);
  at("send").textContent = texts.sending;
  sent = true;
  try {
    const receipt = await api.send("/v1/me/reports", {
      key, facility, photos,
      kind: new FormData(at("report")).get("kind"),
      at: `${at("at").value}:00${HUZHOU}`,
      lat: here?.lat ?? "", lon: here?.lon ?? "",
      plate: normalise(at("plate").value), text: at("text").value,
    });
    at("number").textContent = receipt.number;
    at("report").hidden = true;
    at("done").hidden = false;
    at("done-title").focus();
  } finally {
    at("send").textContent = texts.send;
  }
}

const now = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "short" }).format(new Date());
at("at").value = now.replace(" ", "T");
at("at").max = at("at").value;
at("photo").addEventListener("change", () => once(at("photo"), texts, addPhoto));
at("use-position").addEventListener("click", () => once(at("use-position"), texts, usePosition));
at("pick").addEventListener("click", () => once(at("pick"), texts, openMap));
at("plate").addEventListener("blur", () => { at("plate").value = written(normalise(at("plate").value)); });
at("report").addEventListener("input", changed);
at("report").addEventListener("submit", (event) => {
  event.preventDefault();
  once(at("send"), texts, send);
});
