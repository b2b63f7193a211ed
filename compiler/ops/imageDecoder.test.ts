/** Decoding of images: files made here, byte by byte, and the pixels that they stand for. */
import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { runOperator } from "../../test/operator.ts";
import { seededRandom } from "../../test/kernelArena.ts";

interface Decoded {
  readonly shape: readonly number[];
  readonly pixels: number[];
}

function decoded(file: Iterable<number>, format = "RGB"): Decoded {
  const data = Uint8Array.from(file);
  const input = { dtype: "uint8", shape: [data.length], data } as const;
  const [made] = runOperator({ op: "ImageDecoder", inputs: [input], attributes: { pixel_format: format } });
  return { shape: made!.shape, pixels: [...(made!.data as Uint8Array)] };
}

const text = (s: string): number[] => [...s].map((c) => c.charCodeAt(0));
const big = (value: number, bytes: number): number[] => Array.from({ length: bytes }, (_, i) => (value >>> (8 * (bytes - 1 - i))) & 255); // prettier-ignore
const little = (value: number, bytes: number): number[] => big(value, bytes).reverse();
const random = (count: number, seed = 1, most = 256): number[] => {
  const next = seededRandom(seed);
  return Array.from({ length: count }, () => Math.floor(next() * most));
};
const doubled = (values: readonly number[]): number[] => values.flatMap((v) => [v, v, v]);

describe("PNM", () => {
  it("as text, with comments, and binary", () => {
    expect(decoded(text("P3 # two\n2 1 255\n1 2 3 40 50 60"))).toEqual({ shape: [1, 2, 3], pixels: [1, 2, 3, 40, 50, 60] }); // prettier-ignore
    expect(decoded(text("P2\n2 1\n5\n0 5\n"), "Grayscale").pixels).toEqual([0, 255]);
    expect(decoded([...text("P6\n1 2\n255\n"), 9, 8, 7, 6, 5, 4], "BGR").pixels).toEqual([7, 8, 9, 4, 5, 6]);
    expect(decoded([...text("P4\n3 2\n"), 0b10100000, 0b01000000], "Grayscale").pixels).toEqual([0, 255, 0, 255, 0, 255]); // prettier-ignore
    expect(decoded([...text("P5\n1 2\n65535\n"), 255, 255, 0, 0], "Grayscale").pixels).toEqual([255, 0]);
  });
});

describe("BMP", () => {
  const header = (width: number, height: number, bits: number, start: number): number[] => [
    ...text("BM"), ...little(0, 8), ...little(start, 4), ...little(40, 4), ...little(width, 4),
    ...little(height, 4), ...little(1, 2), ...little(bits, 2), ...little(0, 24),
  ]; // prettier-ignore

  it("from the bottom or from the top, with padded rows", () => {
    const rows = [[1, 2, 3, 0], [4, 5, 6, 0]] as const; // prettier-ignore
    expect(decoded([...header(1, 2, 24, 54), ...rows.flat()]).pixels).toEqual([6, 5, 4, 3, 2, 1]);
    expect(decoded([...header(1, -2, 24, 54), ...rows.flat()]).pixels).toEqual([3, 2, 1, 6, 5, 4]);
  });

  it("with a palette, and with 16 and 32 bits", () => {
    const palette = [30, 20, 10, 0, 60, 50, 40, 0];
    expect(decoded([...header(3, 1, 1, 62), ...palette, 0b01000000, 0, 0, 0]).pixels).toEqual([10, 20, 30, 40, 50, 60, 10, 20, 30]); // prettier-ignore
    expect(decoded([...header(1, 1, 16, 54), ...little(0b0_11111_00000_10000, 2), 0, 0]).pixels).toEqual([255, 0, 132]); // prettier-ignore
    expect(decoded([...header(1, 1, 32, 54), 1, 2, 3, 9]).pixels).toEqual([3, 2, 1]);
  });
});

