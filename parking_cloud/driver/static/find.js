// The finding page: what is asked for, the ranked answer as a list, and, once that stands, the map. Numbers are
// live by server-sent events; without a network the last answer is shown, and said to be old.
import { Ask, WALKS } from "./find_ask.js";
import { card, fillCard } from "./find_cards.js";
import { holds, position, quietPosition } from "./find_here.js";
import { keepWhere, lastWhere, placeOf, samePoint } from "./find_kept.js";
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
const last = lastWhere();
const state = { where: !last || last.kind === "position" ? CENTRE : last, me: null, answer: null, of: null, places: new Map(), oldAt: null, askedAt: 0, asking: null, tries: 0, map: null };
const ask = new Ask(at("ask"), refresh);
const sheet = new Sheet(at("sheet"), () => mark(null));
const live = new Live({ onFacility: hear, onReset: refresh, onState: tellConnection });
const where = new WhereField(at("where"), at("suggestions"), (place) => goTo(place));

function view() {
  return {
    oldAt: state.oldAt, elsewhere: elsewhere(), onChoose: choose, arriveAt: state.answer.arrive_at, stay: state.answer.stay_minutes, vehicle: ask.filters.vehicle,
  };
}

async function refresh() {
  state.asking?.abort();
  clearTimeout(state.again);
  const asking = state.asking = new AbortController();
  const asked = state.where;
  const query = ask.query(asked, holds(state.me) ? state.me : null);
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
  if (!answer.ok || !body) return refuse(answer.status, body);
  const keptFor = answer.headers.get("X-Kept-For");
  take(body, keptFor === null ? asked : placeOf(keptFor, [asked, CENTRE]), answer.headers.get("X-Kept-At"));
}

function take(answer, of, keptAt) {
  state.answer = answer;
  state.of = of;
  state.oldAt = keptAt;
  state.askedAt = Date.now();
  state.places = new Map(answer.items.map((place) => [place.facility.id, place]));
  hush();
  tellOld(keptAt && keptWords(), keptAt);
  if (!keptAt && !answer.current) tellOld(texts.not_current, answer.as_of);
  draw();
  if (WIDE.matches || main.dataset.view === "map") showMap();
  if (keptAt) return waitForNetwork();
  state.tries = 0;
  live.about([...state.places.keys()]);
}

// Without a network another place's answer may be all there is: it is shown as that place's.
function elsewhere() {
  return Boolean(state.of) && !samePoint(state.of, state.where);
}

function keptWords() {
  return elsewhere() ? fill(texts.kept_elsewhere, { here: nameOfPlace(state.where), place: nameOfPlace(state.of) }) : texts.kept;
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
  tellOld(keptWords(), state.oldAt);
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
  at("summary").textContent = `${fill(texts.found, { n: items.length, at: timeText(arriveAt), stay: stayText(stay) })} · ${fill(texts.found_near, { place: nameOfPlace(state.of) })}`;
  at("synthetic").hidden = !items.some((place) => place.facility.synthetic);
  state.map?.show(items, state.of, { old: Boolean(state.oldAt) });
  if (!items.length && !elsewhere()) sayEmpty();
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

function nameOfPlace(place) {
  if (place.kind === "position") return holds(place) ? texts.my_position : fill(texts.position_then, { at: timeText(place.at) });
  return { centre: texts.centre, point: texts.picked, then: texts.place_then }[place.kind] ?? nameOf(place);
}

function goTo(place) {
  state.where = { kind: place.kind, name: place.name, name_en: place.name_en, more: place.more, lat: place.lat, lon: place.lon, at: place.at };
  keepWhere(state.where);
  where.show(state.where.kind === "centre" ? "" : nameOfPlace(state.where));
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
  // The chance and the reasons were worked out from the number before.
  place.overtaken ||= before !== said.free;
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

async function locate() {
  const here = await position();
  if (here) standAt(here);
  else say(texts.denied);
}

async function standAt(here) {
  state.me = here;
  await goTo({ ...here, kind: "position", name: texts.my_position });
  if (here.accuracy > INACCURATE_M) say(fill(texts.inaccurate, distanceText(here.accuracy)));
}

// Who looked around where they stood does so again, unless they have chosen a place in the meantime.
async function locateAgain() {
  const before = state.where;
  const here = await quietPosition();
  if (here && state.where === before) standAt(here);
}

async function lookAgain() {
  if (document.hidden || Date.now() - state.askedAt <= AGED_MS || at("sheet").open) return;
  if (state.where.kind === "position" && !holds(state.where)) {
    where.show(nameOfPlace(state.where));
    locateAgain();
  }
  refresh();
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
  state.map.show(places, state.of ?? state.where, { old: Boolean(state.oldAt) });
  if (state.moved) state.map.fit(places, state.of ?? state.where);
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
document.addEventListener("visibilitychange", lookAgain);
addEventListener("online", refresh);
addEventListener("offline", withoutNetwork);

// Other pages lead here with a place; it does not stay in the address.
const given = new URLSearchParams(location.search);
if (given.has("lat") && given.has("lon")) {
  state.where = { kind: "facility", name: given.get("name") ?? "", lat: Number(given.get("lat")), lon: Number(given.get("lon")) };
  history.replaceState(null, "", "/");
} else if (last?.kind === "position") {
  locateAgain();
}
if (state.where.kind !== "centre") where.show(nameOfPlace(state.where));
refresh();
