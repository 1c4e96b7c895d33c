// Where a driver is told, besides on their page. Messages to the phone need a consent of their own.
import { at, once } from "./page.js";

export class ContactBox {
  constructor(api, texts) {
    this.api = api;
    this.texts = texts;
    at("sms").addEventListener("click", () => this.change("sms", () => (this.has.sms ? this.drop("sms") : api.ask("PUT", "/v1/me/contacts/own-phone"))));
    at("mail-off").addEventListener("click", () => this.change("mail-off", () => this.drop("mail")));
    at("mail-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const language = document.documentElement.lang;
      this.change("mail", () => api.ask("PUT", "/v1/me/contacts", { channel: "mail", address: at("mail").value.trim(), language }));
    });
  }

  drop(channel) {
    return this.api.ask("DELETE", `/v1/me/contacts/${channel}`);
  }

  change(id, deed) {
    return once(at(id), this.texts, async () => {
      await deed();
      await this.load();
    });
  }

  async load() {
    const [contacts, consents] = await Promise.all([this.api.ask("GET", "/v1/me/contacts"), this.api.ask("GET", "/v1/me/consents")]);
    const sms = consents.find((consent) => consent.purpose === "sms");
    this.has = Object.fromEntries(contacts.map((contact) => [contact.channel, contact.address]));
    if (!sms.agreed) delete this.has.sms;
    at("sms-words").textContent = sms.body;
    at("sms-words").hidden = Boolean(this.has.sms);
    at("sms").textContent = this.has.sms ? `${this.texts.sms_off} (${this.has.sms})` : this.texts.sms_on;
    at("sms").hidden = false;
    at("mail-form").hidden = Boolean(this.has.mail);
    at("mail-off").hidden = !this.has.mail;
    at("mail-off").textContent = `${this.texts.mail_off} (${this.has.mail ?? ""})`;
  }
}