describe("PNG", () => {
  const [WIDTH, HEIGHT] = [7, 5];
  const chunk = (name: string, content: readonly number[]): number[] => [...big(content.length, 4), ...text(name), ...content, 0, 0, 0, 0]; // prettier-ignore

  /** Rows of bytes by filter, each of the five in turn. */
  function filtered(rows: readonly (readonly number[])[], by: number): number[] {
    return rows.flatMap((row, y) => {
      const filter = y % 5;
      const above = rows[y - 1] ?? row.map(() => 0);
      const predicted = (i: number): number => {
        const [a, b, c] = [row[i - by] ?? 0, above[i] ?? 0, i < by ? 0 : (above[i - by] ?? 0)];
        if (filter === 4) {
          const near = [a, b, c].map((v) => Math.abs(a + b - c - v));
          return [a, b, c][near.indexOf(Math.min(...near))]!;
        }
        return [0, a, b, (a + b) >> 1][filter]!;
      };
      return [filter, ...row.map((value, i) => (value - predicted(i)) & 255)];
    });
  }

  function png(
    type: number,
    depth: number,
    samples: readonly number[],
    per: number,
    interlaced: boolean,
    more: number[] = [],
  ): number[] {
    // prettier-ignore
    const passes = interlaced ? [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] : [[0, 0, 1, 1]]; // prettier-ignore
    const data = passes.flatMap(([x0, y0, dx, dy]) => {
      const rows: number[][] = [];
      for (let y = y0!; y < HEIGHT; y += dy!) {
        const bits: string[] = [];
        for (let x = x0!; x < WIDTH; x += dx!)
          for (let s = 0; s < per; s++) bits.push(samples[(y * WIDTH + x) * per + s]!.toString(2).padStart(depth, "0")); // prettier-ignore
        const line = bits.join("");
        if (line) rows.push((line.match(/.{1,8}/g) ?? []).map((byte) => parseInt(byte.padEnd(8, "0"), 2)));
      }
      return filtered(rows, Math.max(1, (per * depth) >> 3));
    });
    return [
      ...[0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10],
      ...chunk("IHDR", [...big(WIDTH, 4), ...big(HEIGHT, 4), depth, type, 0, 0, interlaced ? 1 : 0]),
      ...more,
      ...chunk("IDAT", [...deflateSync(Uint8Array.from(data)).subarray(0, 9)]),
      ...chunk("IDAT", [...deflateSync(Uint8Array.from(data)).subarray(9)]),
      ...chunk("IEND", []),
    ];
  }

  describe.each([[false], [true]])("interlaced: %s", (interlaced) => {
    it("of grey in 1 to 16 bits", () => {
      for (const depth of [1, 2, 4, 8, 16]) {
        const samples = random(WIDTH * HEIGHT, depth, 2 ** depth);
        const expected = samples.map((v) => (depth === 16 ? v >> 8 : (v * 255) / (2 ** depth - 1)));
        const made = decoded(png(0, depth, samples, 1, interlaced), "Grayscale");
        expect(made).toEqual({ shape: [HEIGHT, WIDTH, 1], pixels: expected });
      }
    });

    it("of colours, with alpha, with a palette", () => {
      const rgb = random(WIDTH * HEIGHT * 3);
      expect(decoded(png(2, 8, rgb, 3, interlaced)).pixels).toEqual(rgb);
      const rgba = Array.from({ length: WIDTH * HEIGHT }, (_, i) => [
        ...rgb.slice(3 * i, 3 * i + 3),
        7,
      ]).flat();
      expect(decoded(png(6, 8, rgba, 4, interlaced)).pixels).toEqual(rgb);
      const grey = random(WIDTH * HEIGHT);
      expect(decoded(png(4, 8, grey.flatMap((v) => [v, 3]), 2, interlaced)).pixels).toEqual(doubled(grey)); // prettier-ignore
      const indices = random(WIDTH * HEIGHT, 3, 4);
      const palette = random(12, 4);
      const made = decoded(png(3, 2, indices, 1, interlaced, chunk("PLTE", palette)));
      expect(made.pixels).toEqual(indices.flatMap((i) => palette.slice(3 * i, 3 * i + 3)));
    });
  });

  it("that is stored, or compressed with fixed codes, is read as well", () => {
    const file = (level: number, strategy: number): number[] => {
      const rows = Array.from({ length: HEIGHT }, () => [0, ...new Array<number>(WIDTH).fill(200)]).flat();
      return [
        ...[0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10],
        ...chunk("IHDR", [...big(WIDTH, 4), ...big(HEIGHT, 4), 8, 0, 0, 0, 0]),
        ...chunk("IDAT", [...deflateSync(Uint8Array.from(rows), { level, strategy })]),
        ...chunk("IEND", []),
      ];
    };
    for (const [level, strategy] of [
      [0, 0],
      [9, 4],
    ] as const)
      // prettier-ignore
      expect(new Set(decoded(file(level, strategy)).pixels)).toEqual(new Set([200]));
  });

  it("that breaks off is refused", () => {
    const whole = png(2, 8, random(WIDTH * HEIGHT * 3), 3, false);
    for (const length of [20, 60, 100]) expect(() => decoded(whole.slice(0, length))).toThrow(/PNG file cannot be decoded/); // prettier-ignore
  });
});

