/* The card form, in the provider's own frame. */
(() => {
  "use strict";
  const query = new URLSearchParams(location.search);
  const parentOrigin = query.get("parent");
  const chinese = (query.get("locale") ?? "").startsWith("zh");
  const form = document.forms[0];
  const number = form.elements.cardnumber;
  const expiry = form.elements["exp-date"];
  const cvc = form.elements.cvc;

  const words = chinese
    ? { number: "卡号", expiry: "月 / 年", cvc: "安全码", short: "卡信息不完整。" }
    : { number: "Card number", expiry: "MM / YY", cvc: "CVC", short: "Your card's details are incomplete." };
  const refusals = {
    card_declined: "银行卡被拒绝。", insufficient_funds: "银行卡余额不足。", incorrect_number: "卡号有误。",
    expired_card: "银行卡已过期。", invalid_expiry_month: "有效期的月份有误。",
    invalid_expiry_year: "有效期的年份有误。", payment_intent_authentication_failure: "您没有同意付款。",
    setup_intent_authentication_failure: "您没有同意。",
  };
  document.documentElement.lang = chinese ? "zh-CN" : "en";
  for (const [field, name] of [[number, "number"], [expiry, "expiry"], [cvc, "cvc"]]) {
    field.placeholder = words[name];
    field.setAttribute("aria-label", words[name]);
  }

  const tell = (message) => parent.postMessage(message, parentOrigin);
  const digits = (field) => field.value.replace(/\D/g, "");

  const arrange = (field, arranged) => {
    if (field.value !== arranged && field.selectionStart === field.value.length) field.value = arranged;
  };
  form.addEventListener("input", () => {
    arrange(number, digits(number).replace(/(.{4})(?=.)/g, "$1 "));
    arrange(expiry, digits(expiry).replace(/^(..)(.)/, "$1 / $2"));
    tell({ event: "change", detail: { complete: complete(), empty: !form.elements[0].value, error: undefined } });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const event of ["focus", "blur"]) {
    form.addEventListener(event, () => tell({ event, detail: {} }), true);
  }

  const complete = () => digits(number).length >= 12 && digits(expiry).length === 4 && digits(cvc).length >= 3;

  const localised = (error) => {
    const said = refusals[error.decline_code] ?? refusals[error.code];
    return chinese && said ? { ...error, message: said } : error;
  };

  const call = async (address, options) => {
    try {
      const answer = await fetch(address, options);
      const said = await answer.json();
      return answer.ok ? { intent: said } : { error: localised(said.error) };
    } catch {
      const message = chinese ? "无法连接支付服务，请再试一次。" : "The payment service cannot be reached; try again.";
      return { error: { type: "api_connection_error", code: "", message } };
    }
  };

  const id = (secret) => secret.split("_secret_")[0];

  const verbs = {
    confirm: ({ kind, secret }) => {
      if (!complete()) return { error: { type: "validation_error", code: "incomplete", message: words.short } };
      const body = new URLSearchParams({
        key: query.get("key"),
        client_secret: secret,
        "payment_method_data[type]": "card",
        "payment_method_data[card][number]": digits(number),
        "payment_method_data[card][exp_month]": digits(expiry).slice(0, 2),
        "payment_method_data[card][exp_year]": digits(expiry).slice(2),
        "payment_method_data[card][cvc]": digits(cvc),
      });
      return call(`/v1/${kind}/${id(secret)}/confirm`, { method: "POST", body });
    },
    retrieve: async ({ kind, secret }) => {
      const asked = new URLSearchParams({ key: query.get("key"), client_secret: secret });
      const result = await call(`/v1/${kind}/${id(secret)}?${asked}`, {});
      const error = result.intent?.last_payment_error ?? result.intent?.last_setup_error;
      return error ? { error: localised(error) } : result;
    },
    focus: () => number.focus(),
    clear: () => form.reset(),
    update: ({ disabled }) => {
      for (const field of form.elements) field.disabled = Boolean(disabled);
    },
    style: (base) => {
      for (const name of ["color", "fontSize", "fontFamily"]) {
        if (base[name]) document.body.style[name] = base[name];
      }
      tell({ event: "size", height: form.offsetHeight });
    },
  };

  addEventListener("message", async ({ source, origin, data }) => {
    if (source !== parent || origin !== parentOrigin || !verbs[data?.verb]) return;
    tell({ answers: data.number, result: await verbs[data.verb](data.detail ?? {}) });
  });
  tell({ event: "ready", detail: {} });
})();
