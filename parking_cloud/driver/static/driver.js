// The driver page: the list and the map of what is free now, kept live by server-sent events.
import { CityMap } from "./map.js";
import { ageText, distanceText, fill, load } from "./words.js";

const texts = JSON.parse(document.body.dataset.texts);
const CENTRE = { lat: 30.8693, lon: 120.0965 };
const RADIUS_M = 60000;
const LIMIT = 200;
const STALE_MS = 2 * 3600 * 1000;
const KINDS = ["public_offstreet", "on_street", "ancillary", "institution", "state_enterprise", "park_and_ride"];

const list = document.getElementById("list");
const message = document.getElementById("message");
const detail = document.getElementById("detail");
const connection = document.getElementById("connection");
const search = document.getElementById("search");

const state = { here: CENTRE, facilities: new Map(), kind: "", onlyFree: false, chosen: null };

const map = new CityMap("map", {
  tiles: document.body.dataset.tiles,
  onPick: (here) => { state.here = here; refresh(); },
  onChoose: choose,
});

async function refresh() {
  const { lat, lon } = state.here;
  try {
    const answer = await fetch(`/v1/guidance/facilities?lat=${lat}&lon=${lon}&radius_m=${RADIUS_M}&limit=${LIMIT}`);
    if (!answer.ok) throw new Error(String(answer.status));
    const { items } = await answer.json();
    state.facilities = new Map(items.map((f) => [f.id, f]));
    message.hidden = true;
    draw();
  } catch {
    say(texts.error, texts.retry, refresh);
  }
}

function draw() {
  const shown = [...state.facilities.values()].filter(fits);
  list.replaceChildren(...shown.map(card));
  map.show(shown, state.here);
  if (shown.length === 0) say(texts.empty);
  else message.hidden = true;
}

function fits(facility) {
  const words = search.value.trim().toLowerCase();
  const named = `${facility.name} ${facility.name_en} ${facility.address}`.toLowerCase();
  return (!state.kind || facility.kind === state.kind)
    && (!state.onlyFree || facility.free > 0)
    && (!words || named.includes(words));
}

function card(facility) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "card";
  button.dataset.facility = facility.id;
  button.addEventListener("click", () => choose(facility.id));
  button.append(
    element("strong", facility.name),
    element("span", `${texts[facility.kind]} · ${distanceText(texts, facility.distance_m)}`, "meta"),
    element("span", "", "age"),
    element("span", "", "flag"),
    number(),
  );
  item.append(button);
  fillCard(button, facility);
  return item;
}

function number() {
  const box = element("span", "", "number");
  const free = element("b", "");
  free.dataset.free = "";
  box.append(free, element("span", "", "of"));
  return box;
}

function fillCard(button, facility) {
  const box = button.querySelector(".number");
  box.dataset.load = load(facility);
  box.querySelector("[data-free]").textContent = facility.free ?? texts.unknown_free;
  box.querySelector(".of").textContent = `${texts.free} · ${fill(texts.of, facility.capacity)}`;
  button.querySelector(".age").textContent = ageText(texts, facility.observed_at);
  button.querySelector(".flag").textContent = flagText(facility);
  button.setAttribute("aria-current", String(state.chosen === facility.id));
}

function flagText(facility) {
  if (facility.stale && facility.observed_at) return texts.stale;
  if (facility.quality === "out_of_range") return texts.out_of_range;
  if (facility.unknown > 0 && facility.free !== null) return fill(texts.some_unknown, facility.unknown);
  return "";
}

async function choose(id) {
  state.chosen = id;
  const facility = state.facilities.get(id);
  for (const button of list.querySelectorAll(".card")) {
    button.setAttribute("aria-current", String(button.dataset.facility === id));
  }
  map.choose(facility);
  list.querySelector(`[data-facility="${id}"]`)?.scrollIntoView({ block: "nearest" });
  drawDetail(facility, null);
  // The link needs the map's own coordinate system, GCJ-02: the platform converts, never the page.
  const { lat, lon } = facility.position;
  const asked = await fetch(`/v1/geo/convert?lat=${lat}&lon=${lon}&to=gcj02`);
  if (asked.ok && state.chosen === id) drawDetail(facility, await asked.json());
}