describe("TIFF", () => {
  /** One strip of rows 4 wide and 3 high. */
  function tiff(
    compression: number,
    strip: readonly number[],
    predictor: number,
    samples: number,
    order = little,
  ): number[] {
    // prettier-ignore
    const entries: [number, number, number][] = [[256, 3, 4], [257, 3, 3], [258, 3, 8], [259, 3, compression], [262, 3, samples === 3 ? 2 : 1], [273, 4, 8], [277, 3, samples], [279, 4, strip.length], [317, 3, predictor]]; // prettier-ignore
    const value = (type: number, v: number): number[] =>
      order === big && type === 3 ? [...big(v, 2), 0, 0] : order(v, 4);
    return [
      ...text(order === big ? "MM" : "II"), ...order(42, 2), ...order(8 + strip.length, 4), ...strip,
      ...order(entries.length, 2),
      ...entries.flatMap(([tag, type, v]) => [...order(tag, 2), ...order(type, 2), ...order(1, 4), ...value(type, v)]),
      ...order(0, 4),
    ]; // prettier-ignore
  }
  const pixels = random(36, 8, 7);

  /** LZW codes of 9 bits that start anew before they would have to grow. */
  function lzw(values: readonly number[]): number[] {
    const table = new Map<string, number>();
    const codes = [256];
    let held = "";
    const codeOf = (s: string): number => (s.includes(",") ? table.get(s)! : Number(s));
    for (const value of values) {
      const longer = held === "" ? String(value) : `${held},${value}`;
      if (!longer.includes(",") || table.has(longer)) held = longer;
      else {
        codes.push(codeOf(held));
        table.set(longer, 258 + table.size);
        held = String(value);
      }
    }
    codes.push(codeOf(held), 257);
    const bits = codes.map((code) => code.toString(2).padStart(9, "0")).join("");
    return bits.match(/.{1,8}/g)!.map((byte) => parseInt(byte.padEnd(8, "0"), 2));
  }

  it("in either byte order, of colours or grey", () => {
    expect(decoded(tiff(1, pixels, 1, 3)).pixels).toEqual(pixels);
    expect(decoded(tiff(1, pixels, 1, 3, big)).pixels).toEqual(pixels);
    expect(decoded(tiff(1, pixels.slice(0, 12), 1, 1), "Grayscale").pixels).toEqual(pixels.slice(0, 12));
  });

  it("compressed by DEFLATE, LZW and PackBits, with differences", () => {
    expect(decoded(tiff(8, [...deflateSync(Uint8Array.from(pixels))], 1, 3)).pixels).toEqual(pixels);
    expect(decoded(tiff(5, lzw(pixels), 1, 3)).pixels).toEqual(pixels);
    const packed = [19, ...pixels.slice(0, 20), 257 - 16, 9];
    expect(decoded(tiff(32773, packed, 1, 3)).pixels).toEqual([...pixels.slice(0, 20), ...doubled([9, 9, 9, 9, 9]), 9]); // prettier-ignore
    const steps = pixels.map((v, i) => (i % 12 < 3 ? v : (v - pixels[i - 3]!) & 255));
    expect(decoded(tiff(1, steps, 2, 3)).pixels).toEqual(pixels);
  });
});

