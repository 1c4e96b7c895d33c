// The pay page: plate, amount, pay, receipt. What is under way is kept for this tab, so that a reload, a way
// back or a lost network go on where they were; a payment that was asked for is found again by its token.
import { CardForm } from "./card_form.js";
import { PayApi, Refused, Offline, refusalText, yuan } from "./pay_api.js";
import { PlateField, written } from "./plate_field.js";

const { texts: textsText, language, place: scanned, returned } = document.body.dataset;
const texts = JSON.parse(textsText);
const KEPT = "parking-pay";
const REMEMBERED = "parking-plate";
const LEFT = "parking-pay-left";
const SHORTEST = 5;
const TRIES = 4;
const LONG_MS = 60_000;
const RECEIPT_LOOKS = 12;

const api = new PayApi(language);
const at = (id) => document.getElementById(id);
const message = at("message");
const steps = [...document.querySelectorAll("main > section")];
const card = new CardForm(at("card-field"), language);
const field = new PlateField(at("plate"), at("keys"), texts, () => say(""));

let kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
const place = scanned || (returned && kept.place) || "";
let busy = false;
let watch = 0;

function keep(more) {
  kept = { ...kept, ...more };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
}

function forget() {
  watch += 1;
  kept = {};
  sessionStorage.removeItem(KEPT);
  localStorage.removeItem(LEFT);
}

function show(step, { focus = true } = {}) {
  for (const section of steps) section.hidden = section.id !== `${step}-step`;
  document.body.dataset.step = step;
  for (const place of document.querySelectorAll("[data-amount]")) place.textContent = kept.amount ? yuan(kept.amount) : "";
  say("");
  if (focus) at(`${step}-title`).focus();
  scrollTo(0, 0);
}

function say(words) {
  message.textContent = words;
  message.hidden = !words;
  if (words) message.scrollIntoView({ block: "nearest" });
}

// One deed at a time: a second click finds the first one at work.
async function alone(button, words, deed) {
  if (busy) return;
  busy = true;
  const label = button.innerHTML;
  if (words) button.textContent = words;
  button.setAttribute("aria-busy", "true");
  say("");
  try {
    await deed();
  } catch (error) {
    say(refusalText(texts, error));
  } finally {
    busy = false;
    button.innerHTML = label;
    button.removeAttribute("aria-busy");
  }
}

async function lookUp() {
  const plate = field.value;
  if (plate.length < SHORTEST) {
    say(texts.plate_short);
    field.input.focus();
    return;
  }
  remember(plate);
  const offer = await api.offer(plate, place);
  forget();
  if (offer.amount === 0) {
    show("nothing");
    return;
  }
  keep({ offer: offer.token, amount: offer.amount, place });
  history.pushState({ step: "amount" }, "");
  showAmount();
}

function showAmount() {
  show("amount");
  at("amount").textContent = yuan(kept.amount);
  tellHold();
  at("for-plate").textContent = field.value ? texts.for_plate.replace("{plate}", written(field.value)) : "";
}

// What a booking holds while it is being paid, it does not hold for ever.
function tellHold() {
  const left = kept.back?.until ? Date.parse(kept.back.until) - Date.now() : 0;
  at("hold").hidden = !kept.back || kept.done;
  at("amount-step").querySelector("[data-restart]").hidden = Boolean(kept.back);
  const seconds = Math.max(0, Math.ceil(left / 1000));
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  at("hold").textContent = left > 0 ? texts.held_for.replace("{time}", time) : texts.held_over;
  if (left > 0 && !at("amount-step").hidden) setTimeout(tellHold, 1000);
}

async function startPaying(method) {
  let answer;
  try {
    answer = await insist(() => api.pay(kept.offer, method));
  } catch (error) {
    if (error.slug !== "offer-expired") throw error;
    await lookUpAgain();
    return;
  }
  keep({ payment: answer.payment, action: answer.action, left: undefined });
  follow(answer.state, answer.action);
}

async function lookUpAgain() {
  if (field.value.length < SHORTEST) restart();
  else await lookUp();
  say(texts.changed);
}

// A lost answer is asked for again: the token makes it the same payment.
async function insist(deed) {
  for (let left = TRIES; ; left -= 1) {
    try {
      return await deed();
    } catch (error) {
      const lost = error instanceof Offline || (error instanceof Refused && [502, 503, 504].includes(error.status));
      if (!lost || left <= 1) throw error;
      await pause(1000 * (TRIES - left + 1));
    }
  }
}

function follow(state, action) {
  if (state !== "pending" && state !== "created") settle(state);
  else if (action?.kind === "card_form") openCard(action);
  else if (action?.kind === "redirect") goAway(action, texts.to_alipay, texts.to_alipay_hint, true);
  else if (action?.kind === "qr") goAway(action, texts.open_wechat, "", false);
  else waitFor();
}

async function openCard(action) {
  show("card");
  at("card-pay").textContent = texts.card_pay.replace("{amount}", yuan(kept.amount));
  try {
    await card.open(action);
  } catch {
    say(texts.card_away);
  }
}

function goAway(action, label, hint, leave) {
  at("away-title").textContent = leave ? texts.to_alipay : texts.scan_wechat;
  at("away-link").textContent = label;
  at("away-link").href = action.url;
  at("away-hint").textContent = hint;
  at("qr").hidden = leave;
  if (!leave) at("qr").src = `/v1/pay/payments/${encodeURIComponent(kept.payment)}/qr.svg`;
  show("away");
  look();
  // Only once by itself: who came back without having paid decides anew.
  if (leave && !kept.left) {
    keep({ left: true });
    // A wallet may come back in another tab, which has none of what this one keeps.
    localStorage.setItem(LEFT, kept.payment);
    location.assign(action.url);
  }
}

