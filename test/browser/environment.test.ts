/**
 * What every other browser test and the benchmark rely on: a page that is cross-origin isolated, with WebAssembly
 * SIMD, shared memory and a fine timer. A failure here says that the server or the browser is wrong, not the code.
 */
import { environment } from "../../runtime/index.ts";
import { expect } from "./expect.ts";

/**
 * A module of one function of type [] -> [v128] whose body is the given instructions (WebAssembly core
 * specification, section 5.5: preamble, type section, function section, code section).
 */
function moduleReturningV128(...instructions: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0x00, ...instructions, 0x0b];
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
    ...[0x03, 0x02, 0x01, 0x00],
    ...[0x0a, body.length + 2, 0x01, body.length, ...body],
  );
}

const I32_CONST_0 = [0x41, 0x00];
const I32X4_SPLAT = [0xfd, 0x11];
const F32X4_RELAXED_MADD = [0xfd, 0x85, 0x02];

describe("environment", () => {
  it("is cross-origin isolated, so memory can be shared", () => {
    expect(globalThis.crossOriginIsolated, "the page is not cross-origin isolated");
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    expect(memory.buffer instanceof SharedArrayBuffer, "shared memory is not a SharedArrayBuffer");
  });

  it("validates SIMD and relaxed SIMD", () => {
    const splat = [...I32_CONST_0, ...I32X4_SPLAT];
    expect(WebAssembly.validate(moduleReturningV128(...splat)), "i32x4.splat does not validate");
    const madd = [...splat, ...splat, ...splat, ...F32X4_RELAXED_MADD];
    expect(WebAssembly.validate(moduleReturningV128(...madd)), "f32x4.relaxed_madd does not validate");
    const tooFewOperands = [...splat, ...splat, ...F32X4_RELAXED_MADD];
    expect(!WebAssembly.validate(moduleReturningV128(...tooFewOperands)), "a broken module validates");
  });

  it("has a timer finer than a tenth of a millisecond", () => {
    // Of several steps, since another process may come in between.
    let least = Infinity;
    for (let steps = 0; steps < 100; steps++) {
      const start = performance.now();
      let now = start;
      while (now === start) now = performance.now();
      least = Math.min(least, now - start);
    }
    expect(least < 0.1, `the smallest step of performance.now() is ${least} ms`);
  });

  it("is what environment() tells of this page", async () => {
    const { realm, crossOriginIsolated, threads, simd, relaxedSimd, storage, advice } = await environment();
    expect(realm === "page", `the realm is ${realm}`);
    expect(crossOriginIsolated && threads.available && simd && relaxedSimd, "something is missing");
    expect(threads.cores === navigator.hardwareConcurrency, `${threads.cores} cores`);
    expect(storage.available && (storage.quota ?? 0) > 0, "no storage");
    expect(!advice.some((line) => /isolated|SIMD|database/.test(line)), advice.join("\n"));
  });
});
