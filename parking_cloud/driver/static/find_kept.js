// What the phone remembers of searches: it stays on the phone.
const USUAL = "parking-find";
const WHERE = "parking-where";
const RECENT = "parking-recent";
const MOST_RECENT = 5;

export const DEFAULTS = {
  stay: 120, prefer: "balanced", vehicle: "small", needs: [], height: "", maxWalk: 1000, maxPrice: "",
};

function read(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Nothing can be kept in this browser: it asks again the next time.
  }
}

export const usual = () => ({ ...DEFAULTS, ...read(USUAL, {}) });
export const keepUsual = (filters) => write(USUAL, filters);
export const lastWhere = () => read(WHERE, null);
export const recent = () => read(RECENT, []);
export const forgetRecent = () => { localStorage.removeItem(RECENT); localStorage.removeItem(WHERE); };

export function keepWhere(where) {
  write(WHERE, where);
  if (where.kind === "position" || where.kind === "centre") return;
  write(RECENT, [where, ...recent().filter(({ name, lat, lon }) => name !== where.name || lat !== where.lat || lon !== where.lon)].slice(0, MOST_RECENT));
}
