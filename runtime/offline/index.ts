/**
 * The entry `tilewright/offline`: the page's side of an app that works without a network. In: the address of the app's
 * service worker, which calls `offlineModels` of `tilewright/offline/worker`. Out: how far it is, and news: a new version
 * of the app, or a newer model at an address. Invariant: nothing changes beneath a page that runs, until the page says
 * `take`.
 *
 * @example
 * import { registerOffline } from "tilewright/offline";
 * const offline = await registerOffline("/sw.js");
 * offline.on("ready", () => show("Works without a network now"));
 * offline.on("update", (update) => ask("There is something new", () => update.take()));
 */
export { fetchModel, type FetchedModel, type FetchModelOptions } from "./fetchModel.ts";
export {
  type AppUpdate,
  type NewModel,
  type Offline,
  type OfflineEvents,
  type OfflineOptions,
  type OfflineState,
  type OfflineUpdate,
  registerOffline,
} from "./register.ts";
