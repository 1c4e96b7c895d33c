// A signed-in driver's page. Everything shown is of vehicles that are verified as theirs.
import { ContactBox } from "./me_contacts.js";
import { MandateBox } from "./me_mandate.js";
import { ParkedBox } from "./me_parked.js";
import { PermitBox } from "./me_permits.js";
import { loadReports } from "./me_reports.js";
import { VehicleBox } from "./me_vehicles.js";
import { at, element, fillList as fill, once, row, say, smallButton } from "./page.js";
import { PayApi, refusalText, yuan } from "./pay_api.js";

const { texts: textsText, language } = document.body.dataset;
const texts = JSON.parse(textsText);
const api = new PayApi(language);
const clock = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
  timeZone: "Asia/Shanghai", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const NOTICES = 10;

const time = (text) => clock.format(new Date(text));
const tag = (state, words) => element("span", words, { class: "tag", "data-state": state });

const button = (label, deed) => smallButton(label, texts, deed);

async function loadOwed() {
  const owed = await api.ask("GET", "/v1/me/arrears");
  const sum = owed.reduce((total, charge) => total + charge.owed, 0);
  fill("owed", owed.map(owedItem), texts.nothing_owed);
  at("pay-all").hidden = sum === 0;
  at("pay-all").textContent = texts.pay_all.replace("{amount}", yuan(sum));
  at("pay-all").onclick = () => once(at("pay-all"), texts, () => pay(owed.map((charge) => charge.charge_id)));
}

function owedItem(charge) {
  const item = element("li");
  item.append(row(charge.facility, element("b", yuan(charge.owed))), element("span", `${time(charge.final_at)} `, { class: "quiet" }),
    tag(charge.stage, texts[charge.stage]));
  if (charge.paused) item.append(" ", tag("paused", texts.paused));
  else if (charge.only_informs) item.append(" ", tag("", texts.only_informs));
  return item;
}

// The pay page goes on from an offer that it finds in this tab.
async function pay(charges) {
  const { amount, token } = await api.ask("POST", "/v1/me/offers", { charges });
  if (amount === 0) return loadOwed();
  goAndPay(token, amount);
}

function goAndPay(token, amount) {
  sessionStorage.setItem("parking-pay", JSON.stringify({ offer: token, amount, place: "" }));
  location.assign("/pay");
}

let before = "";

async function loadStays() {
  const page = await api.ask("GET", `/v1/me/stays${before ? `?before=${encodeURIComponent(before)}` : ""}`);
  const items = page.items.map(stayItem);
  if (before) at("stays").append(...items);
  else fill("stays", items, texts.no_stays);
  before = page.next_before ?? "";
  at("older").hidden = !before;
}

function newestStays() {
  before = "";
  return loadStays();
}

function stayItem(stay) {
  const item = element("li");
  const { charge } = stay;
  const amount = charge && stay.state !== "void" ? yuan(charge.amount) : "";
  item.append(row(stay.facility, element("b", amount)),
    element("span", `${time(stay.entered_at)} — ${stay.left_at ? time(stay.left_at) : texts.still_there} `, { class: "quiet" }),
    stayTag(stay));
  if (charge?.lines.length) item.append(lines(charge.lines));
  const deeds = element("div", "", { class: "deeds" });
  for (const token of charge?.receipts ?? []) deeds.append(element("a", texts.receipt, { href: `/pay/receipt/${token}` }));
  if (charge?.state === "due") deeds.append(button(texts.pay_all.replace("{amount}", yuan(charge.owed)), () => pay([charge.id])));
  if (["due", "settled"].includes(charge?.state) && charge.amount > 0) deeds.append(button(texts.object, () => objectTo(charge, item)));
  if (stay.left_at && stay.state === "closed") deeds.append(element("a", texts.rate, { href: `/rate/${stay.id}` }));
  item.append(deeds);
  return item;
}

function stayTag({ state, charge }) {
  if (state === "review" || state === "void") return tag(state, texts[`state_${state}`]);
  if (state === "open" || !charge) return tag("", state === "open" ? texts.still_there : texts.free);
  return tag(charge.state, texts[charge.state]);
}

function lines(of) {
  const box = element("details");
  box.append(element("summary", texts.details), ...of.map((line) => {
    const words = element("p");
    words.append(element("span", line.reason[language]), element("span", yuan(line.amount)));
    return words;
  }));
  return box;
}

function objectTo(charge, item) {
  if (item.querySelector("form")) return item.querySelector("textarea").focus();
  const form = element("form");
  const field = element("textarea", "", { required: "", minlength: "4", maxlength: "1000", rows: "3", "aria-label": texts.object_why, placeholder: texts.object_why });
  const send = element("button", texts.object, { type: "submit" });
  form.append(field, send);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    once(send, texts, async () => {
      await api.ask("POST", `/v1/charges/${charge.id}/objections`, { grounds: field.value.trim() });
      form.remove();
      say(texts.object_sent, true);
      await loadOwed();
    });
  });
  item.append(form);
  field.focus();
}

async function loadNotices() {
  const { items, unread } = await api.ask("GET", `/v1/me/notices?limit=${NOTICES}`);
  at("unread").hidden = unread === 0;
  at("unread").textContent = texts.unread.replace("{n}", unread);
  fill("notices", items.map((notice) => {
    const item = element("li");
    item.append(row(notice.title, element("span", time(notice.created_at), { class: "quiet" })), element("p", notice.body, { class: "quiet" }));
    if (!notice.read_at) {
      const deeds = element("div", "", { class: "deeds" });
      deeds.append(button(texts.read, async () => {
        await api.ask("POST", `/v1/me/notices/${notice.id}/read`);
        await loadNotices();
      }));
      item.append(deeds);
    }
    return item;
  }), texts.no_notices);
}

async function loadAll() {
  before = "";
  const mine = vehicles.load().then((held) => { parked.vehicles(held); permits.vehicles(held); });
  const loads = [loadOwed(), mine, loadStays(), loadNotices(), mandate.load(), parked.load(), permits.load(), contacts.load(), loadReports(api, texts, time)];
  const failed = (await Promise.allSettled(loads)).find((load) => load.status === "rejected");
  if (failed?.reason.status === 401) location.reload();
  else if (failed) say(refusalText(texts, failed.reason));
}

at("older").addEventListener("click", () => once(at("older"), texts, loadStays));

const mandate = new MandateBox(api, texts, language);
const vehicles = new VehicleBox(api, texts, loadAll);
const parked = new ParkedBox(api, texts, { time, after: newestStays });
const permits = new PermitBox(api, texts, { language, pay: goAndPay });
const contacts = new ContactBox(api, texts);
await loadAll();
