/* Inside a page of the merchant's, it is told that the payer has answered. What was answered, it has to ask. */
(() => {
  "use strict";
  if (parent !== window && document.querySelector("[data-status]")) parent.postMessage({ event: "answered" }, "*");
})();
