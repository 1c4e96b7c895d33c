// Booking a shared space: when it is open as a picture, how, with which vehicle; then it is held while one pays.
import { clockText, DAY_MS, dayText, fill, fromField, language, lengthText, midnight, momentText, payFor, priceText, spanText, texts, toField } from "./booking_words.js";
import { at, element, once, say } from "./page.js";
import { PayApi, refusalText, yuan } from "./pay_api.js";

const STEP_MS = 5 * 60_000;
const STAYS = [30, 60, 90, 120, 180, 240, 360, 480, 720];
const KINDS = ["hour", "evening", "month"];

const api = new PayApi(language);
const query = new URLSearchParams(location.search);
const { facility, signedIn } = document.body.dataset;
let offer = null;
let asked = 0;

const kind = () => new FormData(at("book")).get("kind");
const start = () => fromField(at("start").value);
const end = () => start() + Number(at("stay").value) * 60_000;

async function load() {
  const mine = asked += 1;
  const hours = { facility, start: new Date(start()).toISOString(), end: new Date(end()).toISOString() };
  const [found] = await api.ask("GET", `/v1/sharing/offers?${new URLSearchParams(hours)}`);
  if (mine !== asked) return;
  const first = offer === null;
  offer = found;
  if (first) showPlace();
  const opening = first && !offer.asked && nextOpening();
  if (opening) {
    at("start").value = toField(opening);
    at("moved").hidden = false;
    return load();
  }
  drawWeek();
  tellFound();
}

// Shut at that moment: the page begins where the stay would fit next.
function nextOpening() {
  const from = ({ starts_at: opens }) => Math.max(Math.ceil(Date.parse(opens) / STEP_MS) * STEP_MS, start());
  const next = offer.open.find((slot) => Date.parse(slot.ends_at) - from(slot) >= end() - start());
  return next && from(next);
}

function showPlace() {
  at("place").textContent = offer.facility;
  at("note").textContent = offer.note;
  at("closed").replaceChildren(...offer.closed.map((c) => element("p", fill(texts.closed_notice, { start: momentText(c.starts_at), end: momentText(c.ends_at), reason: c.reason }), { class: "message" })));
  if (offer.holidays_unknown_from) at("closed").append(element("p", fill(texts.holidays_unknown, { day: offer.holidays_unknown_from }), { class: "quiet" }));
  const offered = KINDS.filter((name) => offer[`price_${name}`] !== null);
  const price = (name) => (offer[`price_${name}`] === 0 ? texts.no_price : fill(texts[`per_${name}`], { price: yuan(offer[`price_${name}`]) }));
  at("kinds").append(...offered.map((name, n) => {
    const label = element("label");
    const radio = element("input", "", { type: "radio", name: "kind", value: name });
    radio.checked = n === 0;
    label.append(radio, element("span", texts[`kind_${name}`]), element("b", price(name)));
    return label;
  }));
  at("progress").hidden = true;
  at("book").hidden = false;
}

// A row for each day; the open parts can be pressed, and the chosen time lies over them.
function drawWeek() {
  const first = midnight(Date.now());
  const days = Array.from({ length: 7 }, (_, n) => day(first + n * DAY_MS));
  const scale = element("div", "", { class: "day", "aria-hidden": "true" });
  const hours = element("span", "", { class: "scale" });
  hours.append(...["0", "6", "12", "18", "24"].map((hour) => element("span", hour)));
  scale.append(element("span"), hours);
  at("week").replaceChildren(...days, scale);
}

function day(from) {
  const row = element("div", "", { class: "day" });
  const bar = element("div", "", { class: "bar" });
  const within = (span) => ({ from: Math.max(Date.parse(span.starts_at), from), to: Math.min(Date.parse(span.ends_at), from + DAY_MS) });
  for (const span of offer.open) {
    const part = within(span);
    if (part.to <= part.from) continue;
    const words = `${dayText(from)} ${clockText(part.from)}–${clockText(part.to)}`;
    const button = element("button", "", { type: "button", "aria-label": words, title: words });
    place(button, part, from);
    button.addEventListener("click", () => choose(part.from));
    bar.append(button);
  }
  const chosen = chosenSpan();
  const mark = chosen && within({ starts_at: new Date(chosen[0]).toISOString(), ends_at: new Date(chosen[1]).toISOString() });
  if (mark && mark.to > mark.from) {
    const shade = element("span", "", { class: "mark" });
    place(shade, mark, from);
    bar.append(shade);
  }
  row.append(element("span", dayText(from)), bar);
  return row;
}

