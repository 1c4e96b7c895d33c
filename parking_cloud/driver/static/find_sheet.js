// What is known of one place, and what can be done: go there, book, or say that one has parked.
import { bandPicture, chance, fillCard, number, reasons, scoreText, tags, wayText } from "./find_cards.js";
import { element } from "./page.js";
import { PayApi, yuan } from "./pay_api.js";
import { fill, language, nameOf, priceText, stayText, texts, timeText } from "./words.js";

const WINDOWS = 6;
const NARROW = matchMedia("(max-width: 859px)");
const api = new PayApi(language);

export class Sheet {
  constructor(dialog, onClose) {
    this.dialog = dialog;
    this.place = null;
    dialog.addEventListener("close", () => { this.place = null; onClose(); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    // Beside the map it is no modal dialog, and closes by the same key all the same.
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && dialog.open) dialog.close(); });
  }

  open(place, view) {
    this.place = place;
    this.view = view;
    this.told = false;
    this.dialog.replaceChildren(...this.parts(place, view));
    fillCard(this.dialog, place, view);
    if (!this.dialog.open) {
      if (NARROW.matches) this.dialog.showModal();
      else this.dialog.show();
    }
    this.dialog.querySelector("h2").focus();
  }

  update(place) {
    if (this.place?.facility.id === place.facility.id) fillCard(this.dialog, place, this.view);
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  parts(place, view) {
    const { facility } = place;
    const top = element("div", "", { class: "top" });
    const close = element("button", texts.close, { type: "button" });
    close.addEventListener("click", () => this.close());
    top.append(element("h2", nameOf(facility), { id: "sheet-title", tabindex: "-1" }), close);
    const facts = element("div", "", { class: "facts" });
    const told = element("div");
    told.append(element("p", facility.address), element("p", wayText(place, view), { class: "quiet" }), element("p", "", { class: "age quiet" }));
    facts.append(told, number());
    const drive = place.drive_s === null || view.elsewhere ? [] : [element("p", fill(texts.drive, Math.max(1, Math.round(place.drive_s / 60))), { class: "quiet" })];
    return [top, facts, chance(place), bandPicture(place), tags(place), ...drive, ...this.deeds(place, view), ...this.price(place, view), ...this.rest(place, view)];
  }

  deeds(place, { arriveAt, stay, oldAt }) {
    const { facility } = place;
    const box = element("div", "", { class: "actions" });
    const go = element("button", texts.go, { type: "button", class: "primary", "aria-expanded": "false", "aria-controls": "maps" });
    const maps = this.maps(place, arriveAt);
    go.addEventListener("click", () => {
      maps.hidden = !maps.hidden;
      go.setAttribute("aria-expanded", String(!maps.hidden));
      if (!maps.hidden) maps.querySelector("a").focus();
    });
    box.append(go);
    if (place.booking && !oldAt) {
      const query = new URLSearchParams({ facility: facility.id, start: arriveAt, minutes: stay });
      box.append(element("a", texts.book, { class: "button", href: `/book?${query}` }));
    }
    box.append(element("a", texts.parked, { class: "button", href: "/me#parked-title" }));
    return [box, maps];
  }

  maps(place, arriveAt) {
    const box = element("div", "", { id: "maps", class: "maps", role: "group", "aria-label": texts.go_with });
    box.hidden = true;
    const names = ["amap", "baidu", "tencent", ...(/iPhone|iPad|Macintosh/.test(navigator.userAgent) ? ["apple"] : [])];
    for (const name of names) {
      const link = element("a", texts[name], { class: "button", href: place.facility.open_in[name], rel: "noopener noreferrer", target: "_blank" });
      link.addEventListener("click", () => {
        // One driver goes there, however many maps they look at.
        if (!this.told) chosen(place.facility.id, arriveAt);
        this.told = true;
      });
      box.append(link);
    }
    return box;
  }

  price(place, { arriveAt, stay, vehicle }) {
    const words = element("p");
    words.append(element("b", priceText(place.price)), ` ${fill(texts.for_stay, stayText(stay))}`);
    const more = element("details");
    more.append(element("summary", texts.price_lines));
    more.addEventListener("toggle", async () => {
      if (!more.open || more.children.length > 1) return;
      more.append(await lines({ facility: place.facility.code, entered_at: arriveAt, minutes: stay, vehicle }));
    });
    return [element("h3", words.textContent), ...(place.price === null ? [] : [more])];
  }

  windows(facility) {
    const more = element("details");
    more.append(element("summary", texts.windows));
    more.addEventListener("toggle", async () => {
      if (more.open && more.children.length === 1) more.append(await openTimes(facility.code));
    });
    return more;
  }

  rest(place, view) {
    const { facility } = place;
    const parts = [element("h3", texts.hours_open), element("p", facility.opening_hours || texts.hours_unknown)];
    const counts = [
      facility.height_limit_cm && fill(texts.height_limit, facility.height_limit_cm / 100),
      facility.accessible_spaces && fill(texts.accessible_n, facility.accessible_spaces),
      facility.charging_spaces && fill(texts.charging_n, facility.charging_spaces),
      facility.large_spaces && fill(texts.large_n, facility.large_spaces),
      facility.shared_spaces && fill(texts.shared_n, facility.shared_spaces),
    ].filter(Boolean);
    if (counts.length) parts.push(element("p", counts.join(" · "), { class: "quiet" }));
    if (facility.shared_spaces) parts.push(this.windows(facility));
    const score = element("p");
    score.append(`${scoreText(place.score)} `, element("a", texts.score_lines, { href: `/quality/facilities/${encodeURIComponent(facility.code)}` }));
    parts.push(score);
    const why = reasons(place, view, "li");
    if (why.length) {
      const list = element("ul");
      list.append(...why);
      parts.push(element("h3", texts.why), list);
    }
    return parts;
  }
}

// When an institution's spaces are open to everybody, in the coming days.
async function openTimes(code) {
  const now = Math.ceil(Date.now() / 300_000) * 300_000;
  const asked = { facility: code, start: new Date(now).toISOString(), end: new Date(now + 3600_000).toISOString() };
  const [offer] = await api.ask("GET", `/v1/sharing/offers?${new URLSearchParams(asked)}`).catch(() => []);
  const list = element("ul");
  list.append(...(offer?.open ?? []).slice(0, WINDOWS).map((slot) => element("li", `${timeText(slot.starts_at)} – ${timeText(slot.ends_at)}`)));
  return list.children.length ? list : element("p", texts.windows_none);
}

// The next driver is told of a smaller chance. Nobody is named, and going there waits for nothing.
function chosen(facility, arriveAt) {
  fetch("/v1/guidance/choices", {
    method: "POST", credentials: "omit", keepalive: true, headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ facility, arrive_at: arriveAt }),
  }).catch(() => {});
}

async function lines(stay) {
  try {
    const quote = await api.ask("POST", "/v1/tariffs/quote", stay);
    const table = element("table", "", { class: "lines" });
    for (const line of quote.lines) {
      const row = element("tr");
      row.append(element("td", line.reason[language]), element("td", yuan(line.amount)));
      table.append(row);
    }
    return table;
  } catch {
    return element("p", texts.price_away);
  }
}
