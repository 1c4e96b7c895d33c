/* The part of Stripe.js that the platform's pages use, for the local provider.

   As with the real one, the card's number is typed into a frame of the provider's and goes to the provider
   alone: the page that includes this script never sees it. */
(() => {
  "use strict";
  const origin = new URL(document.currentScript.src).origin;

  const frameMessages = (frame) => {
    const waiting = new Map();
    const listeners = new Map();
    let last = 0;
    let ready;
    const isReady = new Promise((resolve) => { ready = resolve; });
    addEventListener("message", ({ source, origin: from, data }) => {
      if (from !== origin || source !== frame.contentWindow || !data) return;
      if (data.answers) {
        waiting.get(data.answers)?.(data.result);
        waiting.delete(data.answers);
        return;
      }
      if (data.event === "ready") ready();
      if (data.event === "size") frame.style.height = `${data.height}px`;
      for (const listener of listeners.get(data.event) ?? []) listener(data.detail ?? {});
    });
    return {
      on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
      ask: async (verb, detail) => {
        await isReady;
        last += 1;
        const number = last;
        return new Promise((resolve) => {
          waiting.set(number, resolve);
          frame.contentWindow.postMessage({ number, verb, detail }, origin);
        });
      },
    };
  };

  /* The bank's page in a frame over ours; resolves once its holder has answered there. */
  const askHolder = (url) => new Promise((resolve) => {
    const cover = document.createElement("div");
    cover.style.cssText = "position:fixed;inset:0;z-index:99999;background:rgba(0,0,0,.5)";
    const frame = document.createElement("iframe");
    frame.title = "3-D Secure";
    frame.name = "stripe-challenge-frame";
    frame.src = url;
    frame.style.cssText = "position:absolute;inset:5% max(5%, calc(50% - 240px));width:auto;height:90%;"
      + "width:min(90%, 480px);border:0;border-radius:12px;background:#fff";
    const answered = ({ source, origin: from, data }) => {
      if (from !== origin || source !== frame.contentWindow || data?.event !== "answered") return;
      removeEventListener("message", answered);
      cover.remove();
      resolve();
    };
    addEventListener("message", answered);
    cover.append(frame);
    document.body.append(cover);
  });

  const makeCard = (key, locale, options) => {
    const frame = document.createElement("iframe");
    const query = new URLSearchParams({ key, locale, parent: location.origin });
    frame.title = locale.startsWith("zh") ? "安全的银行卡输入框" : "Secure card payment input frame";
    frame.style.cssText = "border:0;width:100%;height:24px;display:block;color-scheme:normal";
    const messages = frameMessages(frame);
    messages.on("ready", () => messages.ask("style", options?.style?.base ?? {}));
    return {
      mount: (where) => {
        const place = typeof where === "string" ? document.querySelector(where) : where;
        frame.src = `${origin}/elements/card?${query}`;
        place.replaceChildren(frame);
      },
      on: messages.on,
      focus: () => messages.ask("focus"),
      clear: () => messages.ask("clear"),
      update: (changed) => messages.ask("update", changed),
      unmount: () => frame.remove(),
      destroy: () => frame.remove(),
      ask: messages.ask,
    };
  };

  window.Stripe = (key, { locale = navigator.language } = {}) => {
    const confirm = (kind) => async (secret, { payment_method: { card } } = {}) => {
      const result = await card.ask("confirm", { kind, secret });
      const next = (result.intent?.next_action ?? {}).use_stripe_sdk;
      if (!next) return shown(kind, result);
      await askHolder(next.stripe_js);
      return shown(kind, await card.ask("retrieve", { kind, secret }));
    };
    const shown = (kind, { intent, error }) =>
      error ? { error } : { [kind === "payment_intents" ? "paymentIntent" : "setupIntent"]: intent };
    return {
      elements: (options = {}) => ({
        create: (kind, more) => {
          if (kind !== "card") throw new Error(`this stand-in has no element ${kind}`);
          return makeCard(key, options.locale ?? locale, more);
        },
      }),
      confirmCardPayment: confirm("payment_intents"),
      confirmCardSetup: confirm("setup_intents"),
    };
  };
})();
