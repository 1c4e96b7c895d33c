// How numbers, times and distances are put into words.
import { yuan } from "./pay_api.js";

export const texts = JSON.parse(document.body.dataset.texts);
export const { language } = document.body.dataset;
const locale = language === "en" ? "en-GB" : language;
const clock = new Intl.DateTimeFormat(locale, { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(locale, { timeZone: "Asia/Shanghai", month: "short", day: "numeric" });

export function fill(text, values) {
  const named = typeof values === "object" ? values : { n: values };
  return text.replace(/{(\w+)}/g, (whole, name) => named[name] ?? whole);
}

export function distanceText(metres) {
  if (metres < 1000) return fill(texts.metres, Math.round(metres / 10) * 10);
  return fill(texts.kilometres, (metres / 1000).toFixed(1));
}

// The time of day in Huzhou; with its day unless that is today.
export function timeText(when) {
  const moment = new Date(when);
  const today = day.format(moment) === day.format(new Date());
  return today ? clock.format(moment) : `${day.format(moment)} ${clock.format(moment)}`;
}

export function ageText(observedAt) {
  if (!observedAt) return texts.never;
  const minutes = Math.floor((Date.now() - Date.parse(observedAt)) / 60000);
  if (minutes < 1) return texts.now;
  if (minutes < 60) return fill(texts.minutes, minutes);
  return fill(texts.hours, Math.floor(minutes / 60));
}

export function stayText(minutes) {
  if (minutes < 60) return fill(texts.stay_minutes, minutes);
  if (minutes < 1440) return fill(texts.stay_hours, minutes / 60);
  return fill(texts.stay_days, minutes / 1440);
}

export function priceText(price) {
  if (price === null) return texts.price_unknown;
  return price === 0 ? texts.price_free : yuan(price);
}

export function walkText({ walk_s: seconds, walk_m: metres }) {
  return fill(texts.walk_far, { n: Math.max(1, Math.round(seconds / 60)), m: distanceText(metres) });
}

export function nameOf(facility) {
  return language === "en" && facility.name_en ? facility.name_en : facility.name;
}

// How full a facility is, in one word: also the colour and shape of its marker.
export function load({ free, capacity }) {
  if (free === null) return "unknown";
  if (free === 0) return "full";
  return free / capacity < 0.15 ? "few" : "plenty";
}

const STEPS = [0.05, 0.25, 0.45, 0.6, 0.8, 0.95];
const USUALLY = [0.4, 0.6];

// Of what nobody sees now there is only what is usual. A booked space is one's own all the same.
const unseen = (place) => (place.free === null || place.stale) && place.access !== "booking";

// A chance in words that people use, and how good that is.
export function chanceText(place) {
  const [steps, name] = unseen(place) ? [USUALLY, "usually"] : [STEPS, "chance"];
  return texts[`${name}_${steps.filter((step) => place.chance >= step).length}`];
}

export function chanceClass(place) {
  if (unseen(place)) return "usual";
  if (place.chance >= 0.75) return "good";
  return place.chance >= 0.4 ? "fair" : "poor";
}
