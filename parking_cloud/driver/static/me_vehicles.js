// A driver's vehicles: claimed by typing the plate, proved by a photo of the licence or at the barrier.
import { at, element, fillList, once, row, say, smallButton } from "./page.js";
import { NoPhoto, shrunk } from "./photo.js";
import { normalise, written } from "./plate_field.js";

export class VehicleBox {
  constructor(api, texts, changed) {
    this.api = api;
    this.texts = texts;
    this.changed = changed;
    at("add-vehicle").addEventListener("submit", (event) => this.add(event));
    at("new-plate").addEventListener("blur", () => { at("new-plate").value = written(normalise(at("new-plate").value)); });
  }

  // Those that are proved to be the driver's.
  async load() {
    const all = await this.api.ask("GET", "/v1/me/vehicles");
    fillList("vehicles", all.map((vehicle) => this.item(vehicle)), this.texts.no_vehicles);
    return all.filter((vehicle) => vehicle.state === "verified");
  }

  add(event) {
    event.preventDefault();
    once(event.submitter ?? at("new-plate"), this.texts, async () => {
      await this.api.ask("POST", "/v1/me/vehicles", { plate: normalise(at("new-plate").value) });
      at("new-plate").value = "";
      await this.load();
    });
  }

  item(vehicle) {
    const { texts } = this;
    const item = element("li");
    item.append(row(vehicle.plate, element("span", texts[vehicle.state], { class: "tag", "data-state": vehicle.state })));
    if (vehicle.proof) item.append(element("p", texts[`by_${vehicle.proof}`], { class: "quiet" }));
    if (vehicle.reason) item.append(element("p", vehicle.reason, { class: "quiet" }));
    if (vehicle.state === "refused") return item;
    const deeds = element("div", "", { class: "deeds" });
    if (vehicle.state === "pending") {
      if (vehicle.licence_sent) item.append(element("p", texts.licence_sent, { class: "quiet" }));
      deeds.append(this.sending(vehicle));
    }
    deeds.append(smallButton(texts.remove, texts, async () => {
      if (!confirm(texts.remove_sure)) return;
      await this.api.ask("DELETE", `/v1/me/vehicles/${vehicle.id}`);
      await this.changed();
    }));
    item.append(deeds);
    return item;
  }

  sending(vehicle) {
    const { texts } = this;
    const label = element("label", vehicle.licence_sent ? texts.licence_again : texts.licence_send, { class: "file small" });
    const input = element("input", "", { type: "file", accept: "image/*" });
    input.addEventListener("change", () => once(input, texts, async () => {
      if (!input.files.length) return;
      try {
        await this.api.send(`/v1/me/vehicles/${vehicle.id}/licence`, { photo: await shrunk(input.files[0]) });
      } catch (error) {
        if (!(error instanceof NoPhoto)) throw error;
        return say(texts.photo_unusable);
      }
      await this.load();
      say(texts.licence_done, true);
    }));
    label.append(input);
    return label;
  }
}