function waitFor() {
  show("waiting");
  look();
}

// Look until it is decided; a later call, or starting anew, ends an earlier one.
async function look() {
  const mine = watch += 1;
  const since = Date.now();
  for (let n = 0; mine === watch; n += 1) {
    await pause(Math.min(700 + 300 * n, 5000));
    if (mine !== watch) return;
    try {
      const said = await api.look(kept.payment);
      if (mine !== watch) return;
      tellProgress(Date.now() - since > LONG_MS ? texts.waiting_long : "");
      if (!["pending", "created"].includes(said.state)) return settle(said.state, said);
      // The provider took its time to open it.
      if (said.action && !kept.action) return takeUp(said);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return restart();
      tellProgress(error instanceof Offline ? texts.offline : texts.away);
    }
  }
}

function takeUp(said) {
  keep({ action: said.action, amount: said.amount });
  follow(said.state, said.action);
}

function tellProgress(words) {
  for (const line of document.querySelectorAll("[data-progress]")) {
    const usual = line.closest("#waiting-step") ? texts.waiting_hint : texts.waiting;
    const next = words || usual;
    if (line.textContent !== next) line.textContent = next;
  }
}

function settle(state, said) {
  watch += 1;
  localStorage.removeItem(LEFT);
  if (said?.amount) keep({ amount: said.amount });
  if (state === "succeeded") showPaid();
  else {
    at("failed-title").textContent = state === "cancelled" ? texts.cancelled : texts.failed;
    keep({ payment: undefined, action: undefined, left: undefined });
    show("failed");
  }
}

async function showPaid() {
  keep({ offer: undefined, action: undefined, done: true });
  at("receipt").hidden = true;
  at("receipt-soon").hidden = false;
  at("back").hidden = !kept.back;
  if (kept.back) at("back").href = kept.back.href;
  at("paid-hint").textContent = kept.back ? texts.paid_booking : texts.paid_hint;
  show("paid");
  const mine = watch += 1;
  for (let n = 0; n < RECEIPT_LOOKS && mine === watch; n += 1) {
    const said = await api.look(kept.payment).catch(() => ({}));
    if (mine !== watch) return;
    if (said.receipt) {
      at("receipt").href = `/pay/receipt/${encodeURIComponent(said.receipt)}`;
      at("receipt").hidden = false;
      break;
    }
    await pause(500 + 300 * n);
  }
  at("receipt-soon").hidden = true;
}

function restart() {
  forget();
  show("plate", { focus: false });
  field.input.focus();
}

function remember(plate) {
  if (at("remember").checked) localStorage.setItem(REMEMBERED, plate);
  else localStorage.removeItem(REMEMBERED);
}

function pause(ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      removeEventListener("online", done);
      document.removeEventListener("visibilitychange", seen);
      resolve();
    }
    function seen() {
      if (!document.hidden) done();
    }
    addEventListener("online", done);
    document.addEventListener("visibilitychange", seen);
  });
}

at("plate-form").addEventListener("submit", (event) => {
  event.preventDefault();
  alone(at("look-up"), texts.looking, lookUp);
});
for (const way of document.querySelectorAll("[data-method]")) {
  way.addEventListener("click", () => alone(way, texts.opening, () => startPaying(way.dataset.method)));
}
at("card-form").addEventListener("submit", (event) => {
  event.preventDefault();
  alone(at("card-pay"), texts.opening, async () => {
    const why = await card.confirm();
    if (why) say(texts[why]);
    else waitFor();
  });
});
// What was paid is seen there; the next time this page is for something else.
at("back").addEventListener("click", () => sessionStorage.removeItem(KEPT));
at("try-again").addEventListener("click", () => (kept.offer ? showAmount() : restart()));
for (const button of document.querySelectorAll("[data-restart]")) button.addEventListener("click", restart);
for (const button of document.querySelectorAll("[data-another]")) {
  button.addEventListener("click", () => {
    watch += 1;
    keep({ left: undefined });
    showAmount();
  });
}
at("remember").addEventListener("change", () => { if (!at("remember").checked) localStorage.removeItem(REMEMBERED); });
at("switch-keyboard").addEventListener("click", () => {
  const phone = field.input.inputMode === "none";
  field.usePageKeyboard(!phone);
  at("switch-keyboard").textContent = phone ? texts.use_page_keyboard : texts.use_phone_keyboard;
  field.input.blur();
  field.input.focus();
});
addEventListener("popstate", (event) => {
  if (kept.done) return;
  watch += 1;
  if (event.state?.step === "amount" && kept.offer) showAmount();
  else show("plate");
});

function begin() {
  const known = localStorage.getItem(REMEMBERED);
  at("remember").checked = known !== null;
  if (known) field.value = known;
  if (returned) {
    history.replaceState({ step: "amount" }, "", place ? `/pay?p=${place}` : "/pay");
    // What the provider would have the payer do is done: now it is for it to say.
    keep({ payment: kept.payment ?? localStorage.getItem(LEFT) ?? undefined, action: { kind: "none" }, left: true });
  }
  if (returned && kept.payment && !kept.done) {
    waitFor();
  } else if (kept.done) {
    showPaid();
  } else if (kept.payment) {
    follow("pending", kept.action);
  } else if (kept.offer && kept.place === place) {
    showAmount();
  } else {
    forget();
    show("plate", { focus: false });
    if (matchMedia("(pointer: fine)").matches) field.input.focus();
  }
}

begin();
