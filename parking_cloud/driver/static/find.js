// The finding page: what is asked for, the ranked answer as a list, and, once that stands, the map. Numbers are
// live by server-sent events; without a network the last answer is shown, and said to be old.
import { Ask, WALKS } from "./find_ask.js";
import { card, fillCard } from "./find_cards.js";
import { keepWhere, lastWhere } from "./find_kept.js";
import { Sheet } from "./find_sheet.js";
import { WhereField } from "./find_where.js";
import { Live } from "./live.js";
import { at, element } from "./page.js";
import { distanceText, fill, language, nameOf, stayText, texts, timeText } from "./words.js";

const PLACES = "/v1/guidance/places";
const CENTRE = { ...JSON.parse(document.body.dataset.centre), kind: "centre" };
const AGED_MS = 60_000;
const AGAIN_MS = [2000, 4000, 8000, 15_000, 30_000];
const STALE_MS = 2 * 3600_000;
const FAR_M = 5000;
const INACCURATE_M = 300;
const WIDE = matchMedia("(min-width: 860px)");

const list = at("list");
const main = at("content");
const state = { where: lastWhere() ?? CENTRE, me: null, answer: null, places: new Map(), oldAt: null, askedAt: 0, asking: null, tries: 0, map: null };
const ask = new Ask(at("ask"), refresh);
const sheet = new Sheet(at("sheet"), () => mark(null));
const live = new Live({ onFacility: hear, onReset: refresh, onState: tellConnection });
const where = new WhereField(at("where"), at("suggestions"), (place) => goTo(place));

function view() {
  return {
    oldAt: state.oldAt, onChoose: choose, arriveAt: state.answer.arrive_at, stay: state.answer.stay_minutes, vehicle: ask.filters.vehicle,
  };
}

async function refresh() {
  state.asking?.abort();
  clearTimeout(state.again);
  const asking = state.asking = new AbortController();
  const query = ask.query(state.where, state.me);
  at("summary").textContent = texts.loading;
  at("again").hidden = true;
  let answer;
  try {
    answer = await fetch(`${PLACES}?${query}`, { credentials: "omit", cache: "no-store", signal: asking.signal, headers: { "Accept-Language": language } });
  } catch {
    if (!asking.signal.aborted) withoutNetwork();
    return;
  }
  const body = await answer.json().catch(() => null);
  if (asking.signal.aborted) return;
  if (answer.ok && body) take(body, answer.headers.get("X-Kept-At"), answer.headers.get("X-Kept-For"), query);
  else refuse(answer.status, body);
}

function take(answer, keptAt, keptFor, query) {
  state.answer = answer;
  state.oldAt = keptAt;
  state.askedAt = Date.now();
  state.places = new Map(answer.items.map((place) => [place.facility.id, place]));
  hush();
  tellOld(keptAt && (samePlace(keptFor, query) ? texts.kept : texts.kept_elsewhere), keptAt);
  if (!keptAt && !answer.current) tellOld(texts.not_current, answer.as_of);
  draw();
  if (WIDE.matches || main.dataset.view === "map") showMap();
  if (keptAt) return waitForNetwork();
  state.tries = 0;
  live.about([...state.places.keys()]);
}

function samePlace(keptFor, query) {
  const kept = new URLSearchParams(keptFor ?? "");
  return ["lat", "lon"].every((name) => kept.get(name) === query.get(name));
}

// Not every phone says when it has a network again, and some say so too early.
function waitForNetwork() {
  tellConnection("offline");
  clearTimeout(state.again);
  state.again = setTimeout(refresh, AGAIN_MS[Math.min(state.tries, AGAIN_MS.length - 1)]);
  state.tries += 1;
}

// Numbers that were live a moment ago are not any more.
function withoutNetwork() {
  waitForNetwork();
  if (!state.answer) {
    at("summary").textContent = "";
    say(texts.no_network, [[texts.retry, refresh]]);
    return;
  }
  state.oldAt ??= state.answer.as_of;
  tellOld(texts.kept, state.oldAt);
  draw();
}

function refuse(status, body) {
  at("summary").textContent = "";
  list.replaceChildren();
  state.answer = null;
  const refused = status >= 400 && status < 500 && body?.title;
  say(refused ? fill(texts.refused, { why: body.title }) : texts.error, [[texts.retry, refresh]]);
}

function tellOld(words, moment) {
  const box = at("kept");
  box.hidden = !words;
  if (!words) return;
  const again = element("button", texts.retry, { type: "button" });
  again.addEventListener("click", refresh);
  box.replaceChildren(`${fill(words, { at: timeText(moment) })} `, again);
}

function draw() {
  const { items, arrive_at: arriveAt, stay_minutes: stay } = state.answer;
  const focused = document.activeElement?.closest(".card")?.dataset.facility;
  list.replaceChildren(...items.map((place) => card(place, view())));
  list.querySelector(`[data-facility="${focused}"] button`)?.focus({ preventScroll: true });
  at("summary").textContent = `${fill(texts.found, { n: items.length, at: timeText(arriveAt), stay: stayText(stay) })} · ${fill(texts.found_near, { place: whereName() })}`;
  at("synthetic").hidden = !items.some((place) => place.facility.synthetic);
  state.map?.show(items, state.where, { old: Boolean(state.oldAt) });
  if (!items.length) sayEmpty();
}

