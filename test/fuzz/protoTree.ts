/**
 * Protobuf without a schema: enough to change a file in its structure and write it back. In: bytes. Out: a tree of
 * fields, and bytes again. Invariant: what parses is written back with the same meaning; bytes that happen to read
 * as a message are shown as one, which is as good a target for mutations as any. Source: the protobuf encoding guide.
 */

/** One field: a varint, 8 or 4 fixed bytes, bytes, or a message. */
export interface ProtoField {
  number: number;
  wire: 0 | 1 | 2 | 5;
  value: bigint | Uint8Array | ProtoField[];
}

const MAX_DEPTH = 12;

/** The fields of a message; undefined when the bytes are none. */
export function parseProto(bytes: Uint8Array, depth = 0): ProtoField[] | undefined {
  const fields: ProtoField[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      result |= BigInt(byte & 127) << shift;
      if (byte < 128) return result;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === undefined || tag >> 3n === 0n || tag >> 3n > 4096n) return undefined;
    const number = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    if (wire === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.push({ number, wire, value });
    } else if (wire === 1 || wire === 2 || wire === 5) {
      const length = wire === 1 ? 8n : wire === 5 ? 4n : varint();
      if (length === undefined || length > BigInt(bytes.length - at)) return undefined;
      const content = bytes.subarray(at, (at += Number(length)));
      // Long runs are weights: reading those as messages would only cost time.
      const inner =
        wire === 2 && depth < MAX_DEPTH && content.length > 1 ? parseProto(content, depth + 1) : undefined;
      fields.push({ number, wire, value: inner ?? content });
    } else return undefined;
  }
  return fields;
}

/** The bytes of a message. */
export function encodeProto(fields: readonly ProtoField[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { number, wire, value } of fields) {
    parts.push(varintBytes((BigInt(number) << 3n) | BigInt(wire)));
    if (typeof value === "bigint") parts.push(varintBytes(value));
    else {
      const content = value instanceof Uint8Array ? value : encodeProto(value);
      if (wire === 2) parts.push(varintBytes(BigInt(content.length)));
      parts.push(content);
    }
  }
  return joined(parts);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

function varintBytes(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

/** All lists of fields, the message itself first. */
export function messagesOf(fields: ProtoField[]): ProtoField[][] {
  return [fields, ...fields.flatMap(({ value }) => (Array.isArray(value) ? messagesOf(value) : []))];
}
