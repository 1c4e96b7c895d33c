// The receipt page: print, ask for an invoice, object.
import { PayApi, refusalText } from "./pay_api.js";

const { texts: textsText, language, receipt } = document.body.dataset;
const texts = JSON.parse(textsText);
const api = new PayApi(language);
const message = document.getElementById("message");
const LOOKS = 15;
const ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY";

// GB 32100-2015: the last character of a unified social credit code follows from the others.
export function creditCodeHolds(code) {
  const values = [...code].map((c) => ALPHABET.indexOf(c));
  if (code.length !== 18 || values.includes(-1)) return false;
  const sum = values.slice(0, 17).reduce((total, value, n) => total + value * (3 ** n % 31), 0);
  return (31 - sum % 31) % 31 === values[17];
}

function say(words, good = false) {
  message.textContent = words;
  message.classList.toggle("good", good);
  message.setAttribute("role", good ? "status" : "alert");
  message.hidden = false;
  message.scrollIntoView({ block: "center" });
}

// A second click finds the first one at work.
async function send(form, path, body, done) {
  const button = form.querySelector("button[type=submit]");
  if (button.getAttribute("aria-busy")) return;
  const label = button.textContent;
  button.setAttribute("aria-busy", "true");
  button.textContent = texts.sending;
  message.hidden = true;
  try {
    await api.ask("POST", path, body);
    form.replaceWith(Object.assign(document.createElement("p"), { textContent: done }));
    say(done, true);
  } catch (error) {
    say(refusalText(texts, error));
  } finally {
    button.removeAttribute("aria-busy");
    button.textContent = label;
  }
}

function watchTaxNumber(form) {
  const field = form.elements.tax_number;
  const box = field.closest("label");
  const hint = box.querySelector("span");
  for (const radio of form.elements.title_kind) {
    radio.addEventListener("change", () => {
      box.hidden = form.elements.title_kind.value !== "company";
      field.required = !box.hidden;
    });
  }
  field.addEventListener("input", () => {
    const code = field.value.replace(/[\s-]/g, "").toUpperCase();
    const wrong = code.length === 18 && !creditCodeHolds(code);
    hint.textContent = wrong ? texts.tax_wrong : texts.tax_hint;
    hint.classList.toggle("wrong", wrong);
  });
}

// It is made a moment after the payment: who is that quick waits for it here.
async function waitForReceipt() {
  const soon = document.getElementById("soon");
  soon.hidden = false;
  for (let n = 0; n < LOOKS; n += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 400 + 200 * n); });
    const there = await api.ask("GET", `/v1/receipts/${encodeURIComponent(receipt)}`).catch(() => null);
    if (there) return location.reload();
  }
  soon.hidden = true;
}

if (document.getElementById("missing")) waitForReceipt();
for (const form of document.querySelectorAll("form.invoice")) {
  watchTaxNumber(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { title_kind, title, tax_number, email } = Object.fromEntries(new FormData(form));
    const asked = { receipt, number: form.dataset.number, title_kind, title, email };
    if (title_kind === "company") asked.tax_number = tax_number;
    send(form, "/v1/invoices", asked, texts.invoice_requested);
  });
}
for (const form of document.querySelectorAll("form.objection")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const said = { grounds: form.elements.grounds.value.trim(), receipt };
    send(form, `/v1/charges/${form.dataset.charge}/objections`, said, texts.object_sent);
  });
}
document.getElementById("print")?.addEventListener("click", () => print());
