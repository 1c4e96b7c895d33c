// A driver's bookings, the newest first.
import { fill, language, priceText, spanText, texts } from "./booking_words.js";
import { at, element, say } from "./page.js";
import { PayApi, refusalText } from "./pay_api.js";

const PAGE = 20;
const api = new PayApi(language);
let last = "";

function item(booking) {
  const made = element("li");
  const heading = element("h2");
  heading.append(element("a", booking.facility, { href: `/bookings/${booking.id}` }));
  const state = element("p", texts[`state_${booking.state}`], { class: "state", "data-state": booking.state });
  made.append(state, heading, element("p", spanText(booking.starts_at, booking.ends_at)),
    element("p", `${fill(texts.space, { n: booking.space })} · ${texts[`kind_${booking.kind}`]} · ${priceText(booking.price)}`, { class: "quiet" }));
  return made;
}

async function load() {
  try {
    const bookings = await api.ask("GET", `/v1/me/bookings?limit=${PAGE}${last && `&cursor=${last}`}`);
    at("bookings").append(...bookings.map(item));
    at("progress").textContent = at("bookings").children.length ? "" : texts.none;
    last = bookings.at(-1)?.id ?? last;
    at("older").hidden = bookings.length < PAGE;
  } catch (error) {
    at("progress").textContent = "";
    say(refusalText(texts, error));
  }
}

at("older").addEventListener("click", load);
load();
