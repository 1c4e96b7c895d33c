// Where the phone is. A position is true for minutes: it is asked for anew, never remembered.
const ASKING = { enableHighAccuracy: true, timeout: 10_000, maximumAge: 30_000 };
const HOLDS_MS = 10 * 60_000;

export const holds = (here) => Boolean(here) && Date.now() - here.at < HOLDS_MS;

// Null: it is not to be had, or not allowed.
export function position() {
  if (!navigator.geolocation) return Promise.resolve(null);
  return new Promise((resolve) => {
    const found = ({ coords }) => resolve({ lat: coords.latitude, lon: coords.longitude, accuracy: coords.accuracy, at: Date.now() });
    navigator.geolocation.getCurrentPosition(found, () => resolve(null), ASKING);
  });
}

// Without a question to the driver: only where they allowed it before.
export async function quietPosition() {
  const permission = await navigator.permissions?.query({ name: "geolocation" }).catch(() => null);
  return permission?.state === "granted" ? position() : null;
}
