/**
 * Operators on maps. In: a map as two tensors of one dimension, its keys and the values in the same order, as the
 * frontend writes an input of such a type. Out: a tensor [1, n]. Invariant: the order in which a map lists its
 * entries does not matter; a key that stands twice counts as the last one does. Both are computed on the host, since
 * keys are words or say where a value goes, and the numbers that come out are the next program's inputs.
 * Source: ONNX operator documentation, ai.onnx.ml, CastMap 1 and DictVectorizer 1; shapes as onnxruntime has them.
 */
import { allocate, type Tensor } from "../ir/dtype.ts";
import type { OpCall, OpDefinition } from "./define.ts";
import { typeNumber } from "../ir/dataType.ts";
import { hostOperator } from "./stringForm.ts";

const DOMAIN = "ai.onnx.ml";

type Key = string | bigint;
type Element = string | number | bigint;

/** The entries of a map. */
function entriesOf(call: OpCall, [keys, values]: readonly (Tensor | undefined)[]): Map<Key, Element> {
  if (!keys || !values || (keys.dtype !== "string" && keys.dtype !== "int64"))
    return call.fail("dtype-unsupported", `keys of type ${keys?.dtype ?? "none"}: string or int64`);
  if (keys.data.length !== values.data.length)
    call.fail("shape-mismatch", `${keys.data.length} keys and ${values.data.length} values`);
  const elements = Array.from(values.data as Iterable<Element>);
  return new Map(Array.from(keys.data as Iterable<Key>, (key, i) => [key, elements[i]!]));
}

/** A row of elements of the type that the values of the map have; what is absent is 0, or `blank`. */
function row(
  call: OpCall,
  { dtype }: Tensor,
  elements: readonly (Element | undefined)[],
  blank: string,
): Tensor {
  const shape = [1, elements.length];
  if (dtype === "string") return { dtype, shape, data: elements.map((element) => (element ?? blank) as string) }; // prettier-ignore
  if (dtype !== "float32" && dtype !== "float64" && dtype !== "int64")
    return call.fail("dtype-unsupported", `values of type ${dtype}`);
  const data = allocate(dtype, elements.length) as { [at: number]: Element };
  elements.forEach((element, i) => {
    if (element !== undefined) data[i] = element;
  });
  return { dtype, shape, data: data as Tensor["data"] };
}

/** One value for each word of the vocabulary; entries of no word are left out, as scikit-learn leaves them out. */
const dictVectorizer = hostOperator(
  "DictVectorizer",
  (call, inputs) => {
    const words: readonly Key[] = call.strings("string_vocabulary") ?? (call.ints("int64_vocabulary") ?? []).map(BigInt); // prettier-ignore
    const entries = entriesOf(call, inputs);
    const ofWords = typeof words[0] === "string";
    if (words.length > 0 && ofWords !== (inputs[0]!.dtype === "string"))
      call.fail("dtype-unsupported", `keys of type ${inputs[0]!.dtype} for a vocabulary of ${ofWords ? "strings" : "integers"}`); // prettier-ignore
    return [row(call, inputs[1]!, words.map((word) => entries.get(word)), "")];
  },
  DOMAIN,
); // prettier-ignore

/** The values in the order of their keys, or each at the place that its key names. */
const orderedMap = hostOperator(
  "OrderedMap",
  (call, inputs) => {
    const entries = entriesOf(call, inputs);
    const places = [...entries.keys()].map(Number).sort((a, b) => a - b);
    const at = (place: number): Element | undefined => entries.get(BigInt(place));
    const length = call.int("length", -1);
    if (length < 0) return [row(call, inputs[1]!, places.map(at), "0")];
    const outside = places.find((place) => place < 0 || place >= length);
    if (outside !== undefined) call.fail("shape-mismatch", `the key ${outside} is none of 0 to ${length - 1}`);
    return [row(call, inputs[1]!, Array.from({ length }, (_, place) => at(place)), "0")];
  },
  "tilewright",
); // prettier-ignore

const targets = { TO_FLOAT: "float32", TO_STRING: "string", TO_INT64: "int64" } as const;

const castMap: OpDefinition = {
  op: "CastMap",
  domain: DOMAIN,
  implementation: {
    kind: "expand",
    expand(call, to) {
      const target = targets[call.string("cast_to", "TO_FLOAT") as keyof typeof targets] ?? call.fail("attribute-invalid", `cast_to ${call.string("cast_to")}`); // prettier-ignore
      const form = call.string("map_form", "DENSE");
      if (form !== "DENSE" && form !== "SPARSE") call.fail("attribute-invalid", `map_form ${form}`);
      if (call.input(0).dtype !== "int64")
        call.fail("dtype-unsupported", `keys of type ${call.input(0).dtype}: int64`);
      const length = form === "SPARSE" ? call.int("max_map", 1) : -1;
      const ordered = to.node("tilewright:OrderedMap", call.node.inputs, { length });
      return [to.node("Cast", [ordered], { to: typeNumber(target) })];
    },
  },
};

export const mlMapOps: readonly OpDefinition[] = [dictVectorizer, orderedMap, castMap];
