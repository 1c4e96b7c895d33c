// The field for the place: names are looked up as they are typed; a list to choose from by finger or keys.
import { element } from "./page.js";
import { forgetRecent, recent } from "./find_kept.js";
import { language, texts } from "./words.js";

const PAUSE_MS = 250;

export class WhereField {
  constructor(input, list, onChoose) {
    this.input = input;
    this.list = list;
    this.onChoose = onChoose;
    this.found = [];
    this.active = -1;
    input.addEventListener("input", () => this.later());
    input.addEventListener("focus", () => { input.select(); if (!input.value || this.chosen) this.offer(recent(), true); });
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    // The field keeps the focus while the list is tapped.
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => this.pick(event.target.closest("li")?.dataset.n));
  }

  show(name) {
    this.input.value = name;
    this.chosen = name;
  }

  later() {
    this.chosen = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), PAUSE_MS);
  }

  async look() {
    clearTimeout(this.timer);
    const words = this.input.value.trim();
    if (!words) return this.offer(recent(), true);
    const answer = await fetch(`/v1/geo/search?words=${encodeURIComponent(words)}`, { credentials: "omit" }).catch(() => null);
    if (!answer?.ok || words !== this.input.value.trim() || this.chosen) return;
    this.offer((await answer.json()).items, false);
  }

  offer(found, old) {
    this.found = found;
    this.active = -1;
    const items = found.map((place, n) => this.item(place, n));
    if (old && found.length) items.push(this.deed(texts.forget_recent));
    if (!old && !found.length) items.push(element("li", texts.nothing_named, { role: "option", "aria-disabled": "true" }));
    this.list.replaceChildren(...items);
    this.open(items.length > 0);
  }

  item(place, n) {
    const name = language === "en" && place.name_en ? place.name_en : place.name;
    const item = element("li", "", { role: "option", id: `suggestion-${n}`, "data-n": n, "aria-selected": "false" });
    item.append(element("span", name), element("small", place.more || texts[place.kind] || ""));
    return item;
  }

  deed(words) {
    const item = element("li", words, { role: "option", "data-n": "forget", "aria-selected": "false", id: "suggestion-forget" });
    item.className = "deed";
    return item;
  }

  pick(n) {
    if (n === "forget") {
      forgetRecent();
      this.close();
    }
    const place = this.found[n];
    if (!place) return;
    this.show(language === "en" && place.name_en ? place.name_en : place.name);
    this.close();
    this.onChoose(place);
  }

  key(event) {
    const options = [...this.list.querySelectorAll("[data-n]")];
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter") {
      event.preventDefault();
      if (this.active >= 0) this.pick(options[this.active].dataset.n);
      else if (!this.list.hidden && this.found.length && !this.chosen) this.pick(0);
      else this.look();
    } else if (["ArrowDown", "ArrowUp"].includes(event.key) && options.length && !this.list.hidden) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.active = (this.active + step + options.length) % options.length;
      options.forEach((option, n) => option.setAttribute("aria-selected", String(n === this.active)));
      this.input.setAttribute("aria-activedescendant", options[this.active].id);
      options[this.active].scrollIntoView({ block: "nearest" });
    }
  }

  open(yes) {
    this.list.hidden = !yes;
    this.input.setAttribute("aria-expanded", String(yes));
    this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.open(false);
  }
}