function drawDetail(facility, point) {
  const close = element("button", texts.close, "close");
  close.type = "button";
  close.addEventListener("click", closeDetail);
  const actions = element("div", "", "actions");
  if (point) {
    const link = element("a", texts.navigate, "button primary");
    const name = encodeURIComponent(facility.name);
    link.href = `https://uri.amap.com/navigation?to=${point.lon},${point.lat},${name}&mode=car&coordinate=gaode`;
    link.rel = "noopener noreferrer";
    link.target = "_blank";
    actions.append(link);
  }
  const box = number();
  const facts = [facility.address, `${texts[facility.kind]} · ${distanceText(texts, facility.distance_m)}`];
  if (facility.shared_spaces > 0) facts.push(fill(texts.shared, facility.shared_spaces));
  if (facility.free !== null && !facility.stale) facts.push(fill(texts.sure, Math.round(facility.certainty * 100)));
  const age = element("p", "", "age");
  const flag = element("p", "", "flag");
  detail.replaceChildren(close, element("h2", facility.name), ...facts.map((f) => element("p", f)), box, age, flag, actions);
  fillCard(detail, facility);
  detail.hidden = false;
}

function closeDetail() {
  const id = state.chosen;
  detail.hidden = true;
  state.chosen = null;
  map.choose(null);
  list.querySelector(`[data-facility="${id}"]`)?.focus();
}

function hear(event) {
  const said = JSON.parse(event.data);
  const facility = state.facilities.get(said.id);
  if (!facility) return;
  const before = facility.free;
  Object.assign(facility, {
    free: said.free, occupied: said.occupied, unknown: said.unknown, capacity: said.capacity,
    observed_at: said.observed_at, quality: said.quality, stale: isOld(said.observed_at),
  });
  const button = list.querySelector(`[data-facility="${said.id}"]`);
  if (button) {
    fillCard(button, facility);
    if (before !== said.free) flash(button.querySelector(".number"));
  }
  if (state.chosen === said.id && !detail.hidden) fillCard(detail, facility);
  map.update(facility);
}

function flash(box) {
  box.classList.remove("changed");
  void box.offsetWidth;
  box.classList.add("changed");
}

function isOld(observedAt) {
  return !observedAt || Date.now() - Date.parse(observedAt) > STALE_MS;
}

function listen() {
  const source = new EventSource("/v1/occupancy/stream");
  source.addEventListener("open", () => {
    if (connection.dataset.state === "offline") refresh();
    tell("live", texts.live);
  });
  source.addEventListener("error", () => {
    tell("offline", texts.offline);
    // A refused stream is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
  source.addEventListener("facility", hear);
  source.addEventListener("reset", refresh);
}

function tell(how, words) {
  connection.dataset.state = how;
  connection.textContent = words;
}

function say(words, action, deed) {
  message.replaceChildren(words);
  if (action) {
    const button = element("button", action);
    button.type = "button";
    button.addEventListener("click", deed);
    message.append(" ", button);
  }
  message.hidden = false;
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function chip(text, pressed, deed) {
  const button = element("button", text);
  button.type = "button";
  button.setAttribute("aria-pressed", String(pressed));
  button.addEventListener("click", deed);
  return button;
}

function drawChips() {
  const kinds = ["", ...KINDS].map((kind) =>
    chip(kind ? texts[kind] : texts.all, state.kind === kind, () => { state.kind = kind; drawChips(); draw(); }));
  const free = chip(texts.only_free, state.onlyFree, () => { state.onlyFree = !state.onlyFree; drawChips(); draw(); });
  document.getElementById("kinds").replaceChildren(free, ...kinds);
}

document.getElementById("locate").addEventListener("click", () => {
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => { state.here = { lat: coords.latitude, lon: coords.longitude }; map.goTo(state.here); refresh(); },
    () => say(texts.location_denied),
  );
});
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", draw);
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !detail.hidden) closeDetail(); });
setInterval(() => {
  for (const button of list.querySelectorAll(".card")) {
    const facility = state.facilities.get(button.dataset.facility);
    facility.stale = isOld(facility.observed_at);
    fillCard(button, facility);
  }
}, 30000);

drawChips();
await map.ready;
await refresh();
listen();
