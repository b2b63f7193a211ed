/**
 * What models of this page run on. In: the user's choice. Out: WebAssembly or WebGPU, and a call when it changes.
 * Invariant: WebGPU can be chosen only where the browser has an adapter for it; where not, the page says so.
 */
import type { DeviceKind } from "../runtime/index.ts";
import { byId } from "./element.ts";
import { adapterText } from "./quantity.ts";

export class DeviceChoice {
  readonly #webgpu = byId("on-webgpu", HTMLInputElement);
  readonly #note = byId("device-note", HTMLElement);

  constructor(changed: () => void) {
    byId("device", HTMLElement).addEventListener("change", changed);
    void this.#ask();
  }

  get device(): DeviceKind {
    return this.#webgpu.checked ? "webgpu" : "wasm";
  }

  async #ask(): Promise<void> {
    const gpu = (navigator as Partial<Pick<Navigator, "gpu">>).gpu;
    if (gpu === undefined) {
      this.#note.textContent = isSecureContext
        ? "This browser has no WebGPU."
        : "WebGPU needs a page from https or localhost.";
      return;
    }
    const adapter = await gpu.requestAdapter().catch(() => null);
    this.#webgpu.disabled = adapter === null;
    this.#note.textContent =
      adapter === null
        ? "This browser has WebGPU, but no device for it."
        : `WebGPU is ${adapterText(adapter.info)}.`;
  }
}
