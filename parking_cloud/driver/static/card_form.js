// The provider's own card field: the number goes from it to the provider, and never through us.
const STYLE = { base: { fontSize: "17px", color: "#14201f", "::placeholder": { color: "#66747a" } } };
const WORDS = {
  insufficient_funds: "card_insufficient_funds",
  expired_card: "card_expired_card",
  payment_intent_authentication_failure: "card_authentication",
};

export class CardForm {
  constructor(field, language) {
    this.field = field;
    this.language = language;
  }

  async open(action) {
    this.secret = action.client_secret;
    await loadScript(action.script_url);
    this.provider = globalThis.Stripe(action.publishable_key, { locale: this.language === "en" ? "en" : "zh" });
    this.card?.destroy?.();
    this.card = this.provider.elements().create("card", { style: STYLE, hidePostalCode: true });
    this.card.mount(this.field);
  }

  // Empty: the provider has taken it, and the platform will hear of it. Else the name of the words for why not.
  async confirm() {
    const result = await this.provider.confirmCardPayment(this.secret, { payment_method: { card: this.card } });
    return result.error ? reason(result.error) : "";
  }

  // Nothing is paid now: the provider keeps the card. True where it does.
  async keep() {
    const result = await this.provider.confirmCardSetup(this.secret, { payment_method: { card: this.card } });
    return !result.error || result.error.setup_intent?.status === "succeeded";
  }
}

function reason(error) {
  // What was confirmed before needs no second confirming: the platform knows.
  if (error.payment_intent?.status === "succeeded") return "";
  const code = error.decline_code || error.code || "";
  if (WORDS[code]) return WORDS[code];
  if (/^(incorrect|invalid|incomplete)_/.test(code)) return "card_incorrect";
  return error.type === "api_connection_error" || error.type === "api_error" ? "card_away" : "card_declined";
}

function loadScript(address) {
  if (globalThis.Stripe) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => { script.remove(); reject(new Error(address)); });
    document.head.append(script);
  });
}
