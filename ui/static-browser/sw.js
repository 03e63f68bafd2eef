// Service worker of the web app: actions of notifications, and a page for when the server cannot be reached. It stores nothing
// else, and knows no session.
'use strict';

const CACHE = 'hutong-offline';
const OFFLINE = ['offline.html', 'offline.css'];

/** How long a page may take to say that its call is the notification's, in milliseconds. */
const ANSWER_TIMEOUT = 500;

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(OFFLINE.map((url) => new Request(url, { cache: 'reload' })));
    await self.skipWaiting();
  })());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const isOffline = OFFLINE.some((url) => request.url === new URL(url, self.location).href);
  if (request.mode !== 'navigate' && !isOffline) return;
  event.respondWith(fetch(request).catch(async () => {
    const cache = await caches.open(CACHE);
    return (await cache.match(isOffline ? request : OFFLINE[0])) ?? Response.error();
  }));
});

/** Sends the action to a page; resolves to the page if the call rings there. */
function offer(page, message) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve(page);
    setTimeout(() => resolve(null), ANSWER_TIMEOUT);
    page.postMessage(message, [port2]);
  });
}

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const message = { action: event.action || 'open', call: event.notification.data?.call };
  event.waitUntil((async () => {
    const all = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    const pages = all.filter((page) => page.url.startsWith(self.registration.scope));
    const ringing = await Promise.all(pages.map((page) => offer(page, message)));
    if (message.action === 'decline') return;
    const page = ringing.find((page) => page) ?? pages[0];
    await (page ? page.focus() : self.clients.openWindow(self.registration.scope));
  })());
});
