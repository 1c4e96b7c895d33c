// The overview's table: find, sort, and live numbers.
const table = document.getElementById("facilities");
const body = table.tBodies[0];

document.getElementById("find").addEventListener("input", (event) => {
  const words = event.target.value.trim().toLowerCase();
  for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(words);
});

for (const heading of table.tHead.rows[0].cells) {
  heading.querySelector("button").addEventListener("click", () => sortBy(heading));
}

function sortBy(heading) {
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const numeric = heading.dataset.sort === "number";
  const key = (row) => {
    const text = row.cells[heading.cellIndex].textContent.trim();
    return numeric ? Number.parseFloat(text) || -1 : text;
  };
  const order = (a, b) => (numeric ? key(a) - key(b) : key(a).localeCompare(key(b), "zh-CN"));
  const rows = [...body.rows].sort((a, b) => (down ? order(b, a) : order(a, b)));
  body.append(...rows);
}

const live = new EventSource("/v1/occupancy/stream");
// Too much was missed: the numbers anew.
live.addEventListener("reset", () => location.reload());
live.addEventListener("facility", (event) => {
  const said = JSON.parse(event.data);
  const row = body.querySelector(`[data-facility="${said.id}"]`);
  if (!row) return;
  row.querySelector("[data-free]").textContent = said.free ?? "—";
  row.querySelector("[data-occupied]").textContent = said.occupied ?? "—";
  row.querySelector("[data-state]").textContent = said.quality === "out_of_range" ? "上报异常" : "正常";
});
