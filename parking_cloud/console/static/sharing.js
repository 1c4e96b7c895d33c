// A facility's plan: the form as the API's JSON, with a preview that follows it.
const main = document.querySelector("main[data-facility]");
const words = JSON.parse(main.dataset.words);
const numbers = JSON.parse(main.dataset.numbers);
const base = `/v1/sharing/plans/${main.dataset.facility}`;
const form = document.getElementById("plan-form");
const said = document.querySelector(".said");
const language = document.documentElement.lang;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const minutes = (time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
const clock = (minute) => {
  const two = (n) => String(n).padStart(2, "0");
  return `${two(Math.floor((minute % 1440) / 60))}:${two(minute % 60)}`;
};
const fen = (yuan) => (yuan.trim() === "" ? null : Math.round(Number(yuan) * 100));
const moment = (local) => (local ? `${local}:00+08:00` : "");

const say = (text, bad = false) => {
  said.textContent = text;
  said.classList.toggle("bad", bad);
  if (text) said.scrollIntoView({ block: "nearest" });
};

async function ask(path, method = "GET", body = undefined) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", "Accept-Language": language },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error(words.no_network);
  }
  const told = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) {
    const errors = (told?.errors ?? []).map((error) => error.message).join("; ");
    throw new Error([told?.title, told?.detail, errors].filter(Boolean).join(" "));
  }
  return told;
}

const act = async (deed) => {
  try {
    await deed();
    location.reload();
  } catch (error) {
    say(words.failed + error.message, true);
  }
};

function spaceIds(text) {
  if (!text.trim()) return null;
  const known = Object.keys(numbers);
  return text.split(/[,，\s]+/).filter(Boolean).flatMap((part) => {
    const [first, last = first] = part.split("-");
    const from = known.indexOf(first);
    const to = known.indexOf(last);
    if (from < 0 || to < from) throw new Error(part);
    return known.slice(from, to + 1).map((number) => numbers[number]);
  });
}

function stated(published) {
  const windows = [...document.querySelectorAll("#windows .window")].map((row) => {
    const until = minutes(row.querySelector("[data-until]").value);
    return {
      days: [...row.querySelectorAll("[data-days]:checked")].flatMap((box) => box.dataset.days.split(" ")),
      start: minutes(row.querySelector("[data-start]").value),
      until: until + (row.querySelector("[data-next-day]").checked ? 1440 : 0),
      space_ids: spaceIds(row.querySelector("[data-spaces]").value),
    };
  });
  return {
    work_start: minutes(form.work_start.value),
    work_end: minutes(form.work_end.value),
    windows: windows.filter((window) => window.days.length),
    price_hour: fen(form.price_hour.value),
    price_evening: fen(form.price_evening.value),
    price_month: fen(form.price_month.value),
    walk_in: form.walk_in.checked,
    exemption: form.exemption?.value ?? "",
    note: form.note.value,
    published,
  };
}

function addWindow(window = null) {
  const row = document.getElementById("window").content.firstElementChild.cloneNode(true);
  if (window) {
    for (const box of row.querySelectorAll("[data-days]")) {
      box.checked = window.days.includes(box.dataset.days.split(" ")[0]);
    }
    row.querySelector("[data-start]").value = clock(window.start);
    row.querySelector("[data-until]").value = clock(window.until);
    row.querySelector("[data-next-day]").checked = window.until >= 1440;
  }
  document.getElementById("windows").append(row);
  return row;
}

const line = (text, kind = "") => {
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  paragraph.className = kind;
  return paragraph;
};

