// What the driver's pages share: making elements, and doing one deed at a time.
import { refusalText } from "./pay_api.js";

export const at = (id) => document.getElementById(id);

export function element(name, text = "", more = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(more)) made.setAttribute(key, value);
  return made;
}

export function row(left, right) {
  const line = element("div", "", { class: "row" });
  line.append(element("span", left), right);
  return line;
}

export function fillList(id, items, none) {
  at(id).replaceChildren(...(items.length ? items : [element("li", none, { class: "quiet" })]));
}

export function smallButton(label, texts, deed) {
  const made = element("button", label, { type: "button", class: "small" });
  made.addEventListener("click", () => once(made, texts, deed));
  return made;
}

export function say(words, good = false) {
  const message = at("message");
  message.textContent = words;
  message.classList.toggle("good", good);
  message.setAttribute("role", good ? "status" : "alert");
  message.hidden = !words;
  if (words) message.scrollIntoView({ block: "nearest" });
}

const busy = new Set();

// A second click finds the first one at work.
export async function once(button, texts, deed) {
  if (busy.has(button)) return;
  busy.add(button);
  button.setAttribute("aria-busy", "true");
  say("");
  try {
    await deed();
  } catch (error) {
    say(refusalText(texts, error));
  } finally {
    busy.delete(button);
    button.removeAttribute("aria-busy");
  }
}
