// How bookings are put into words, for the pages of booking.
import { yuan } from "./pay_api.js";

export const texts = JSON.parse(document.body.dataset.texts);
export const { language } = document.body.dataset;
const locale = language === "en" ? "en-GB" : language;
const zone = { timeZone: "Asia/Shanghai", hourCycle: "h23" };
const full = new Intl.DateTimeFormat(locale, { ...zone, month: "short", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat(locale, { ...zone, hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(locale, { ...zone, month: "numeric", day: "numeric", weekday: "short" });

export const DAY_MS = 86_400_000;
const OFFSET_MS = 8 * 3_600_000;

export const fill = (text, values) => text.replace(/{(\w+)}/g, (whole, name) => values[name] ?? whole);
export const momentText = (when) => full.format(new Date(when));
export const clockText = (when) => clock.format(new Date(when));
export const dayText = (when) => date.format(new Date(when));
export const priceText = (price) => (price === 0 ? texts.no_price : yuan(price));

export function spanText(start, end) {
  const same = dayText(start) === dayText(end);
  return fill(texts.from_to, { start: momentText(start), end: same ? clockText(end) : momentText(end) });
}

export function lengthText(minutes) {
  return minutes < 60 ? fill(texts.minutes, { n: minutes }) : fill(texts.hours, { n: minutes / 60 });
}

// Midnight in Huzhou of the day that a moment lies in.
export function midnight(ms) {
  return Math.floor((ms + OFFSET_MS) / DAY_MS) * DAY_MS - OFFSET_MS;
}

// As the field for a time wants it, and back.
export const toField = (ms) => new Date(ms + OFFSET_MS).toISOString().slice(0, 16);
export const fromField = (value) => Date.parse(`${value}:00+08:00`);

export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// The pay page goes on from an offer that it finds in this tab, and leads back here.
export function payFor({ booking, amount, pay_token: token }) {
  const back = { href: `/bookings/${booking.id}`, until: booking.held_until };
  sessionStorage.setItem("parking-pay", JSON.stringify({ offer: token, amount, place: "", back }));
  location.assign("/pay");
}
