/**
 * JPEG, baseline and progressive, with Huffman codes. In: a file. Out: pixels. Invariant: grey or three components of
 * 8 bits; arithmetic coding, lossless and hierarchical forms and four components are refused by name. Data that ends
 * early leaves the rest of the image as it was, as decoders do. Source: ITU-T T.81.
 */
import { ByteView, checkSize, ImageProblem, type Image } from "./image.ts";
import { pixelsOf, type Component } from "./jpegPixels.ts";

const ZIGZAG = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63]; // prettier-ignore

/** A Huffman table: for each length the first code, where its symbols begin, and how many there are. */
interface Codes {
  readonly counts: Uint8Array;
  readonly symbols: Uint8Array;
}

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  readonly components: readonly Component[];
  readonly most: { readonly h: number; readonly v: number };
}

/** Reads entropy-coded bits, past stuffed zeros, up to a marker; zeros from there on. */
class BitReader {
  at: number;
  private readonly bytes: Uint8Array;
  private held = 0;
  private count = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }
  bit(): number {
    if (this.count === 0) {
      const byte = this.bytes[this.at];
      const isMarker = byte === 0xff && this.bytes[this.at + 1] !== 0;
      this.held = byte === undefined || isMarker ? 0 : byte;
      if (byte !== undefined && !isMarker) this.at += byte === 0xff ? 2 : 1;
      this.count = 8;
    }
    return (this.held >> --this.count) & 1;
  }
  bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = (value << 1) | this.bit();
    return value;
  }
  /** A signed number of so many bits: those with a leading 0 are negative. */
  signed(count: number): number {
    if (count === 0) return 0;
    const value = this.bits(count);
    return value < 1 << (count - 1) ? value - (1 << count) + 1 : value;
  }
  symbol({ counts, symbols }: Codes): number {
    let [code, first, index] = [0, 0, 0];
    for (let length = 0; length < 16; length++) {
      code |= this.bit();
      const count = counts[length]!;
      if (code - first < count) return symbols[index + code - first]!;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new ImageProblem("its Huffman codes are broken");
  }
  /** Past a restart marker, if there is one here. */
  restart(): void {
    this.count = 0;
    if (this.bytes[this.at] === 0xff && (this.bytes[this.at + 1]! & 0xf8) === 0xd0) this.at += 2;
  }
}

/** What a scan says of itself. */
interface Scan {
  readonly parts: readonly { readonly component: Component; readonly dc: Codes; readonly ac: Codes }[];
  /** First and last coefficient in zigzag order, and the bits that were sent before and are sent now. */
  readonly from: number;
  readonly to: number;
  readonly before: number;
  readonly now: number;
}

