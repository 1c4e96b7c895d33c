// A found place as a card: what is free now, the chance on arrival as a picture and in words, walk, price.
import { element } from "./page.js";
import { chanceClass, chanceText, ageText, fill, language, load, nameOf, priceText, stayText, texts, timeText, walkText } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const BOXES = 10;
const OF_THE_WAY = ["walk_m", "nearest"];
const OF_THE_NUMBER = new Set(["free_now", "full_now", "not_known", "stale", "chance", "usual", "sent"]);

export function card(place, view) {
  const item = element("li", "", { class: "card", "data-facility": place.facility.id });
  const heading = element("h2");
  const name = element("button", nameOf(place.facility), { type: "button" });
  heading.append(name);
  name.addEventListener("click", () => view.onChoose(place.facility.id));
  const price = element("p", "", { class: "strong" });
  price.append(element("span", priceText(place.price), { class: "price" }), ` ${fill(texts.for_stay, stayText(view.stay))}`);
  item.append(heading, number(), element("p", wayText(place, view), { class: "wide strong" }),
    chance(place), price, element("p", "", { class: "age" }), tags(place), why(place, view));
  fillCard(item, place, view);
  return item;
}

export function number() {
  const box = element("div", "", { class: "number" });
  box.append(element("b", "", { "data-free": "" }), element("span", "", { class: "of" }));
  return box;
}

// What changes while the card is looked at.
export function fillCard(box, place, { oldAt = null } = {}) {
  const shown = box.querySelector(".number");
  shown.dataset.load = load({ free: place.free, capacity: place.facility.capacity });
  const free = place.free === null ? texts.unknown_free : place.free === 0 ? texts.full_now : String(place.free);
  shown.querySelector("[data-free]").textContent = free;
  const counted = place.free > 0 ? `${texts.free} · ` : "";
  shown.querySelector(".of").textContent = oldAt
    ? fill(texts.free_then, { at: timeText(place.observed_at ?? oldAt) })
    : `${counted}${fill(texts.of, place.facility.capacity)}`;
  const age = box.querySelector(".age");
  age.textContent = oldAt ? "" : ageText(place.observed_at);
  box.classList.toggle("kept", Boolean(oldAt));
  box.classList.toggle("overtaken", Boolean(place.overtaken));
}

export function chance(place) {
  const box = element("div", "", { class: "chance", "data-chance": chanceClass(place) });
  const words = element("strong", chanceText(place));
  const band = element("span", fill(texts.expected, {
    n: Math.round(place.free_on_arrival), low: Math.floor(place.low), high: Math.ceil(place.high),
  }), { class: "band" });
  box.append(boxes(place.chance), words, band);
  return box;
}

// Ten boxes, of which as many are full as times out of ten there is a space.
function boxes(chance) {
  const picture = document.createElementNS(SVG, "svg");
  const label = fill(texts.chance_label, Math.round(chance * 100));
  for (const [name, value] of Object.entries({ viewBox: "0 0 118 14", width: 118, height: 14, role: "img", "aria-label": label })) picture.setAttribute(name, value);
  const on = chance >= 0.95 ? BOXES : Math.min(BOXES - 1, Math.round(chance * BOXES));
  for (let n = 0; n < BOXES; n += 1) {
    const one = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: n * 12, y: 0, width: 10, height: 14, rx: 2 })) one.setAttribute(name, value);
    if (n < on) one.setAttribute("class", "on");
    picture.append(one);
  }
  return picture;
}

// Where within its capacity the free spaces will lie.
export function bandPicture(place) {
  const wide = 300;
  const at = (n) => Math.max(0, Math.min(wide, (n / Math.max(place.facility.capacity, 1)) * wide));
  const picture = document.createElementNS(SVG, "svg");
  const parts = [
    ["rect", { x: 0, y: 6, width: wide, height: 6, rx: 3, fill: "#dfe6e5" }],
    ["rect", { x: at(place.low), y: 4, width: Math.max(at(place.high) - at(place.low), 3), height: 10, rx: 4, fill: "#7db8ad" }],
    ["rect", { x: Math.max(at(place.free_on_arrival) - 2, 0), y: 0, width: 4, height: 18, rx: 2, fill: "#0b5d55" }],
  ];
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${wide} 18`, width: "100%", height: 18, preserveAspectRatio: "none", "aria-hidden": "true" })) picture.setAttribute(name, value);
  for (const [kind, values] of parts) {
    const part = document.createElementNS(SVG, kind);
    for (const [name, value] of Object.entries(values)) part.setAttribute(name, value);
    picture.append(part);
  }
  return picture;
}

export function tags(place) {
  const box = element("div", "", { class: "tags" });
  const tell = (words, how = "") => box.append(element("span", words, { class: `tag ${how}` }));
  if (place.access !== "open") tell(texts[`access_${place.access}`], place.access === "booking" ? "good" : "bad");
  if (place.opens_at) tell(fill(texts.opens_at, { at: timeText(place.opens_at) }), "warn");
  if (place.closes_before_leaving) tell(texts.closes_before, "bad");
  if (place.booking) tell(fill(texts.bookable, place.booking.left), "good");
  if (place.facility.height_limit_cm) tell(fill(texts.height_limit, place.facility.height_limit_cm / 100));
  tell(scoreText(place.score));
  const flag = flagText(place);
  if (flag) tell(flag, "warn");
  return box;
}

export function scoreText(score) {
  return score?.value == null ? texts.no_score : fill(texts.score, { n: Math.round(score.value), count: score.count });
}

function flagText(place) {
  if (place.stale && place.observed_at) return texts.stale;
  if (place.quality === "out_of_range") return texts.out_of_range;
  if (place.unknown > 0 && place.free !== null) return fill(texts.some_unknown, place.unknown);
  return place.from_own_profile ? "" : texts.by_kind;
}

// What holds of the way to another place is not told of this one.
export function wayText(place, { elsewhere }) {
  return [elsewhere ? "" : walkText(place), texts[place.facility.kind]].filter(Boolean).join(" · ");
}

function why(place, view) {
  const line = element("p", "", { class: "wide" });
  for (const [n, one] of reasons(place, view, "span").slice(0, 3).entries()) line.append(n ? " · " : "", one);
  return line;
}

// What hangs on the number of free spaces can be told from what does not.
export function reasons(place, { elsewhere }, tag) {
  const holding = place.why.filter(({ code }) => !elsewhere || !OF_THE_WAY.includes(code));
  return holding.map((reason) => element(tag, reason[language], OF_THE_NUMBER.has(reason.code) ? { class: "of-number" } : {}));
}
