// A driver's data: what they agreed to, where they are signed in, taking it away, and leaving.
import { at, element, fillList, once, row, say, smallButton } from "./page.js";
import { PayApi, refusalText, yuan } from "./pay_api.js";

const { texts: textsText, language } = document.body.dataset;
const texts = JSON.parse(textsText);
const api = new PayApi(language);
const clock = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
  timeZone: "Asia/Shanghai", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const time = (text) => clock.format(new Date(text));

async function loadConsents() {
  const asked = await api.ask("GET", "/v1/me/consents");
  fillList("consents", asked.map(consentItem), "");
}

function consentItem(consent) {
  const item = element("li");
  const current = consent.agreed === consent.version;
  const state = current ? texts.agreed_at.replace("{time}", time(consent.given_at)) : consent.agreed ? texts.changed : "";
  item.append(row(consent.title, state && element("span", state, { class: "tag" })), element("p", consent.body));
  const deeds = element("div", "", { class: "deeds" });
  const change = (label, deed) => deeds.append(smallButton(label, texts, async () => {
    await deed();
    await loadConsents();
  }));
  if (!current) change(texts.agree, () => agree(consent));
  if (consent.agreed) change(texts.withdraw, () => api.ask("DELETE", `/v1/me/consents/${consent.purpose}`));
  item.append(deeds);
  return item;
}

// Messages go to the phone that one signs in by.
function agree(consent) {
  if (consent.purpose === "sms") return api.ask("PUT", "/v1/me/contacts/own-phone");
  return api.ask("PUT", `/v1/me/consents/${consent.purpose}`, { version: consent.version });
}

async function loadSessions() {
  const sessions = await api.ask("GET", "/v1/me/sessions");
  fillList("sessions", sessions.map((session) => {
    const item = element("li");
    item.append(row(session.device, element("span", time(session.begun_at), { class: "quiet" })));
    if (session.current) item.append(element("span", texts.this_one, { class: "tag" }));
    else {
      item.append(smallButton(texts.end_one, texts, async () => {
        await api.ask("DELETE", `/v1/me/sessions/${session.id}`);
        await loadSessions();
        say(texts.ended, true);
      }));
    }
    return item;
  }), "—");
}

async function lookAtClosing() {
  const told = await api.ask("GET", "/v1/me/closing");
  const amount = yuan(told.owed_total);
  at("owed").hidden = at("know").hidden = told.owed_total === 0;
  at("owed").textContent = texts.owed.replace("{amount}", amount);
  at("know").querySelector("span").textContent = texts.close_owed.replace("{amount}", amount);
  at("know-box").checked = false;
  at("bookings").hidden = told.bookings.length === 0;
  at("bookings").textContent = texts.bookings.replace("{n}", told.bookings.length);
  fillList("kept", told.kept.map((kept) => {
    const item = element("li");
    item.append(element("b", kept.title), element("p", kept.confirmed ? kept.why : `${kept.why} (${texts.unconfirmed})`));
    return item;
  }), "—");
  at("closing").hidden = false;
  at("close-now").onclick = () => once(at("close-now"), texts, () => close(told.owed_total));
}

async function close(owed) {
  if (owed > 0 && !at("know-box").checked) {
    say(at("owed").textContent);
    return at("know-box").focus();
  }
  if (!confirm(texts.close_sure)) return;
  await api.ask("DELETE", `/v1/me?owed=${owed}`);
  say(texts.closed, true);
  location.assign("/");
}

at("end-all").addEventListener("click", () => once(at("end-all"), texts, async () => {
  await api.ask("DELETE", "/v1/me/sessions");
  location.assign("/sign-in");
}));
at("close-look").addEventListener("click", () => once(at("close-look"), texts, lookAtClosing));

const failed = (await Promise.allSettled([loadConsents(), loadSessions()])).find((load) => load.status === "rejected");
if (failed?.reason.status === 401) location.reload();
else if (failed) say(refusalText(texts, failed.reason));
