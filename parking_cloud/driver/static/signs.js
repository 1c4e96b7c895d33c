// Boards as drivers see them. Each fetches as a real one does: with its version, and blank by itself when
// nothing was heard for too long. The lamps are drawn from the browser's own letters, a dot a pixel.
const texts = JSON.parse(document.body.dataset.texts);
const EVERY_MS = Number(document.body.dataset.every) * 1000;
const CELL = 16;
const LAMPS = { open: "#3dff7c", full: "#ff4a3d", closed: "#ff4a3d", blank: "#6a5a30" };
const LABEL = "#ffb000";
const OFF = "#1a201e";
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);

class Board {
  constructor(element) {
    this.element = element;
    this.led = element.querySelector(".led");
    this.status = element.querySelector(".status");
    this.columns = Number(element.dataset.columns);
    this.tag = "";
    this.rows = [];
    this.heardAt = performance.now();
    this.blankAfter = 120;
  }

  async fetch() {
    const time = new Date().toLocaleTimeString("zh-CN", { hour12: false });
    try {
      const headers = this.tag ? { "If-None-Match": this.tag } : {};
      const answer = await fetch(`/v1/signs/${encodeURIComponent(this.element.dataset.code)}`, { headers, cache: "no-store" });
      if (answer.status !== 304 && !answer.ok) throw new Error(String(answer.status));
      this.heardAt = performance.now();
      if (answer.status === 304) return this.say(fill(texts.same, { n: time }));
      this.tag = answer.headers.get("etag") ?? "";
      const content = await answer.json();
      this.blankAfter = content.blank_after_s;
      this.show(content.rows);
      this.say(fill(texts.fetched, { n: time }));
    } catch {
      this.say(fill(texts.away, { n: time, s: this.blankAfter }));
      if (performance.now() - this.heardAt > this.blankAfter * 1000) this.goBlank();
    }
  }

  say(text) {
    this.status.textContent = text;
  }

  goBlank() {
    this.tag = "";
    if (!this.rows.length) return this.blankAsLoaded();
    this.show(this.rows.map((row) => ({ ...row, state: "blank", number: null, value: "—", line: `${row.line.slice(0, row.line.length - row.value.length)}—` })));
  }

  // Nothing was ever fetched: what stands there is from when the page was made.
  blankAsLoaded() {
    for (const item of this.led.children) {
      item.dataset.state = "blank";
      item.querySelector(".line").textContent = texts.blank;
    }
  }

  show(rows) {
    this.rows = rows;
    this.led.classList.add("drawn");
    this.led.replaceChildren(...rows.map((row) => this.row(row)));
  }

  row(row) {
    const item = document.createElement("li");
    item.dataset.state = row.state;
    const words = document.createElement("span");
    words.className = "line";
    words.textContent = inWords(row);
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    lamps(canvas, row, this.columns);
    item.append(words, canvas);
    return item;
  }
}

function inWords({ arrow, label, state, number, partial }) {
  const what = state === "open" && number !== null ? fill(partial ? texts.at_least : texts.free, { n: number }) : texts[state];
  return [arrow === "none" ? "" : texts[arrow], label, what].filter(Boolean).join(" ");
}

const wide = (c) => c.codePointAt(0) > 0x2000;

// A row of lamps: `columns` half-width characters of 8 by 16 dots.
function lamps(canvas, { line, value, state }, columns) {
  const dot = 4;
  canvas.width = columns * (CELL / 2) * dot;
  canvas.height = CELL * dot;
  const pen = canvas.getContext("2d");
  const letters = [...line];
  const valueFrom = letters.length - [...value].length;
  let column = 0;
  letters.forEach((letter, index) => {
    const width = wide(letter) ? CELL : CELL / 2;
    const colour = index >= valueFrom ? LAMPS[state] : LABEL;
    const dots = dotsOf(letter, width);
    for (let y = 0; y < CELL; y += 1) {
      for (let x = 0; x < width; x += 1) {
        pen.fillStyle = dots[y * width + x] ? colour : OFF;
        pen.beginPath();
        pen.arc((column + x + 0.5) * dot, (y + 0.5) * dot, dots[y * width + x] ? 2.1 : 1, 0, 7);
        pen.fill();
      }
    }
    column += width;
  });
}

const known = new Map();

function dotsOf(letter, width) {
  const key = letter;
  if (!known.has(key)) {
    const sheet = Object.assign(document.createElement("canvas"), { width, height: CELL });
    const pen = sheet.getContext("2d", { willReadFrequently: true });
    pen.font = `${wide(letter) ? "" : "bold "}${CELL - 1}px "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei", sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(letter, width / 2, CELL / 2 + 0.5);
    const { data } = pen.getImageData(0, 0, width, CELL);
    known.set(key, Array.from({ length: width * CELL }, (_, i) => data[i * 4 + 3] > 110));
  }
  return known.get(key);
}

const boards = [...document.querySelectorAll(".board")].map((element) => new Board(element));
for (const board of boards) board.fetch();
setInterval(() => {
  if (document.hidden) return;
  for (const board of boards) board.fetch();
}, EVERY_MS);
