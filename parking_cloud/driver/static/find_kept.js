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

// Of a position only that it was asked for: where one was yesterday is not where one is.
export const lastWhere = () => {
  const kept = read(WHERE, null);
  return kept?.kind === "position" ? { kind: "position" } : kept;
};
export const recent = () => read(RECENT, []);
export const forgetRecent = () => { localStorage.removeItem(RECENT); localStorage.removeItem(WHERE); };

export function keepWhere(where) {
  write(WHERE, where.kind === "position" ? { kind: "position" } : where);
  if (where.kind === "position" || where.kind === "centre") return;
  write(RECENT, [where, ...recent().filter(({ name, lat, lon }) => name !== where.name || lat !== where.lat || lon !== where.lon)].slice(0, MOST_RECENT));
}

// The place of a search that was made before, if its name is still known here.
export function placeOf(search, others) {
  const asked = new URLSearchParams(search);
  const [lat, lon] = [Number(asked.get("lat")), Number(asked.get("lon"))];
  return [...others, ...recent()].find((place) => samePoint(place, { lat, lon })) ?? { kind: "then", lat, lon };
}

export const samePoint = (one, other) => one.lat.toFixed(6) === other.lat.toFixed(6) && one.lon.toFixed(6) === other.lon.toFixed(6);
