// The number plate: a field that looks like one, and a keyboard for it.
const PROVINCES = [..."浙苏皖沪赣闽鲁豫京津冀晋蒙辽吉黑鄂湘粤桂琼渝川贵云藏陕甘青宁新使"];
const DIGITS = [..."1234567890"];
const LETTERS = [..."ABCDEFGHJKLMNPQRSTUVWXYZ"];
const LAST = [..."警学挂港澳领使"];
const COLUMNS = 7;
const LONGEST = 16;
const NEW_ENERGY = 8;

// As the platform reads it: upper case, half width, no separators; no province's serial has an I or an O.
export function normalise(text) {
  const plain = text.normalize("NFKC").toUpperCase().replace(/[\s·•・.\-_]+/gu, "").slice(0, LONGEST);
  if (!PROVINCES.includes(plain[0])) return plain;
  return plain.slice(0, 2) + plain.slice(2).replaceAll("I", "1").replaceAll("O", "0");
}

// With the dot that a plate has: 浙E·12345.
export function written(plate) {
  return PROVINCES.includes(plate[0]) && plate.length > 2 ? `${plate.slice(0, 2)}·${plate.slice(2)}` : plate;
}

export class PlateField {
  constructor(input, keys, texts, onChange) {
    this.input = input;
    this.keys = keys;
    this.texts = texts;
    this.onChange = onChange;
    this.composing = false;
    input.addEventListener("compositionstart", () => { this.composing = true; });
    input.addEventListener("compositionend", () => { this.composing = false; this.read(); });
    input.addEventListener("input", () => { if (!this.composing) this.read(); });
    keys.addEventListener("click", (event) => this.press(event.target.closest("button"), event.detail === 0));
    // The field keeps the focus, and so its caret, while keys are tapped.
    keys.addEventListener("mousedown", (event) => event.preventDefault());
    keys.addEventListener("keydown", (event) => this.move(event));
    this.usePageKeyboard(matchMedia("(pointer: coarse)").matches);
    this.read();
  }

  get value() {
    return normalise(this.input.value);
  }

  set value(plate) {
    this.input.value = plate;
    this.read();
  }

  // On a phone the system's keyboard would cover ours; one that is plugged in types either way.
  usePageKeyboard(yes) {
    this.input.inputMode = yes ? "none" : "text";
    this.keys.hidden = !yes && matchMedia("(pointer: coarse)").matches;
  }

  read() {
    const plate = this.value;
    const shown = written(plate);
    if (shown !== this.input.value) this.keepCaret(shown);
    this.input.dataset.kind = plate.length === NEW_ENERGY ? "new-energy" : "ordinary";
    this.show(plate === "" ? "provinces" : "serial");
    this.onChange(plate);
  }

  keepCaret(shown) {
    const behind = this.input.value.length - (this.input.selectionStart ?? this.input.value.length);
    this.input.value = shown;
    const at = Math.max(shown.length - behind, 0);
    this.input.setSelectionRange(at, at);
  }

  show(panel) {
    if (panel === this.drawn) return;
    this.drawn = panel;
    this.keys.dataset.panel = panel;
    const characters = panel === "provinces" ? PROVINCES : panel === "last" ? LAST : [...DIGITS, ...LETTERS];
    const deeds = panel === "serial" ? ["provinces", "more"] : ["letters"];
    const buttons = [
      ...characters.map((c) => this.key(c, c)),
      ...deeds.map((deed) => this.key(this.texts[deed], "", deed)),
      this.key("⌫", "", "delete", this.texts.delete),
    ];
    buttons.forEach((button, n) => { button.tabIndex = n === 0 ? 0 : -1; });
    this.keys.replaceChildren(...buttons);
  }

  key(label, character, deed = "", name = "") {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    if (name) button.setAttribute("aria-label", name);
    button.dataset.character = character;
    button.dataset.deed = deed;
    return button;
  }

  press(button, byKeyboard) {
    if (!button) return;
    const { character, deed } = button.dataset;
    if (deed === "letters") this.show("serial");
    else if (deed === "provinces") this.show("provinces");
    else if (deed === "more") this.show("last");
    else this.type(character);
    // A panel that was replaced takes the focus with it: the field is where typing goes on.
    if (!deed && byKeyboard) this.input.focus();
    else if (byKeyboard && !button.isConnected) this.keys.firstElementChild.focus();
  }

  type(character) {
    const { input } = this;
    const start = input.selectionStart ?? input.value.length;
    const end = input.selectionEnd ?? start;
    const from = character === "" && start === end ? Math.max(start - 1, 0) : start;
    // Deleting the dot means deleting what is before it.
    const dot = character === "" && input.value[from] === "·" ? 1 : 0;
    input.setRangeText(character, Math.max(from - dot, 0), end, "end");
    this.read();
  }

  move(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS };
    const buttons = [...this.keys.children];
    const to = buttons[buttons.indexOf(event.target) + (steps[event.key] ?? NaN)];
    if (!(event.key in steps)) return;
    event.preventDefault();
    if (!to) return;
    event.target.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }
}
