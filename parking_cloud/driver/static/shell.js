// Makes the pages an app that opens without a network: the service worker is registered, and tells when the
// pages have become newer than what is shown.
if ("serviceWorker" in navigator) {
  addEventListener("load", () => navigator.serviceWorker.register("/sw.js").catch(() => {}));
}