function sayEmpty() {
  const nearest = state.answer.nearest_m;
  const { needs, maxWalk } = ask.filters;
  const deeds = [];
  const wider = WALKS.find((n) => n > maxWalk && (nearest === null || n >= nearest));
  if (nearest !== null && wider) deeds.push([fill(texts.widen, distanceText(wider)), () => ask.change({ maxWalk: wider })]);
  if (needs.length) deeds.push([texts.no_needs, () => ask.change({ needs: [], height: "", maxPrice: "" })]);
  const far = nearest === null || nearest > FAR_M;
  if (far) deeds.push([texts.to_centre, () => goTo({ ...CENTRE, name: texts.centre })]);
  const words = fill(texts.empty, { walk: distanceText(maxWalk) });
  say(far && !needs.length ? texts.far : `${words}${nearest === null ? "" : fill(texts.empty_nearest, distanceText(nearest))}`, deeds);
}

function whereName() {
  if (state.where.kind === "centre") return texts.centre;
  if (state.where.kind === "position") return texts.my_position;
  return state.where.kind === "point" ? texts.picked : nameOf(state.where);
}

function goTo(place) {
  state.where = { kind: place.kind, name: place.name, name_en: place.name_en, more: place.more, lat: place.lat, lon: place.lon };
  keepWhere(state.where);
  where.show(state.where.kind === "centre" ? "" : whereName());
  sheet.close();
  state.moved = true;
  return refresh();
}

function choose(id) {
  const place = state.places.get(id);
  if (!place) return;
  mark(place);
  sheet.open(place, view());
}

// Any facility on the map: what was not found by this search is searched around.
async function pick({ id }) {
  if (state.places.has(id)) return choose(id);
  const answer = await fetch(`/v1/facilities/${id}`, { credentials: "omit" }).catch(() => null);
  if (!answer?.ok) return;
  const { name, name_en, address, position } = await answer.json();
  await goTo({ kind: "facility", name, name_en, more: address, ...position });
  choose(id);
}

function mark(place) {
  const before = list.querySelector("[aria-current]");
  before?.removeAttribute("aria-current");
  state.map?.choose(place);
  const item = place && list.querySelector(`[data-facility="${place.facility.id}"]`);
  item?.setAttribute("aria-current", "true");
  if (!place && main.dataset.view === "list") before?.querySelector("button").focus();
}

function hear(said) {
  const place = state.places.get(said.id);
  if (!place || state.oldAt) return;
  const before = place.free;
  Object.assign(place, { free: said.free, unknown: said.unknown, observed_at: said.observed_at, quality: said.quality, stale: isOld(said.observed_at) });
  const item = list.querySelector(`[data-facility="${said.id}"]`);
  if (item) fillCard(item, place, view());
  sheet.update(place);
  state.map?.update(place);
  if (before === said.free) return;
  if (item) flash(item.querySelector(".number"));
  // What is ranked moves only when asked to: nothing slips away from under a finger.
  at("again").hidden = Date.now() - state.askedAt < AGED_MS && (before === 0) === (said.free === 0);
}

function flash(box) {
  box.classList.remove("changed");
  void box.offsetWidth;
  box.classList.add("changed");
}

function isOld(observedAt) {
  return !observedAt || Date.now() - Date.parse(observedAt) > STALE_MS;
}

function tellConnection(how) {
  const words = { live: texts.live, offline: texts.offline }[how];
  at("connection").dataset.state = how;
  at("connection").textContent = words;
  if (how === "live" && state.oldAt) refresh();
}

function say(words, deeds = []) {
  const row = element("div");
  for (const [label, deed] of deeds) {
    const button = element("button", label, { type: "button" });
    button.addEventListener("click", deed);
    row.append(button);
  }
  at("message").replaceChildren(element("p", words), row);
  at("message").hidden = false;
}

function hush() {
  at("message").hidden = true;
  at("message").replaceChildren();
}

function locate() {
  if (!navigator.geolocation) return say(texts.denied);
  navigator.geolocation.getCurrentPosition(({ coords }) => {
    state.me = { lat: coords.latitude, lon: coords.longitude };
    goTo({ ...state.me, kind: "position", name: texts.my_position });
    if (coords.accuracy > INACCURATE_M) say(fill(texts.inaccurate, distanceText(coords.accuracy)));
  }, () => say(texts.denied), { enableHighAccuracy: true, timeout: 10_000, maximumAge: 30_000 });
}

// The list stands before the map's library is fetched, which weighs more than all else.
async function showMap() {
  if (!state.map) {
    try {
      const { openMap } = await import("./map.js");
      state.map ??= await openMap("map", {
        tiles: document.body.dataset.tiles, centre: state.where, onChoose: choose,
        onPick: (point) => goTo({ ...point, kind: "point", name: texts.picked }), onPickFacility: pick,
      });
    } catch {
      at("map-note").textContent = texts.map_away;
      return;
    }
    state.moved = true;
  }
  state.map.settle();
  const places = [...state.places.values()];
  state.map.show(places, state.where, { old: Boolean(state.oldAt) });
  if (state.moved) state.map.fit(places, state.where);
  state.moved = false;
}

function turn(to) {
  main.dataset.view = to;
  if (to === "map") showMap();
  (to === "map" ? at("to-list") : at("switch")).focus();
}

at("locate").addEventListener("click", locate);
at("again").addEventListener("click", refresh);
at("switch").addEventListener("click", () => turn("map"));
at("to-list").addEventListener("click", () => turn("list"));
WIDE.addEventListener("change", () => { if (WIDE.matches && state.answer) showMap(); });
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() - state.askedAt > AGED_MS && !at("sheet").open) refresh();
});
addEventListener("online", refresh);
addEventListener("offline", withoutNetwork);

// Other pages lead here with a place; it does not stay in the address.
const given = new URLSearchParams(location.search);
if (given.has("lat") && given.has("lon")) {
  state.where = { kind: "facility", name: given.get("name") ?? "", lat: Number(given.get("lat")), lon: Number(given.get("lon")) };
  history.replaceState(null, "", "/");
}
if (state.where.kind !== "centre") where.show(whereName());
refresh();
