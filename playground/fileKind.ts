/**
 * What a dropped file is, by its first bytes. In: a name and bytes. Out: an ONNX or TF.js model (as far as one can tell), an
 * artifact, or the name of what it is instead. Invariant: only what is certain not to be a model is refused here;
 * the rest is for the reader of models to judge, which sees every byte.
 */
import { looksLikeJson } from "../compiler/frontend/graphModel.ts";
import { isArtifact } from "../runtime/format.ts";

export type FileKind =
  | { readonly kind: "tile" }
  | { readonly kind: "onnx" }
  /** `model.json` of TF.js; the reader says whether it is a graph. */
  | { readonly kind: "tfjs" }
  | { readonly kind: "other"; readonly what: string; readonly advice: string };

const CONVERT = "Export it to ONNX or convert it for TF.js first: those are what Tilewright reads.";
const CHOOSE = "Drop an .onnx file, the folder of a TF.js model, or a .tile file that Tilewright made.";

interface Signature {
  readonly what: string;
  readonly advice: string;
  readonly offset?: number;
  /** As Latin-1 text. */
  readonly bytes: string;
}

/** First bytes, from the specifications of the formats. */
const SIGNATURES: readonly Signature[] = [
  { what: "a PNG image", advice: CHOOSE, bytes: "\x89PNG" },
  { what: "a JPEG image", advice: CHOOSE, bytes: "\xff\xd8\xff" },
  { what: "a GIF image", advice: CHOOSE, bytes: "GIF8" },
  { what: "a WebP image or a sound", advice: CHOOSE, bytes: "RIFF" },
  { what: "a PDF document", advice: CHOOSE, bytes: "%PDF" },
  { what: "a WebAssembly module", advice: CHOOSE, bytes: "\0asm" },
  { what: "a program", advice: CHOOSE, bytes: "\x7fELF" },
  { what: "a gzip archive", advice: "Unpack it and drop the .onnx file in it.", bytes: "\x1f\x8b" },
  {
    what: "a ZIP archive, perhaps a PyTorch or a Keras model",
    advice: "If there is an .onnx file in it, drop that one; otherwise export the model to ONNX first.",
    bytes: "PK\x03\x04",
  },
  { what: "a Keras or HDF5 file", advice: CONVERT, bytes: "\x89HDF" },
  { what: "a TensorFlow Lite model", advice: CONVERT, offset: 4, bytes: "TFL3" },
  { what: "an ONNX Runtime model (.ort)", advice: "Drop the .onnx file that it was made from.", offset: 4, bytes: "ORTM" },
  { what: "a GGUF model", advice: CONVERT, bytes: "GGUF" },
  { what: "a NumPy array", advice: CHOOSE, bytes: "\x93NUMPY" },
  { what: "a Python pickle, perhaps a PyTorch model", advice: CONVERT, bytes: "\x80\x02" },
]; // prettier-ignore

/** Numbers of the fields that ModelProto has, as onnx.proto has them. */
const MODEL_FIELDS = [1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26];

export function fileKind(name: string, bytes: Uint8Array): FileKind {
  if (bytes.length === 0) return { kind: "other", what: "empty", advice: CHOOSE };
  if (isArtifact(bytes)) return { kind: "tile" };
  for (const { what, advice, offset = 0, bytes: start } of SIGNATURES) {
    if ([...start].every((letter, i) => bytes[offset + i] === letter.charCodeAt(0))) {
      return { kind: "other", what, advice };
    }
  }
  // A safetensors file begins with the length of its JSON header in eight bytes.
  if (bytes[8] === 0x7b && bytes[9] === 0x22 && bytes.subarray(4, 8).every((byte) => byte === 0)) {
    return { kind: "other", what: "a safetensors file: weights without a model", advice: CONVERT };
  }
  // Only below a name that does not promise a model: a damaged one is better judged by its reader.
  if (!/\.onnx$/i.test(name)) {
    if (looksLikeJson(bytes) && isGraphModel(bytes)) return { kind: "tfjs" };
    if (isText(bytes)) {
      const json = bytes[0] === 0x7b || bytes[0] === 0x5b;
      return { kind: "other", what: json ? "a JSON file" : "a text file", advice: CHOOSE };
    }
    if (!MODEL_FIELDS.includes(bytes[0]! >> 3))
      return { kind: "other", what: "of a kind not known here", advice: CHOOSE };
  }
  return { kind: "onnx" };
}

/** Whether JSON has the member that every model of TF.js has. */
function isGraphModel(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes).includes('"modelTopology"');
}

/** Whether the start is printable text in UTF-8; control characters but for white space are a sign of binary data. */
function isText(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, 512);
  if (start.some((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)) return false;
  try {
    // `stream` lets the last character be cut.
    new TextDecoder("utf-8", { fatal: true }).decode(start, { stream: true });
    return true;
  } catch {
    return false;
  }
}
