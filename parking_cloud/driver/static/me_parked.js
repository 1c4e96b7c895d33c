// “I'm parked”: the space is found by position, with consent, or by its number; then the clock runs.
import { at, element, fillList, once, row, say, smallButton } from "./page.js";

const PATIENCE = { enableHighAccuracy: true, timeout: 10_000, maximumAge: 15_000 };

export class ParkedBox {
  constructor(api, texts, { time, after }) {
    Object.assign(this, { api, texts, time, after });
    this.held = [];
    this.open = [];
    const press = (id, deed) => at(id).addEventListener("click", () => once(at(id), texts, deed));
    press("parked-press", () => this.begin());
    press("parked-agree", () => this.agree());
    press("parked-refuse", () => this.byNumber());
    press("parked-by-number", () => this.byNumber());
    at("parked-place").addEventListener("input", () => this.suggest());
    at("parked-find").addEventListener("submit", (event) => {
      event.preventDefault();
      once(event.submitter ?? at("parked-number"), texts, () => this.find());
    });
  }

  vehicles(held) {
    this.held = held;
    at("parked-vehicle").replaceChildren(...held.map((v) => element("option", v.plate, { value: v.id })));
    at("parked-vehicle-row").hidden = held.length < 2;
    this.settle();
  }

  // Once every vehicle stands somewhere, there is nothing to press.
  settle() {
    at("parked-press").hidden = this.open.length > 0 && this.open.length >= this.held.length;
  }

  async load() {
    this.open = await this.api.ask("GET", "/v1/me/parked");
    at("parked").hidden = this.open.length === 0;
    fillList("parked", this.open.map((stay) => this.item(stay)), "");
    this.settle();
  }

  item(stay) {
    const { texts } = this;
    const item = element("li");
    item.append(row(`${stay.facility} ${stay.space}`, element("span", texts.parked_since.replace("{time}", this.time(stay.since)), { class: "quiet" })));
    const deeds = element("div", "", { class: "deeds" });
    deeds.append(smallButton(texts.parked_leave, texts, async () => {
      await this.api.ask("POST", `/v1/stays/${stay.stay_id}/end`, {});
      await this.load();
      await this.after();
      say(texts.parked_left, true);
    }));
    item.append(deeds);
    return item;
  }

  async begin() {
    if (!this.held.length) {
      say(this.texts.parked_needs_vehicle);
      return at("new-plate").focus();
    }
    at("parked-choose").hidden = false;
    this.offer([]);
    const asked = await this.api.ask("GET", "/v1/me/consents");
    this.consent = asked.find((consent) => consent.purpose === "position");
    if (this.consent.agreed) return this.near();
    const box = at("parked-consent");
    box.querySelector("b").textContent = this.consent.title;
    box.querySelector("p").textContent = this.consent.body;
    box.hidden = false;
  }

  async agree() {
    await this.api.ask("PUT", "/v1/me/consents/position", { version: this.consent.version });
    await this.near();
  }

  async near() {
    at("parked-consent").hidden = true;
    at("parked-progress").textContent = this.texts.parked_searching;
    const here = await position();
    const spaces = here ? await this.api.ask("POST", "/v1/me/parked/near", here) : [];
    at("parked-progress").textContent = !here ? this.texts.parked_no_position : spaces.length ? this.texts.parked_here : this.texts.parked_none_near;
    if (!spaces.length) this.byNumber();
    this.offer(spaces);
  }

  byNumber() {
    at("parked-consent").hidden = true;
    at("parked-find").hidden = false;
    at("parked-by-number").hidden = true;
    at("parked-place").focus();
  }

  async suggest() {
    const words = at("parked-place").value.trim();
    if (!words) return;
    const answer = await fetch(`/v1/geo/search?words=${encodeURIComponent(words)}`, { credentials: "omit" }).catch(() => null);
    if (!answer?.ok) return;
    const { items } = await answer.json();
    at("parked-places").replaceChildren(...items.filter((item) => item.kind === "facility").map((item) => element("option", "", { value: item.name })));
  }

  async find() {
    const asked = new URLSearchParams({ facility: at("parked-place").value.trim(), number: at("parked-number").value.trim() });
    this.offer([await this.api.ask("GET", `/v1/me/parked/space?${asked}`)]);
    at("parked-progress").textContent = this.texts.parked_here;
  }

  offer(spaces) {
    at("parked-spaces").replaceChildren(...spaces.map((space) => {
      const far = space.metres === null ? "" : ` · ${this.texts.parked_metres.replace("{n}", space.metres)}`;
      const made = element("button", `${space.facility} ${space.number}${far}`, { type: "button" });
      made.addEventListener("click", () => once(made, this.texts, () => this.park(space)));
      return made;
    }));
  }

  async park(space) {
    const vehicle = at("parked-vehicle").value || this.held[0].id;
    await this.api.ask("POST", "/v1/me/parked", { vehicle_id: vehicle, space_id: space.space_id });
    at("parked-choose").hidden = true;
    await this.load();
    await this.after();
    say(this.texts.parked_done.replace("{place}", `${space.facility} ${space.number}`), true);
  }
}

function position() {
  if (!navigator.geolocation) return null;
  return new Promise((resolve) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve({ lat: coords.latitude, lon: coords.longitude }),
      () => resolve(null),
      PATIENCE,
    );
  });
}
