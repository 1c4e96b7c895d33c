// Permits: what the driver has, and what is on sale for their vehicles.
import { at, element, fillList, once, row, say, smallButton } from "./page.js";
import { yuan } from "./pay_api.js";

export class PermitBox {
  constructor(api, texts, { language, pay }) {
    Object.assign(this, { api, texts, pay, language: language === "en" ? "en" : "zh" });
    at("buy-permit").addEventListener("submit", (event) => {
      event.preventDefault();
      once(event.submitter ?? at("permit-product"), texts, () => this.buy());
    });
  }

  vehicles(held) {
    at("permit-vehicle").replaceChildren(...held.map((v) => element("option", v.plate, { value: v.id })));
  }

  async load() {
    const [mine, sold] = await Promise.all([this.api.ask("GET", "/v1/me/permits"), this.api.ask("GET", "/v1/permit-products")]);
    fillList("permits", mine.map((permit) => this.item(permit)), this.texts.permits_none);
    at("permit-product").replaceChildren(...sold.map((p) => element("option", `${p.facility} · ${this.name(p.name)} · ${yuan(p.price)}`, { value: p.id })));
    at("buy-permit").hidden = sold.length === 0;
    at("no-permits").hidden = sold.length > 0;
    at("no-permits").textContent = this.texts.permits_no_sale;
    const today = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai" }).format(new Date());
    at("permit-from").min = today;
    at("permit-from").value ||= today;
  }

  name(names) {
    return names[this.language] ?? Object.values(names)[0];
  }

  item(permit) {
    const { texts } = this;
    const item = element("li");
    item.append(row(this.name(permit.product), element("b", yuan(permit.price))),
      element("span", `${permit.starts_on} — ${permit.ends_on} `, { class: "quiet" }),
      element("span", texts[`permit_${permit.state}`], { class: "tag", "data-state": permit.state === "granted" ? "verified" : permit.state }));
    if (permit.state !== "granted") return item;
    const deeds = element("div", "", { class: "deeds" });
    deeds.append(smallButton(texts.permits_back, texts, async () => {
      if (!confirm(texts.permits_back_sure)) return;
      const { amount } = await this.api.ask("POST", `/v1/me/permits/${permit.id}/give-back`);
      await this.load();
      say(texts.permits_returned.replace("{amount}", yuan(amount)), true);
    }));
    item.append(deeds);
    return item;
  }

  async buy() {
    if (!at("permit-vehicle").value) return say(this.texts.parked_needs_vehicle);
    const wanted = { product_id: at("permit-product").value, vehicle_id: at("permit-vehicle").value, starts_on: at("permit-from").value };
    const { token, amount } = await this.api.ask("POST", "/v1/me/permits", wanted);
    this.pay(token, amount);
  }
}
