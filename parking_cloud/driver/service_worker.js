// Opens the app without a network. Above this the server writes VERSION and FILES (of this version).
//
// Kept are the files of one version, the finding page, and the last answer of a search with its time. Nothing
// personal is: of other pages and of /v1/me there is never a copy. What is old is given as old: the page sees
// the time in `X-Kept-At` and says so.
const SHELL = `shell-${VERSION}`;
const ANSWERS = "answers-1";
const PLACES = "/v1/guidance/places";
const OUTLINES = ["/v1/geo/outlines", "/v1/geo/roads"];
const PATIENCE_MS = 8000;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (![SHELL, ANSWERS].includes(name)) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(open(event, url));
  else if (url.pathname.startsWith(`/assets/v/${VERSION}/`)) event.respondWith(file(request));
  else if (url.pathname === PLACES) event.respondWith(answer(request));
  else if (OUTLINES.includes(url.pathname)) event.respondWith(outline(request));
});

async function open(event, url) {
  const finding = url.pathname === "/";
  try {
    const page = await fetch(event.request);
    if (finding && page.ok) event.waitUntil(keepIfOurs(page.clone()));
    return page;
  } catch (error) {
    const kept = await caches.match(finding ? "/" : "/offline");
    if (kept) return kept;
    throw error;
  }
}

// After a deployment the page is the next version's, whose files are not here: its own worker keeps it.
async function keepIfOurs(page) {
  const ours = (await page.clone().text()).includes(`/assets/v/${VERSION}/`);
  if (ours) await keep(SHELL, "/", page);
}

async function file(request) {
  return (await caches.match(request)) ?? fetch(request).then(async (found) => {
    if (found.ok) await keep(SHELL, request, found.clone());
    return found;
  });
}

// The newest wins; the last one stands in where there is no network, or it takes too long.
async function answer(request) {
  try {
    const fresh = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (fresh.ok) await keep(ANSWERS, PLACES, await dated(fresh.clone(), request.url));
    return fresh;
  } catch (error) {
    const kept = await caches.match(PLACES);
    if (kept) return kept;
    throw error;
  }
}

async function dated(response, url) {
  const headers = new Headers({
    "Content-Type": "application/json", "X-Kept-At": new Date().toISOString(), "X-Kept-For": new URL(url).search,
  });
  return new Response(await response.blob(), { headers });
}

async function outline(request) {
  const kept = await caches.match(request);
  const fresh = fetch(request).then(async (found) => {
    if (found.ok) await keep(SHELL, request, found.clone());
    return found;
  });
  if (!kept) return fresh;
  fresh.catch(() => {});
  return kept;
}

// A full disk is no reason to show nothing.
async function keep(where, key, response) {
  try {
    await (await caches.open(where)).put(key, response);
  } catch {
    // The answer itself is there all the same.
  }
}