describe("JPEG", () => {
  const ZIGZAG = [...Array(64).keys()].sort((p, q) => {
    const [sp, sq] = [(p >> 3) + (p & 7), (q >> 3) + (q & 7)];
    return sp - sq || (sp % 2 ? p - q : q - p);
  });
  const segment = (marker: number, content: readonly number[]): number[] => [0xff, marker, ...big(content.length + 2, 2), ...content]; // prettier-ignore
  /** A Huffman table in which every symbol below 255 has its own number as a code of 9 bits. */
  const codes = (number: number): number[] =>
    segment(0xc4, [
      number,
      ...Array.from({ length: 16 }, (_, i) => (i === 8 ? 255 : 0)),
      ...Array(255).keys(),
    ]);

  class Bits {
    private text = "";
    put(value: number, count: number): this {
      this.text += count > 0 ? (value & ((1 << count) - 1)).toString(2).padStart(count, "0") : "";
      return this;
    }
    symbol(symbol: number): this {
      return this.put(symbol, 9);
    }
    signed(value: number, size: number): this {
      return this.put(value < 0 ? value + (1 << size) - 1 : value, size);
    }
    bytes(): number[] {
      return (this.text.match(/.{1,8}/g) ?? []).flatMap((bits) => {
        const byte = parseInt(bits.padEnd(8, "1"), 2);
        return byte === 255 ? [255, 0] : [byte];
      });
    }
  }
  const sizeOf = (value: number): number => Math.abs(value).toString(2).replace(/^0$/, "").length;

  /** Blocks of one component, in the order of the scan; coefficients in zigzag order. */
  type Blocks = readonly (readonly number[])[];

  function file(
    sof: number,
    width: number,
    height: number,
    factors: readonly number[],
    scans: readonly number[],
  ): number[] {
    // prettier-ignore
    return [
      0xff, 0xd8,
      ...segment(0xdb, [0, ...Array.from({ length: 64 }, (_, i) => 3 + (i >> 2))]),
      ...segment(sof, [8, ...big(height, 2), ...big(width, 2), factors.length, ...factors.flatMap((f, i) => [i + 1, f, 0])]),
      ...codes(0), ...codes(16),
      ...scans,
      0xff, 0xd9,
    ]; // prettier-ignore
  }
  const scan = (parts: readonly number[], from: number, to: number, bits: number, data: Bits): number[] => [
    ...segment(0xda, [parts.length, ...parts.flatMap((id) => [id, 0]), from, to, bits]),
    ...data.bytes(),
  ];

  function baseline(units: readonly (readonly [component: number, block: readonly number[]])[]): Bits {
    const bits = new Bits();
    const last: number[] = [];
    for (const [component, block] of units) {
      const difference = block[0]! - (last[component] ?? 0);
      last[component] = block[0]!;
      bits.symbol(sizeOf(difference)).signed(difference, sizeOf(difference));
      let run = 0;
      for (const value of block.slice(1)) {
        if (value === 0) {
          run++;
          continue;
        }
        for (; run > 15; run -= 16) bits.symbol(0xf0);
        bits.symbol((run << 4) | sizeOf(value)).signed(value, sizeOf(value));
        run = 0;
      }
      if (run > 0) bits.symbol(0);
    }
    return bits;
  }

  /** Scans of one component: DC and AC with the lowest bit left out, then that bit. */
  function progressive(id: number, blocks: Blocks): number[] {
    const [dc, dcBit, ac, acBit] = [new Bits(), new Bits(), new Bits(), new Bits()];
    let last = 0;
    for (const block of blocks) {
      const high = block[0]! >> 1;
      dc.symbol(sizeOf(high - last)).signed(high - last, sizeOf(high - last));
      last = high;
      dcBit.put(block[0]! & 1, 1);
    }
    const halved = (value: number): number => Math.trunc(value / 2);
    // Blocks that end at once are counted and told together.
    let empty = 0;
    const flush = (): void => {
      const log = Math.floor(Math.log2(Math.max(1, empty)));
      if (empty > 0) ac.symbol(log << 4).put(empty - (1 << log), log);
      empty = 0;
    };
    for (const block of blocks) {
      const values = block.slice(1).map(halved);
      const end = values.findLastIndex((value) => value !== 0);
      let run = 0;
      if (end >= 0) flush();
      for (const value of values.slice(0, end + 1)) {
        if (value === 0) {
          run++;
          continue;
        }
        for (; run > 15; run -= 16) ac.symbol(0xf0);
        ac.symbol((run << 4) | sizeOf(value)).signed(value, sizeOf(value));
        run = 0;
      }
      if (end < 62) empty++;
    }
    flush();
    for (const block of blocks) {
      const values = block.slice(1);
      const end = values.findLastIndex((value) => Math.abs(value) === 1);
      let run = 0;
      let pending: number[] = [];
      const send = (symbol: number, sign?: number): void => {
        acBit.symbol(symbol);
        if (sign !== undefined) acBit.put(sign, 1);
        for (const bit of pending) acBit.put(bit, 1);
        pending = [];
        run = 0;
      };
      values.forEach((value, i) => {
        if (halved(value) !== 0) pending.push(Math.abs(value) & 1);
        else if (i <= end && value === 0) {
          if (run === 15) send(0xf0);
          else run++;
        } else if (value !== 0) send((run << 4) | 1, value > 0 ? 1 : 0);
      });
      if (end < 62) send(0);
    }
    return [...scan([id], 0, 0, 0x01, dc), ...scan([id], 1, 63, 0x01, ac), ...scan([id], 1, 63, 0x10, acBit), ...scan([id], 0, 0, 0x10, dcBit)]; // prettier-ignore
  }

  const blocks = (count: number, seed: number): Blocks => {
    const next = seededRandom(seed);
    return Array.from({ length: count }, () => Array.from({ length: 64 }, (_, i) => (next() < 0.7 && i > 0 ? 0 : Math.round((next() - 0.5) * (i === 0 ? 120 : 24 / Math.sqrt(i)))))); // prettier-ignore
  };

  it("gives the cosines that its coefficients say", () => {
    const made = blocks(2, 5);
    const bytes = file(0xc0, 16, 8, [0x11], scan([1], 0, 63, 0, baseline(made.map((b) => [0, b]))));
    const { shape, pixels } = decoded(bytes, "Grayscale");
    expect(shape).toEqual([8, 16, 1]);
    made.forEach((block, b) => {
      for (let y = 0; y < 8; y++)
        for (let x = 0; x < 8; x++) {
          let sum = 0;
          block.forEach((value, i) => {
            const [v, u] = [ZIGZAG[i]! >> 3, ZIGZAG[i]! & 7];
            const scale = (u ? 1 : Math.SQRT1_2) * (v ? 1 : Math.SQRT1_2) * 0.25;
            const cosines =
              Math.cos(((2 * x + 1) * u * Math.PI) / 16) * Math.cos(((2 * y + 1) * v * Math.PI) / 16);
            sum += scale * value * (3 + (i >> 2)) * cosines;
          });
          const expected = Math.min(255, Math.max(0, sum + 128));
          expect(Math.abs(pixels[y * 16 + 8 * b + x]! - expected)).toBeLessThanOrEqual(1);
        }
    });
  });

  it("is the same progressive as baseline, also with fewer samples of colour", () => {
    // Two units of 16 by 16: four blocks of luminance and one of each colour, of which 19 by 13 pixels are seen.
    const [y, cb, cr] = [blocks(8, 1), blocks(2, 2), blocks(2, 3)];
    const order = [0, 1, 4, 5, 2, 3, 6, 7];
    const units = [0, 1].flatMap((m) => [
      ...order.slice(4 * m, 4 * m + 4).map((i): [number, readonly number[]] => [0, y[i]!]),
      [1, cb[m]!] as [number, readonly number[]],
      [2, cr[m]!] as [number, readonly number[]],
    ]);
    const plain = decoded(file(0xc0, 19, 13, [0x22, 0x11, 0x11], scan([1, 2, 3], 0, 63, 0, baseline(units))));
    expect(plain.shape).toEqual([13, 19, 3]);
    // A component alone comes without the blocks that only fill up units: the fourth of each row here.
    const seen = y.filter((_, i) => i % 4 < 3);
    const scans = [progressive(1, seen), progressive(2, cb), progressive(3, cr)].flat();
    expect(decoded(file(0xc2, 19, 13, [0x22, 0x11, 0x11], scans))).toEqual(plain);
  });
});

describe("other files", () => {
  it.each([
    ["WebP", [...text("RIFF"), 0, 0, 0, 0, ...text("WEBPVP8 ")]],
    ["JPEG 2000", [0, 0, 0, 12, ...text("jP  \r\n")]],
    ["no image of a known format", text("hello, world")],
  ])("are refused: %s", (name, bytes) => {
    expect(() => decoded(bytes)).toThrow(name);
    expect(() => decoded(bytes)).toThrow(/convert it to PNG/);
  });
});
