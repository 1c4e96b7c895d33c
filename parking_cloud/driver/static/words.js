// How numbers are put into words.

export function fill(text, n) {
  return text.replace("{n}", n);
}

export function distanceText(texts, metres) {
  if (metres < 1000) return fill(texts.metres, Math.round(metres / 10) * 10);
  return fill(texts.kilometres, (metres / 1000).toFixed(1));
}

export function ageText(texts, observedAt) {
  if (!observedAt) return texts.never;
  const minutes = Math.floor((Date.now() - Date.parse(observedAt)) / 60000);
  if (minutes < 1) return texts.now;
  if (minutes < 60) return fill(texts.minutes, minutes);
  return fill(texts.hours, Math.floor(minutes / 60));
}

// How full a facility is, in one word: also the colour and shape of its marker.
export function load(facility) {
  if (facility.free === null) return "unknown";
  if (facility.free === 0) return "full";
  return facility.free / facility.capacity < 0.15 ? "few" : "plenty";
}
