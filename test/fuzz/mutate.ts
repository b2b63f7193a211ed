/**
 * Damage. In: the bytes of a real file and a source of choices. Out: a damaged copy and what was done to it.
 * Invariant: the original is untouched; the same choices do the same damage. Raw mutations know nothing of the
 * format; structural ones keep a model well-formed protobuf, so that they reach what lies behind the reader; header
 * mutations of artifacts come with fitting hashes, so that they reach what lies behind those.
 */
import { operatorNames } from "../../compiler/ops/table.ts";
import { FORMAT_VERSION, PREFIX_BYTES, readHeader, sectionHash } from "../../runtime/format.ts";
import { sha256 } from "../../runtime/sha256.ts";
import { encodeProto, joined, messagesOf, parseProto, type ProtoField } from "./protoTree.ts";
import type { Random } from "./random.ts";

export interface Mutation {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** Damage of bytes as bytes: flipped bits, cut, spliced, repeated, overwritten, absurd lengths. */
export function mutateBytes(bytes: Uint8Array, random: Random, donor: Uint8Array = bytes): Mutation {
  const copy = bytes.slice();
  const at = random.below(bytes.length);
  const length = Math.min(bytes.length - at, random.pick([1, 2, 4, 16, 64, 1024]));
  switch (random.below(7)) {
    case 0:
      return { what: `cut at ${at}`, bytes: bytes.slice(0, at) };
    case 1: {
      const from = random.below(donor.length);
      const piece = donor.subarray(from, from + length);
      return {
        what: `${piece.length} bytes from ${from} put in at ${at}`,
        bytes: joined([bytes.subarray(0, at), piece, bytes.subarray(at)]),
      };
    }
    case 2:
      return {
        what: `${length} bytes at ${at} left out`,
        bytes: joined([bytes.subarray(0, at), bytes.subarray(at + length)]),
      };
    case 3: {
      const fill = random.pick([0, 255, 127, 128]);
      copy.fill(fill, at, at + length);
      return { what: `${length} bytes at ${at} set to ${fill}`, bytes: copy };
    }
    case 4: {
      // A varint that says much: what a length field looks like when it lies.
      const absurd = random.pick([
        [0xff, 0xff, 0xff, 0xff, 0x0f],
        [0xff, 0xff, 0xff, 0xff, 0x07],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        [0x80, 0x80, 0x80, 0x80, 0x10],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      ]);
      return {
        what: `a large varint at ${at}`,
        bytes: joined([bytes.subarray(0, at), Uint8Array.from(absurd), bytes.subarray(at + 1)]),
      };
    }
    default: {
      const flips = random.between(1, 8);
      // Names, dims and tags lie at the start and the end of a file more often than weights do.
      for (let i = 0; i < flips; i++) {
        const where = random.chance(0.3)
          ? random.below(Math.min(256, copy.length))
          : random.below(copy.length);
        copy[where]! ^= 1 << random.below(8);
      }
      return { what: `${flips} bits flipped`, bytes: copy };
    }
  }
}

const NAMES = operatorNames("");

/** A node of another operator: its inputs and attributes are wrong in ways that no random bit makes. */
function renameOperator(messages: readonly ProtoField[][], random: Random): string | undefined {
  // NodeProto: op_type is field 4, outputs are field 2.
  const nodes = messages.filter(
    (m) => m.some((f) => f.number === 2) && m.some((f) => f.number === 4 && f.wire === 2),
  );
  if (nodes.length === 0) return undefined;
  const name = random.pick(NAMES);
  const field = random.pick(nodes).find((f) => f.number === 4)!;
  field.value = new TextEncoder().encode(name);
  return `a node made ${name}`;
}

const ABSURD = [0n, 1n, 2n, 3n, 5n, 6n, 7n, 9n, 10n, 11n, 12n, 16n, 127n, 65536n, 2n ** 20n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 2n]; // prettier-ignore

/** Damage of a model that leaves it well-formed protobuf. */
export function mutateModel(bytes: Uint8Array, random: Random): Mutation {
  const root = parseProto(bytes);
  if (root === undefined) throw new RangeError("the original is not protobuf");
  const rounds = random.pick([1, 1, 1, 2, 4]);
  const what: string[] = [];
  for (let i = 0; i < rounds; i++) what.push(mutateTree(root, random));
  return { what: what.join(", "), bytes: encodeProto(root) };
}

function mutateTree(root: ProtoField[], random: Random): string {
  const messages = messagesOf(root).filter(({ length }) => length > 0);
  const message = random.pick(messages);
  const at = random.below(message.length);
  const field = message[at]!;
  const alike = (): ProtoField => random.pick(random.pick(messages.filter((other) => other.some((f) => f.number === field.number))).filter((f) => f.number === field.number)); // prettier-ignore
  const name = `field ${field.number}`;
  if (random.chance(0.15)) {
    const renamed = renameOperator(messages, random);
    if (renamed !== undefined) return renamed;
  }
  switch (random.below(8)) {
    case 0:
      message.splice(at, 1);
      return `${name} left out`;
    case 1: {
      const times = random.pick([1, 1, 2, 100]);
      message.splice(at, 0, ...Array.from({ length: times }, () => structuredClone(field)));
      return `${name} repeated ${times} times`;
    }
    case 2: {
      const { wire, value } = structuredClone(alike());
      Object.assign(field, { wire, value });
      return `${name} taken from elsewhere`;
    }
    case 3: {
      const other = random.below(message.length);
      [message[at], message[other]] = [message[other]!, message[at]!];
      return `fields ${field.number} and ${message[at]!.number} changed places`;
    }
    case 4: {
      // Field numbers that nest in ONNX: nodes, attributes and graphs; types of sequences and of optionals.
      const chain = random.pick([[1, 5, 6], [6, 1, 5], [4, 1], [9, 1], [field.number]]);
      const depth = random.pick([3, 30, 3000]);
      let inner = Array.isArray(field.value) ? encodeProto(field.value) : new Uint8Array(0);
      for (let i = 0; i < depth; i++)
        inner = encodeProto([{ number: chain[i % chain.length]!, wire: 2, value: inner }]);
      Object.assign(field, { wire: 2, value: inner });
      return `${name} nested ${depth} times in fields ${chain.join(", ")}`;
    }
    case 5:
      field.number = random.between(1, 32);
      return `${name} renumbered ${field.number}`;
    default:
      break;
  }
  if (typeof field.value === "bigint") {
    field.value = random.chance(0.2) ? field.value + random.pick([1n, -1n]) : random.pick(ABSURD);
    return `${name} = ${field.value}`;
  }
  if (Array.isArray(field.value)) {
    const numbers = messagesOf(field.value).flatMap((m) => m.filter((f) => typeof f.value === "bigint"));
    if (numbers.length === 0) return `${name} left alone`;
    const chosen = random.pick(numbers);
    chosen.value = random.pick(ABSURD);
    return `field ${chosen.number} below ${name} = ${chosen.value}`;
  }
  if (field.value.length === 0) field.value = Uint8Array.of(65);
  else if (field.wire === 2)
    field.value = random.chance(0.1) ? new Uint8Array(0) : mutateBytes(field.value, random).bytes;
  else field.value = field.value.map((byte) => (random.chance(0.5) ? byte : random.below(256)));
  return `bytes of ${name} changed`;
}

/** An artifact file in parts. */
interface Parts {
  readonly header: {
    plan: unknown;
    sections: { name: string; offset: number; bytes: number; sha256: string }[];
  };
  readonly data: Uint8Array;
}

function partsOf(artifact: Uint8Array): Parts {
  const length = new DataView(artifact.buffer, artifact.byteOffset).getUint32(8, true);
  const headerBytes = artifact.subarray(PREFIX_BYTES, PREFIX_BYTES + length);
  const { dataStart } = readHeader(headerBytes, { memoryLimit: Infinity });
  return {
    header: JSON.parse(new TextDecoder().decode(headerBytes)) as Parts["header"],
    data: artifact.subarray(dataStart),
  };
}

function assembled(header: unknown, data: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const prefix = new Uint8Array(Math.ceil((PREFIX_BYTES + text.length) / 64) * 64);
  const view = new DataView(prefix.buffer);
  prefix.set(new TextEncoder().encode("TILE"));
  view.setUint32(4, FORMAT_VERSION, true);
  view.setUint32(8, text.length, true);
  prefix.set(sha256(text), 16);
  prefix.set(text, PREFIX_BYTES);
  return joined([prefix, data]);
}

/** Damage of an artifact's header, sealed again. */
export function mutateHeader(artifact: Uint8Array, random: Random): Mutation {
  const { header, data } = partsOf(artifact);
  const what: string[] = [];
  const rounds = random.pick([1, 1, 1, 2, 5]);
  for (let i = 0; i < rounds; i++) what.push(mutateJson(header, random));
  return { what: `header: ${what.join(", ")}`, bytes: assembled(header, data) };
}

const ODD_VALUES: readonly unknown[] = [
  0,
  1,
  -1,
  3,
  1.5,
  64,
  65536,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e308,
  null,
  true,
  "",
  "x",
  "__proto__",
  [],
  {},
  [[]],
];

function mutateJson(root: unknown, random: Random): string {
  const places: { holder: Record<string, unknown>; key: string; path: string }[] = [];
  const walk = (holder: unknown, path: string): void => {
    if (typeof holder !== "object" || holder === null) return;
    for (const key of Object.keys(holder)) {
      places.push({ holder: holder as Record<string, unknown>, key, path: `${path}.${key}` });
      walk((holder as Record<string, unknown>)[key], `${path}.${key}`);
    }
  };
  walk(root, "");
  if (places.length === 0) return "nothing to change";
  const { holder, key, path } = random.pick(places);
  const value = holder[key];
  switch (random.below(6)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      return `${path} left out`;
    case 1: {
      const other = random.pick(places);
      holder[key] = structuredClone(other.holder[other.key]);
      return `${path} = ${other.path}`;
    }
    case 2:
      if (Array.isArray(value) && value.length > 0) {
        value.push(...Array.from({ length: random.pick([1, 2, 1000]) }, () => structuredClone(value[0])));
        return `${path} made longer`;
      }
      break;
    case 3:
    case 4:
      if (typeof value === "number") {
        holder[key] = random.pick([
          value + 1,
          value - 1,
          value * 2,
          value + 64,
          -value,
          Math.floor(value / 2),
          value + 2 ** 16,
        ]);
        return `${path} = ${String(holder[key])}`;
      }
      break;
    default:
      break;
  }
  // A copy: what is changed within it later must not come to stand in itself.
  holder[key] = structuredClone(random.pick(ODD_VALUES));
  return `${path} = ${JSON.stringify(holder[key])}`;
}

/**
 * Damage of the code sections, sealed again. Code that still validates would run, and nobody can say for how long:
 * an artifact's code is trusted to end, as a script's is. So damage goes on until the engine refuses the module.
 */
export function mutateCode(artifact: Uint8Array, random: Random): Mutation {
  const { header, data } = partsOf(artifact);
  const copy = data.slice();
  for (const section of header.sections.filter(
    ({ name }) => name.includes("simd") || name.startsWith("lib."),
  )) {
    const content = copy.subarray(section.offset, section.offset + section.bytes);
    let damaged = content;
    while (WebAssembly.validate(damaged.slice())) {
      const mutated = mutateBytes(content, random).bytes.subarray(0, content.length);
      damaged = joined([mutated, content.subarray(mutated.length)]).subarray(0, content.length);
    }
    content.set(damaged);
    reseal(section, content);
  }
  return { what: "code that is no code", bytes: assembled(header, copy) };
}

/** Damage of the weights, sealed again: other weights, so the program must run. */
export function mutateWeights(artifact: Uint8Array, random: Random): Mutation {
  const { header, data } = partsOf(artifact);
  const copy = data.slice();
  for (const section of header.sections.filter(({ name, bytes }) => name === "weights" && bytes > 0)) {
    const content = copy.subarray(section.offset, section.offset + section.bytes);
    for (let i = 0; i < 16; i++) content[random.below(content.length)] = random.below(256);
    reseal(section, content);
  }
  return { what: "other weights", bytes: assembled(header, copy) };
}

function reseal(section: Parts["header"]["sections"][number], content: Uint8Array): void {
  section.sha256 = sectionHash(content);
}
