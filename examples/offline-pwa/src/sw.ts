/** The service worker: Workbox keeps the app's files, Tilewright its models, each of them once. */
import { clientsClaim } from "workbox-core";
import { precacheAndRoute } from "workbox-precaching";
import { offlineModels } from "tilewright/offline/worker";

declare const self: ServiceWorkerGlobalScope;

clientsClaim();
precacheAndRoute(offlineModels(self.__WB_MANIFEST));