function comparison(compared) {
  const table = document.createElement("table");
  const row = (cells, tag = "td") => {
    const tr = table.insertRow();
    for (const text of cells) {
      const cell = document.createElement(tag);
      cell.textContent = text;
      tr.append(cell);
    }
  };
  const yuan = (amount) => `¥${(amount / 100).toFixed(2)}`;
  row([words.stay, words.ours, words.nearby], "th");
  for (const each of compared) {
    const at = new Intl.DateTimeFormat(language, {
      timeZone: "Asia/Shanghai", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false,
    }).format(new Date(each.starts_at));
    const theirs = each.theirs.map((their) => `${their.facility} ${yuan(their.amount)}`).join(", ");
    const what = each.kind === "hour" ? "" : ` · ${words[each.kind]}`;
    row([`${at} · ${fill(words.hours, { n: each.hours })}${what}`, yuan(each.ours), theirs]);
  }
  return table;
}

let asked = 0;
async function preview() {
  const mine = ++asked;
  const shown = document.getElementById("preview");
  let seen;
  try {
    seen = await ask(`${base}/preview`, "POST", stated(true));
  } catch (error) {
    if (mine === asked) shown.replaceChildren(line(error.message, "bad"));
    return;
  }
  if (mine !== asked) return;
  const lines = [line(fill(words.week, { hours: seen.hours_a_week, spaces: seen.spaces }))];
  for (const short of seen.shortfalls) lines.push(line(fill(words[`short_${short.what}`], short), "warn"));
  if (!seen.shortfalls.length) lines.push(line(words.enough));
  if (seen.unknown.length) lines.push(line(fill(words.unknown, { day: seen.unknown[0] }), "warn"));
  if (seen.too_dear) lines.push(line(words.too_dear, "bad"));
  else if (seen.dearer_than_the_nearest) lines.push(line(words.dearer, "warn"));
  if (seen.none_near) lines.push(line(words.none_near, "warn"));
  else if (seen.compared.length) lines.push(line(words.compared), comparison(seen.compared));
  shown.replaceChildren(...lines);
}

let waiting;
const soon = () => {
  clearTimeout(waiting);
  waiting = setTimeout(preview, 400);
};

form.addEventListener("input", soon);
form.addEventListener("click", (event) => {
  if (event.target.matches("[data-remove]")) {
    event.target.closest(".window").remove();
    soon();
  }
});
document.getElementById("add-window").addEventListener("click", () => {
  addWindow().querySelector("input").focus();
  soon();
});
document.getElementById("template").addEventListener("click", async () => {
  const hours = `work_start=${minutes(form.work_start.value)}&work_end=${minutes(form.work_end.value)}`;
  try {
    const template = await ask(`/v1/sharing/plans/template?${hours}`);
    document.getElementById("windows").replaceChildren();
    template.windows.forEach(addWindow);
    preview();
  } catch (error) {
    say(error.message, true);
  }
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  act(() => ask(base, "PUT", stated(true)));
});
document.getElementById("draft").addEventListener("click", () => act(() => ask(base, "PUT", stated(false))));

const closing = document.getElementById("closing-form");
closing.addEventListener("input", async () => {
  const [start, end] = [moment(closing.start.value), moment(closing.end.value)];
  if (!start || !end) return;
  const query = `start=${encodeURIComponent(start)}&end=${encodeURIComponent(end)}`;
  try {
    document.getElementById("concerned").textContent = fill(words.concerned, await ask(`${base}/concerned?${query}`));
  } catch (error) {
    say(error.message, true);
  }
});
closing.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = { starts_at: moment(closing.start.value), ends_at: moment(closing.end.value), reason: closing.reason.value };
  act(() => ask(`${base}/closings`, "POST", body));
});

const exception = document.getElementById("exception-form");
exception.addEventListener("submit", (event) => {
  event.preventDefault();
  act(() => ask(`${base}/exceptions`, "POST", {
    day: exception.day.value,
    start: minutes(exception.start.value),
    until: minutes(exception.until.value) || 1440,
    open: exception.open.value === "1",
    reason: exception.reason.value,
  }));
});

main.addEventListener("click", (event) => {
  const { lift, drop } = event.target.dataset;
  if (lift) act(() => ask(`${base}/closings/${lift}/lift`, "POST"));
  if (drop) act(() => ask(`${base}/exceptions/${drop}`, "DELETE"));
});

preview();