export function decodeJpeg(file: Uint8Array): Image {
  const view = new ByteView(file);
  const quantization = new Map<number, Uint16Array>();
  const codes = new Map<number, Codes>();
  let frame: Frame | undefined;
  let interval = 0;
  let transform: number | undefined;
  for (let at = 2; at < file.length;) {
    if (view.u8(at) !== 0xff) {
      at++;
      continue;
    }
    const marker = view.u8(at + 1);
    if (marker === 0xff || marker === 0 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    if (marker === 0xd9) break;
    const length = view.u16(at + 2);
    const content = new ByteView(view.slice(at + 4, length - 2));
    at += 2 + length;
    if (marker === 0xdb) readQuantization(content, quantization);
    else if (marker === 0xc4) readCodes(content, codes);
    else if (marker === 0xdd) interval = content.u16(0);
    else if (marker === 0xee && String.fromCharCode(...content.bytes.subarray(0, 5)) === "Adobe")
      transform = content.u8(11); // prettier-ignore
    else if (marker >= 0xc0 && marker <= 0xc2) frame = readFrame(content, marker === 0xc2);
    else if (marker >= 0xc3 && marker <= 0xcf)
      throw new ImageProblem(`its coding process is ${marker - 0xc0}`);
    else if (marker === 0xda) {
      if (!frame) throw new ImageProblem("a scan comes before its frame");
      const scan = readScan(content, frame, codes);
      // A table may change between scans; a component has the one that stood when its first scan began.
      for (const { component } of scan.parts) component.quantization ??= quantization.get(component.table);
      const reader = new BitReader(file, at);
      decodeScan(reader, frame, scan, interval);
      at = reader.at;
    }
  }
  if (!frame) throw new ImageProblem("it has no frame");
  const named = frame.components.map(({ id }) => String.fromCharCode(id)).join("");
  return pixelsOf(frame, frame.components, transform === undefined ? named !== "RGB" : transform !== 0);
}

function readQuantization(view: ByteView, into: Map<number, Uint16Array>): void {
  for (let at = 0; at < view.bytes.length;) {
    const head = view.u8(at++);
    const wide = head >> 4 ? 2 : 1;
    const table = new Uint16Array(64);
    ZIGZAG.forEach((place, i) => (table[place] = wide === 2 ? view.u16(at + 2 * i) : view.u8(at + i)));
    into.set(head & 15, table);
    at += 64 * wide;
  }
}

/** Tables by number, those of AC coefficients from 16 on. */
function readCodes(view: ByteView, into: Map<number, Codes>): void {
  for (let at = 0; at < view.bytes.length;) {
    const counts = view.slice(at + 1, 16);
    const total = counts.reduce((sum, count) => sum + count, 0);
    into.set(view.u8(at), { counts, symbols: view.slice(at + 17, total) });
    at += 17 + total;
  }
}

function readFrame(view: ByteView, progressive: boolean): Frame {
  if (view.u8(0) !== 8) throw new ImageProblem(`its samples have ${view.u8(0)} bits`);
  const [height, width, count] = [view.u16(1), view.u16(3), view.u8(5)];
  checkSize(width, height);
  if (count !== 1 && count !== 3) throw new ImageProblem(`it has ${count} components`);
  const heads = Array.from({ length: count }, (_, i) => [view.u8(6 + 3 * i), view.u8(7 + 3 * i), view.u8(8 + 3 * i)] as const); // prettier-ignore
  const most = { h: Math.max(...heads.map(([, f]) => f >> 4)), v: Math.max(...heads.map(([, f]) => f & 15)) };
  const components = heads.map(([id, factors, table]): Component => {
    const [h, v] = [factors >> 4, factors & 15];
    if (h < 1 || v < 1 || most.h > 4 || most.v > 4 || most.h % h || most.v % v)
      throw new ImageProblem("its sampling factors do not divide each other");
    const blocksAcross = Math.ceil(width / (8 * most.h)) * h;
    const blocksDown = Math.ceil(height / (8 * most.v)) * v;
    const coefficients = new Int16Array(64 * blocksAcross * blocksDown);
    return { id, h, v, table, blocksAcross, blocksDown, coefficients, quantization: undefined };
  });
  return { width, height, progressive, components, most };
}

const NO_CODES: Codes = { counts: new Uint8Array(16), symbols: new Uint8Array(0) };

function readScan(view: ByteView, frame: Frame, codes: ReadonlyMap<number, Codes>): Scan {
  const count = view.u8(0);
  const parts = Array.from({ length: count }, (_, i) => {
    const component = frame.components.find(({ id }) => id === view.u8(1 + 2 * i));
    if (!component) throw new ImageProblem("a scan has a component that the frame has not");
    const table = view.u8(2 + 2 * i);
    return { component, dc: codes.get(table >> 4) ?? NO_CODES, ac: codes.get(16 + (table & 15)) ?? NO_CODES };
  });
  const [from, to, bits] = [view.u8(1 + 2 * count), view.u8(2 + 2 * count), view.u8(3 + 2 * count)];
  if (!frame.progressive) return { parts, from: 0, to: 63, before: 0, now: 0 };
  if (from > to || to > 63 || (from > 0 && count > 1)) throw new ImageProblem("a scan's spectrum is broken");
  return { parts, from, to, before: bits >> 4, now: bits & 15 };
}

function decodeScan(reader: BitReader, frame: Frame, scan: Scan, interval: number): void {
  const state = { predictions: scan.parts.map(() => 0), endOfBand: 0 };
  const [only] = scan.parts;
  let done = 0;
  const unit = (decode: () => void): void => {
    if (interval > 0 && done > 0 && done % interval === 0) {
      reader.restart();
      state.predictions.fill(0);
      state.endOfBand = 0;
    }
    decode();
    done++;
  };
  const block = (k: number, x: number, y: number): void => {
    const { component, dc, ac } = scan.parts[k]!;
    const at = 64 * (y * component.blocksAcross + x);
    const data = component.coefficients.subarray(at, at + 64);
    if (!frame.progressive) baseline(reader, data, dc, ac, state.predictions, k);
    else if (scan.from === 0) progressiveDc(reader, data, dc, scan, state.predictions, k);
    else if (scan.before === 0) firstAc(reader, data, ac, scan, state);
    else refineAc(reader, data, ac, scan, state);
  };
  if (scan.parts.length === 1) {
    // A component alone comes without the blocks that fill up units of several.
    const { h, v } = only!.component;
    const across = Math.ceil(Math.ceil((frame.width * h) / frame.most.h) / 8);
    const down = Math.ceil(Math.ceil((frame.height * v) / frame.most.v) / 8);
    for (let y = 0; y < down; y++) for (let x = 0; x < across; x++) unit(() => block(0, x, y));
    return;
  }
  const across = Math.ceil(frame.width / (8 * frame.most.h));
  const down = Math.ceil(frame.height / (8 * frame.most.v));
  for (let my = 0; my < down; my++)
    for (let mx = 0; mx < across; mx++)
      unit(() =>
        scan.parts.forEach(({ component: { h, v } }, k) => {
          for (let y = 0; y < v; y++) for (let x = 0; x < h; x++) block(k, mx * h + x, my * v + y);
        }),
      );
}

function baseline(
  reader: BitReader,
  data: Int16Array,
  dc: Codes,
  ac: Codes,
  predictions: number[],
  k: number,
): void {
  predictions[k]! += reader.signed(reader.symbol(dc) & 15);
  data[0] = predictions[k]!;
  for (let i = 1; i < 64; i++) {
    const symbol = reader.symbol(ac);
    const size = symbol & 15;
    if (size === 0 && symbol !== 0xf0) break;
    i += symbol >> 4;
    if (size > 0 && i < 64) data[ZIGZAG[i]!] = reader.signed(size);
  }
}

function progressiveDc(
  reader: BitReader,
  data: Int16Array,
  dc: Codes,
  { before, now }: Scan,
  predictions: number[],
  k: number,
): void {
  if (before === 0) {
    predictions[k]! += reader.signed(reader.symbol(dc) & 15);
    data[0] = predictions[k]! << now;
  } else if (reader.bit()) data[0]! |= 1 << now;
}

interface Band {
  /** Blocks without further coefficients, this one among them. */
  endOfBand: number;
}

function firstAc(reader: BitReader, data: Int16Array, ac: Codes, { from, to, now }: Scan, state: Band): void {
  if (state.endOfBand > 0) {
    state.endOfBand--;
    return;
  }
  for (let i = from; i <= to; i++) {
    const symbol = reader.symbol(ac);
    const [run, size] = [symbol >> 4, symbol & 15];
    if (size === 0 && run < 15) {
      state.endOfBand = (1 << run) + reader.bits(run) - 1;
      break;
    }
    i += run;
    if (size > 0 && i <= to) data[ZIGZAG[i]!] = reader.signed(size) * (1 << now);
  }
}

/** One more bit for coefficients that are there, and new ones of size one between them. */
function refineAc(
  reader: BitReader,
  data: Int16Array,
  ac: Codes,
  { from, to, now }: Scan,
  state: Band,
): void {
  const step = 1 << now;
  const refine = (place: number): void => {
    if (reader.bit() && (Math.abs(data[place]!) & step) === 0)
      data[place]! += data[place]! > 0 ? step : -step;
  };
  let i = from;
  if (state.endOfBand === 0) {
    for (; i <= to; i++) {
      const symbol = reader.symbol(ac);
      let run = symbol >> 4;
      let made = 0;
      if ((symbol & 15) === 0) {
        if (run < 15) {
          state.endOfBand = (1 << run) + reader.bits(run);
          break;
        }
      } else made = reader.bit() ? step : -step;
      for (; i <= to; i++) {
        const place = ZIGZAG[i]!;
        if (data[place] !== 0) refine(place);
        else if (run-- === 0) break;
      }
      if (made && i <= to) data[ZIGZAG[i]!] = made;
    }
  }
  if (state.endOfBand === 0) return;
  for (; i <= to; i++) if (data[ZIGZAG[i]!] !== 0) refine(ZIGZAG[i]!);
  state.endOfBand--;
}