function place(made, { from, to }, midnightOf) {
  made.style.left = `${((from - midnightOf) / DAY_MS) * 100}%`;
  made.style.width = `${((to - from) / DAY_MS) * 100}%`;
}

function chosenSpan() {
  if (kind() === "evening") return offer.window && [Date.parse(offer.window.starts_at), Date.parse(offer.window.ends_at)];
  return kind() === "month" ? null : [start(), end()];
}

function choose(from) {
  at("moved").hidden = true;
  at("start").value = toField(Math.max(from, soonest()));
  refresh();
}

function tellFound() {
  const how = kind();
  at("stay-row").hidden = how !== "hour";
  const [words, good, price] = { hour: hourWords, evening: eveningWords, month: () => [texts.month_hint, true, offer.price_month] }[how]();
  at("found").textContent = words;
  at("found").dataset.how = good ? "good" : "bad";
  if (!signedIn) return;
  at("send").disabled = !good || !at("vehicle").value;
  at("send").textContent = price ? fill(texts.book_pay, { amount: yuan(price) }) : texts.book;
}

function hourWords() {
  if (!offer.asked) return [texts.not_open, false, null];
  const left = fill(texts.left, { n: offer.asked.left, all: offer.asked.spaces });
  if (!offer.asked.left) return [texts.none_left, false, null];
  const price = offer.asked.price === null ? "" : ` · ${priceText(offer.asked.price)}`;
  return [`${spanText(start(), end())} · ${left}${price} · ${fill(texts.open_until, { at: momentText(offer.asked.ends_at) })}`, offer.asked.price !== null, offer.asked.price];
}

function eveningWords() {
  if (!offer.window) return [texts.window_none, false, null];
  return [`${spanText(offer.window.starts_at, offer.window.ends_at)} · ${priceText(offer.price_evening)}`, true, offer.price_evening];
}

async function loadVehicles() {
  if (!signedIn) return;
  const vehicles = (await api.ask("GET", "/v1/me/vehicles")).filter((vehicle) => vehicle.state === "verified");
  at("vehicle").replaceChildren(...vehicles.map((vehicle) => element("option", vehicle.plate, { value: vehicle.id })));
  at("vehicle").closest("label").hidden = !vehicles.length;
  at("no-vehicle").hidden = vehicles.length > 0;
}

async function send() {
  const asking = { facility, kind: kind(), start: new Date(start()).toISOString(), vehicle_id: at("vehicle").value };
  if (kind() === "hour") asking.end = new Date(end()).toISOString();
  if (at("need").value) asking.need = at("need").value;
  const made = await api.ask("POST", "/v1/me/bookings", asking);
  if (made.pay_token) payFor(made);
  else location.assign(`/bookings/${made.booking.id}`);
}

const soonest = () => Math.floor(Date.now() / STEP_MS) * STEP_MS;

async function refresh() {
  say("");
  try {
    await load();
  } catch (error) {
    say(refusalText(texts, error));
    at("progress").hidden = true;
    at("find").hidden = offer !== null;
  }
}

async function begin() {
  if (!facility) {
    at("progress").textContent = texts.no_facility;
    at("find").hidden = false;
    return;
  }
  at("stay").replaceChildren(...STAYS.map((n) => element("option", lengthText(n), { value: n })));
  const given = Date.parse(query.get("start") ?? "");
  const wanted = Math.floor((Number.isNaN(given) ? Date.now() : given) / STEP_MS) * STEP_MS;
  at("start").value = toField(Math.max(wanted, soonest()));
  const minutes = Number(query.get("minutes")) || 120;
  at("stay").value = STAYS.find((n) => n >= minutes) ?? STAYS.at(-1);
  try {
    await loadVehicles();
  } catch (error) {
    say(refusalText(texts, error));
  }
  await refresh();
}

at("book").addEventListener("change", (event) => {
  if (event.target.id === "start" && !at("start").value) return;
  at("moved").hidden = true;
  if (["start", "stay"].includes(event.target.id)) refresh();
  else if (offer) { drawWeek(); tellFound(); }
});
at("book").addEventListener("submit", (event) => {
  event.preventDefault();
  once(at("send"), texts, send);
});
begin();
