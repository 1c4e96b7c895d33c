// The map's library weighs more than all else: it is fetched when a map is to be drawn, and once.
let loading;

export function leaflet() {
  loading ??= new Promise((resolve, reject) => {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = new URL("../vendor/leaflet/leaflet.css", import.meta.url).href;
    const script = document.createElement("script");
    script.src = new URL("../vendor/leaflet/leaflet.js", import.meta.url).href;
    script.addEventListener("load", () => resolve(globalThis.L));
    script.addEventListener("error", () => {
      loading = undefined;
      script.remove();
      reject(new Error("the map's library cannot be had"));
    });
    // Before our own styles, which say more of the same things.
    document.head.prepend(style);
    document.head.append(script);
  });
  return loading;
}
