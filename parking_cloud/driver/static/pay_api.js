// What the pay page asks of the platform, and how its refusals are put into words.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.title ?? String(status));
    this.status = status;
    this.problem = problem;
    this.slug = (problem.type ?? "").split(":").at(-1);
  }
}

export class Offline extends Error {}

export class PayApi {
  constructor(language) {
    this.language = language;
  }

  offer(plate, place) {
    return this.ask("POST", "/v1/pay/offers", place ? { plate, place } : { plate });
  }

  pay(token, method) {
    return this.ask("POST", "/v1/pay/payments", { token, method });
  }

  look(payment) {
    return this.ask("GET", `/v1/pay/payments/${encodeURIComponent(payment)}`);
  }

  ask(method, path, body) {
    return this.fetch(method, path, body && JSON.stringify(body), body ? { "Content-Type": "application/json" } : {});
  }

  // Fields and files, as a form sends them.
  send(path, fields) {
    const form = new FormData();
    for (const [name, values] of Object.entries(fields)) {
      for (const value of [values].flat()) form.append(name, value);
    }
    return this.fetch("POST", path, form, {});
  }

  async fetch(method, path, body, more) {
    const headers = { "Accept-Language": this.language, ...more };
    let answer;
    try {
      answer = await fetch(path, { method, headers, body, cache: "no-store" });
    } catch {
      throw new Offline();
    }
    // An answer without a body is one all the same.
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer.status, said);
    return said;
  }
}

export function refusalText(texts, error) {
  if (error instanceof Offline) return texts.no_network;
  if (!(error instanceof Refused) || error.status >= 500 || !error.problem.title) return texts.away;
  const stop = document.documentElement.lang === "en" ? ". " : "。";
  return [error.problem.title, error.problem.detail].filter(Boolean).join(stop);
}

// Fen in, yuan out; whole numbers all the way.
export function yuan(fen) {
  const whole = Math.abs(fen);
  const cents = String(whole % 100).padStart(2, "0");
  return `${fen < 0 ? "-" : ""}¥${Math.floor(whole / 100).toLocaleString("en-US")}.${cents}`;
}
