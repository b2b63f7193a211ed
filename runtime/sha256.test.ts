import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { computedSha256, hex, sha256, sha256Hex } from "./sha256.ts";

describe("sha256", () => {
  // Examples of FIPS 180-2, appendix B.
  it.each([
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    [
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ],
    ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
  ])("has the standard's answer for %.20s", (text, expected) => {
    expect(sha256Hex(new TextEncoder().encode(text))).toBe(expected);
    expect(hex(computedSha256(new TextEncoder().encode(text)))).toBe(expected);
  });

  it("agrees with Node's for every length around the block size, also inside a larger buffer", () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, index) => (index * 167 + 13) & 255);
    for (let length = 0; length < 200; length++) {
      const part = bytes.subarray(7, 7 + length);
      const expected = [...createHash("sha256").update(part).digest()];
      expect([...computedSha256(part)]).toEqual(expected);
      expect([...sha256(part)]).toEqual(expected);
    }
  });
});
