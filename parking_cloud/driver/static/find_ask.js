// What is asked: when, how long, with what, and what matters. Filters are remembered on the phone.
import { at, element } from "./page.js";
import { DEFAULTS, keepUsual, usual } from "./find_kept.js";
import { distanceText, fill, stayText, texts } from "./words.js";

const ARRIVALS = [15, 30, 60, 120];
const STAYS = [30, 60, 120, 180, 240, 480, 720, 1440];
export const WALKS = [300, 500, 1000, 2000, 5000];
const ZONE = "+08:00";

export class Ask {
  constructor(form, onChange) {
    this.form = form;
    this.onChange = onChange;
    options(at("arrive"), [["", texts.soonest], ...ARRIVALS.map((n) => [n, n < 60 ? fill(texts.in_minutes, n) : fill(texts.in_hours, n / 60)]), ["time", texts.at_time]]);
    options(at("stay"), STAYS.map((n) => [n, stayText(n)]));
    options(at("max-walk"), WALKS.map((n) => [n, distanceText(n)]));
    this.show(usual());
    form.addEventListener("change", (event) => this.changed(event));
    form.addEventListener("submit", (event) => event.preventDefault());
    at("reset").addEventListener("click", () => { this.show(DEFAULTS); this.changed(); });
  }

  get filters() {
    const chosen = new FormData(this.form);
    return {
      stay: Number(at("stay").value), prefer: chosen.get("prefer"), vehicle: at("vehicle").value, needs: chosen.getAll("needs"),
      height: at("height").value, maxWalk: Number(at("max-walk").value), maxPrice: at("max-price").value,
    };
  }

  show(filters) {
    at("stay").value = filters.stay;
    at("vehicle").value = filters.vehicle;
    at("max-walk").value = filters.maxWalk;
    at("height").value = filters.height;
    at("max-price").value = filters.maxPrice;
    for (const box of this.form.querySelectorAll("[name=needs]")) box.checked = filters.needs.includes(box.value);
    for (const one of this.form.querySelectorAll("[name=prefer]")) one.checked = one.value === filters.prefer;
    this.count();
  }

  change(some) {
    this.show({ ...this.filters, ...some });
    this.changed();
  }

  changed(event) {
    if (event?.target.id === "where") return;
    const atTime = at("arrive").value === "time";
    at("time-row").hidden = !atTime;
    if (event?.target.id === "arrive" && atTime) {
      at("time").value = inHuzhou(Date.now() + 3600_000);
      at("time").focus();
    }
    keepUsual(this.filters);
    this.count();
    this.onChange();
  }

  // How many of the folded-away conditions are not the usual ones.
  count() {
    const now = this.filters;
    const n = ["vehicle", "height", "maxWalk", "maxPrice"].filter((name) => now[name] !== DEFAULTS[name]).length + now.needs.length;
    at("more-count").textContent = n;
    at("more-count").hidden = n === 0;
  }

  query(where, me) {
    const f = this.filters;
    const asked = { lat: where.lat.toFixed(6), lon: where.lon.toFixed(6), stay_minutes: f.stay, vehicle: f.vehicle, prefer: f.prefer, max_walk_m: f.maxWalk, limit: 20 };
    if (f.needs.length) asked.needs = f.needs.join(",");
    if (f.height) asked.height_cm = f.height;
    if (f.maxPrice) asked.max_price = Math.round(f.maxPrice * 100);
    if (me && where.kind !== "position") Object.assign(asked, { from_lat: me.lat.toFixed(5), from_lon: me.lon.toFixed(5) });
    const arrival = this.arrival();
    if (arrival) asked.arrive_at = arrival;
    return new URLSearchParams(asked);
  }

  arrival() {
    const chosen = at("arrive").value;
    if (chosen === "time") return at("time").value && `${at("time").value}:00${ZONE}`;
    return chosen && new Date(Date.now() + chosen * 60_000).toISOString();
  }
}

function options(select, pairs) {
  select.replaceChildren(...pairs.map(([value, words]) => element("option", words, { value })));
}

// As the field for a time wants it.
function inHuzhou(ms) {
  return new Date(ms + 8 * 3600_000).toISOString().slice(0, 16);
}
