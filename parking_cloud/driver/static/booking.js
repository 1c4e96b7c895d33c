// One booking: how it stands, whether the gate knows, and what can be done about it.
import { countdown, fill, language, lengthText, clockText, momentText, payFor, priceText, spanText, texts } from "./booking_words.js";
import { at, element, once, say } from "./page.js";
import { PayApi, refusalText, yuan } from "./pay_api.js";

const LOOK_MS = 5000;
const SOON_MS = 30 * 60_000;
const AT_THE_GATE_MS = 30 * 60_000;
const LONGER = [30, 60, 120, 180, 240];
const SETTLED = ["acknowledged", "not_needed", "withdrawn"];

const api = new PayApi(language);
const address = `/v1/me/bookings/${document.body.dataset.booking}`;
let booking = null;
let vehicles = [];
let ticking = 0;

async function load() {
  booking = await api.ask("GET", address);
  draw();
}

function draw() {
  const { state, starts_at: from, ends_at: to, slots } = booking;
  at("progress").hidden = true;
  at("booking").hidden = false;
  at("state").textContent = texts[`state_${state}`];
  at("state").dataset.state = state;
  at("facility").textContent = booking.facility;
  at("space").textContent = fill(texts.space, { n: booking.space });
  const why = texts[`why_${booking.why}`];
  at("why").hidden = !why || ["held", "confirmed"].includes(state);
  at("why").textContent = why ?? "";
  const facts = [[texts.when, `${spanText(from, to)}${slots.length > 1 ? ` · ${fill(texts.slots, { n: slots.length })}` : ""}`], [texts.kind, texts[`kind_${booking.kind}`]],
    [texts.car, vehicles.find((vehicle) => vehicle.id === booking.vehicle_id)?.plate], [texts.price, priceText(booking.price)]];
  if (booking.paid) facts.push([texts.paid, yuan(booking.paid)]);
  at("facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  drawGate();
  drawDeeds();
  tick();
}

function drawGate() {
  const gate = booking.state === "confirmed" ? booking.gate : null;
  at("gate").hidden = !gate;
  if (!gate) return;
  at("gate").dataset.gate = gate;
  at("gate").textContent = texts[`gate_${gate}`] ?? gate;
}

function drawDeeds() {
  const { state } = booking;
  const now = Date.now();
  const live = state === "confirmed" && now < Date.parse(booking.continued_until) + AT_THE_GATE_MS;
  at("pay").hidden = state !== "held";
  at("pay").textContent = fill(texts.pay, { amount: yuan(booking.price) });
  at("go").hidden = !live;
  at("away").hidden = !live || now < Date.parse(booking.starts_at) - AT_THE_GATE_MS;
  at("extend").hidden = !booking.may_extend;
  at("longer").replaceChildren(...LONGER.map((n) => element("option", lengthText(n), { value: n })));
  tellLonger();
  const others = vehicles.filter((vehicle) => vehicle.id !== booking.vehicle_id);
  at("other").hidden = state !== "confirmed" || now >= Date.parse(booking.starts_at) || !others.length;
  at("vehicles").replaceChildren(...others.map((vehicle) => element("option", vehicle.plate, { value: vehicle.id })));
  at("give-back").hidden = !booking.may_cancel;
  at("comes-back").textContent = booking.paid === 0 ? texts.cancel_free : booking.comes_back ? fill(texts.cancel_back, { amount: yuan(booking.comes_back) }) : texts.cancel_nothing;
}

const longerUntil = () => Date.parse(booking.continued_until) + Number(at("longer").value) * 60_000;

function tellLonger() {
  at("extend-do").textContent = fill(texts.extend_do, { at: clockText(longerUntil()) });
}

// The clock of what is held, and of what will soon be over.
function tick() {
  clearTimeout(ticking);
  const { state, held_until: until } = booking;
  const left = until ? Date.parse(until) - Date.now() : 0;
  at("hold").hidden = state !== "held";
  at("hold").textContent = left > 0 ? fill(texts.held_for, { time: countdown(left) }) : texts.held_over;
  const remains = Date.parse(booking.continued_until) - Date.now();
  const soon = state === "confirmed" && remains < SOON_MS && Date.now() > Date.parse(booking.starts_at);
  const words = remains > 0 ? fill(texts.soon_over, { n: Math.ceil(remains / 60_000) }) : texts.over;
  at("warning").hidden = !soon;
  if (soon && at("warning").textContent !== words) at("warning").textContent = words;
  if (state === "held" || state === "confirmed") ticking = setTimeout(tick, 1000);
}

// What may still change is looked at again while the page is seen.
setInterval(() => {
  const open = booking && (booking.state === "held" || (booking.state === "confirmed" && booking.gate && !SETTLED.includes(booking.gate)));
  if (open && !document.hidden && at("sure").hidden && !at("extend").contains(document.activeElement)) load().catch(() => {});
}, LOOK_MS);

// Where it ended and the vehicle did not leave: what followed, and a way to say that it was wrong.
async function loadOverstay() {
  if (!["confirmed", "ended"].includes(booking.state) || Date.now() < Date.parse(booking.ends_at)) return;
  const found = (await api.ask("GET", "/v1/me/overstays")).find((overstay) => overstay.booking_id === booking.id);
  if (found) drawOverstay(found);
}

function drawOverstay(overstay) {
  const { ended_at: at_, over_at: over, deeds, objected_at: objected, upheld, answer } = overstay;
  at("overstay").hidden = false;
  at("overstay").dataset.overstay = overstay.id;
  at("overstay-said").textContent = fill(over ? texts.overstay_left : texts.overstay_inside, { at: momentText(at_) });
  at("overstay-deeds").replaceChildren(...deeds.map((deed) => element("li", fill(texts[`action_${deed.action}`] ?? deed.action, {
    at: momentText(deed.done_at), until: deed.until && momentText(deed.until) }))));
  at("objection").hidden = Boolean(objected);
  at("overstay-answer").hidden = !objected;
  at("overstay-answer").textContent = answer ? fill(upheld ? texts.upheld : texts.not_upheld, { answer }) : texts.objected;
}

async function loadWay() {
  const links = await api.ask("GET", `/v1/facilities/${booking.facility_id}/open-in`);
  at("go").lastElementChild.replaceChildren(...["amap", "baidu", "tencent"].map((name) =>
    element("a", texts[name], { class: "button", href: links[name], rel: "noopener noreferrer", target: "_blank" })));
}

async function extend() {
  const made = await api.ask("POST", `${address}/extend`, { end: new Date(longerUntil()).toISOString() });
  if (made.pay_token) return payFor(made);
  await load();
  say(fill(texts.extended, { at: momentText(booking.continued_until) }), true);
}

async function cancel() {
  const back = await api.ask("POST", `${address}/cancel`, {});
  at("sure").hidden = true;
  await load();
  say(fill(texts.cancelled, { amount: yuan(back.amount) }), true);
  at("state").scrollIntoView({ block: "nearest" });
}

// Where the phone is says how far from the gate that was; without it the press counts all the same.
function position() {
  return new Promise((resolve) => {
    if (!navigator.geolocation) return resolve({});
    navigator.geolocation.getCurrentPosition(({ coords }) => resolve({ lat: coords.latitude, lon: coords.longitude }), () => resolve({}), { timeout: 3000, maximumAge: 60_000 });
  });
}

async function turnedAway() {
  const said = await api.ask("POST", `${address}/turned-away`, await position());
  await load();
  say(fill(texts.refunded, { amount: yuan(said.refund) }), true);
  showAlternatives(said.alternatives);
}

function showAlternatives(places) {
  const items = places.map((place) => {
    const item = element("li");
    const heading = element("h2");
    const way = place.bookable ? `/book?facility=${place.facility_id}` : `/?${new URLSearchParams({ lat: place.lat, lon: place.lon, name: place.name })}`;
    heading.append(element("a", language === "en" && place.name_en ? place.name_en : place.name, { href: way }));
    const facts = [fill(texts.metres_away, { n: place.distance_m }), place.free !== null && fill(texts.free_now, { n: place.free }), place.bookable && texts.bookable, place.price !== null && priceText(place.price)];
    item.append(heading, element("p", facts.filter(Boolean).join(" · ")));
    return item;
  });
  at("alternatives").hidden = false;
  at("alternatives").querySelector("ul").replaceChildren(...(items.length ? items : [element("li", texts.no_alternative)]));
}

at("pay").addEventListener("click", () => once(at("pay"), texts, async () => payFor(await api.ask("POST", `${address}/pay`, {}))));
at("longer").addEventListener("change", tellLonger);
at("extend").addEventListener("submit", (event) => { event.preventDefault(); once(at("extend-do"), texts, extend); });
at("other").addEventListener("submit", (event) => {
  event.preventDefault();
  once(event.submitter, texts, async () => {
    await api.ask("POST", `${address}/vehicle`, { vehicle_id: at("vehicles").value });
    await load();
    say(texts.vehicle_changed, true);
  });
});
function ask(sure) {
  at("sure").hidden = !sure;
  at("cancel").setAttribute("aria-expanded", String(sure));
  (sure ? at("cancel-sure") : at("cancel")).focus();
}
at("cancel").addEventListener("click", () => ask(at("sure").hidden));
at("keep").addEventListener("click", () => ask(false));
at("cancel-sure").addEventListener("click", () => once(at("cancel-sure"), texts, cancel));
at("objection").addEventListener("submit", (event) => {
  event.preventDefault();
  once(event.submitter, texts, async () => {
    drawOverstay(await api.ask("POST", `/v1/me/overstays/${at("overstay").dataset.overstay}/objection`, { text: at("grounds").value.trim() }));
  });
});
at("turned-away").addEventListener("click", () => once(at("turned-away"), texts, turnedAway));

async function begin() {
  try {
    vehicles = (await api.ask("GET", "/v1/me/vehicles")).filter((vehicle) => vehicle.state === "verified");
    await load();
    await loadOverstay();
    await loadWay();
  } catch (error) {
    at("progress").hidden = true;
    say(refusalText(texts, error));
  }
}
begin();
