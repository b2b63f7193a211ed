/**
 * The few globals that the compiler may use beyond the ECMAScript library. They exist in every browser, worker
 * and Node alike; declaring just them lets the compiler be type-checked without the DOM and without Node, so
 * that no `window`, `fetch` or `Buffer` slips in.
 */

declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean });
  decode(input?: ArrayBufferView | ArrayBuffer): string;
}

/** Wall time in milliseconds since an arbitrary origin; for traces and reports only, never for decisions. */
declare const performance: { now(): number };
