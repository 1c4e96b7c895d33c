// Automatic payment: ceilings, the card that the provider keeps, pause and end.
import { CardForm } from "./card_form.js";
import { at, once, say } from "./page.js";
import { Refused, yuan } from "./pay_api.js";

const OPENING_LOOKS = 30;
const LOOK_MS = 700;
const SHOWN = ["asked", "active", "paused", "failed"];

export class MandateBox {
  constructor(api, texts, language) {
    this.api = api;
    this.texts = texts;
    this.card = new CardForm(at("card-field"), language);
    this.mandate = null;
    for (const name of ["stay", "day"]) at(`ceiling-${name}`).addEventListener("input", () => this.moved(name));
    at("ceilings").addEventListener("submit", (event) => {
      event.preventDefault();
      once(at("mandate-save"), texts, () => this.save());
    });
    at("card-form").addEventListener("submit", (event) => {
      event.preventDefault();
      once(at("card-keep"), texts, () => this.keepCard());
    });
    at("mandate-pause").addEventListener("click", () => once(at("mandate-pause"), texts, () => this.pause()));
    at("mandate-stop").addEventListener("click", () => once(at("mandate-stop"), texts, () => this.stop()));
  }

  async load() {
    // Asked for only where there is one: a refusal would stand in the console as a fault.
    if (!this.mandate && !document.body.dataset.mandate) return this.show(null);
    try {
      this.show(await this.api.ask("GET", "/v1/me/mandate"));
      if (this.mandate?.state === "asked") await this.openCard();
    } catch (error) {
      if (!(error instanceof Refused && error.status === 404)) throw error;
      this.show(null);
    }
  }

  show(mandate) {
    const standing = mandate && mandate.state !== "stopped" && mandate.state !== "failed";
    const { texts } = this;
    this.mandate = mandate;
    at("mandate-state").hidden = !SHOWN.includes(mandate?.state);
    at("mandate-state").textContent = texts[`state_${mandate?.state}`] ?? "";
    at("mandate-state").dataset.state = mandate?.state ?? "";
    if (standing) {
      at("ceiling-stay").value = mandate.ceiling_stay / 100;
      at("ceiling-day").value = mandate.ceiling_day / 100;
    }
    at("taken").hidden = !standing || mandate.taken_today === 0;
    at("taken").textContent = texts.taken_today.replace("{amount}", yuan(mandate?.taken_today ?? 0));
    at("mandate-save").textContent = standing ? texts.save_ceilings : texts.open_mandate;
    at("mandate-deeds").hidden = !standing;
    at("mandate-pause").hidden = mandate?.state === "asked";
    at("mandate-pause").textContent = mandate?.state === "paused" ? texts.resume : texts.pause;
    at("card-form").hidden = mandate?.state !== "asked";
    for (const name of ["stay", "day"]) this.moved(name);
  }

  // A day's ceiling is never below a stay's: the one that was not moved gives way.
  moved(name) {
    const [stay, day] = [at("ceiling-stay"), at("ceiling-day")];
    if (Number(day.value) < Number(stay.value)) {
      if (name === "stay") day.value = stay.value;
      else stay.value = day.value;
    }
    for (const [range, shown] of [[stay, at("stay-shown")], [day, at("day-shown")]]) {
      shown.textContent = this.texts.yuan.replace("{n}", range.value);
      range.setAttribute("aria-valuetext", shown.textContent);
    }
  }

  ceilings() {
    return { ceiling_stay: Number(at("ceiling-stay").value) * 100, ceiling_day: Number(at("ceiling-day").value) * 100 };
  }

  async save() {
    const standing = this.mandate && !["stopped", "failed"].includes(this.mandate.state);
    if (standing) {
      this.show(await this.api.ask("PUT", "/v1/me/mandate/ceilings", this.ceilings()));
      say(this.texts.saved, true);
    } else {
      this.show(await this.api.ask("POST", "/v1/me/mandate", { method: "card", ...this.ceilings() }));
      await this.openCard();
    }
  }

  // The provider's form can be shown once the provider has answered.
  async openCard() {
    for (let n = 0; n < OPENING_LOOKS && !this.mandate.action; n += 1) await this.lookAgain();
    if (this.mandate.state !== "asked") return;
    try {
      await this.card.open(this.mandate.action);
    } catch {
      say(this.texts.card_away);
    }
  }

  async keepCard() {
    if (!(await this.card.keep())) {
      say(this.texts.card_refused);
      return;
    }
    for (let n = 0; n < OPENING_LOOKS && this.mandate.state === "asked"; n += 1) await this.lookAgain();
  }

  async lookAgain() {
    await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
    const seen = await this.api.ask("GET", "/v1/me/mandate");
    // The card's form stays as it is while nothing has changed.
    if (seen.state !== this.mandate.state || (seen.action && !this.mandate.action)) this.show(seen);
  }

  async pause() {
    const deed = this.mandate.state === "paused" ? "resume" : "pause";
    this.show(await this.api.ask("POST", `/v1/me/mandate/${deed}`));
  }

  async stop() {
    if (!confirm(this.texts.stop_sure)) return;
    await this.api.ask("DELETE", "/v1/me/mandate");
    this.show(null);
  }
}
