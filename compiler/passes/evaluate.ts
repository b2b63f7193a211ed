/**
 * Evaluates one node on tensors, slowly and exactly as the definition says. In: a kernel or library call and its
 * inputs. Out: output tensors. It serves constant folding and the interpreter device, so that both mean the same.
 */
import { InternalError } from "../diagnostic.ts";
import { allocate, bytesPerElement, elementCount, viewOf, type DType, type NumericData, type Tensor } from "../ir/dtype.ts"; // prettier-ignore
import type { TensorType } from "../ir/graph.ts";
import { runKernel } from "../ir/interp.ts";
import { storeFunction } from "../ir/numeric.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { InferredType, LibraryCall } from "../ops/define.ts";

/** A tensor from plain numbers, converted to `dtype`. */
export function tensorOf(dtype: DType, shape: readonly number[], values: readonly number[]): Tensor {
  const data = allocate(dtype, elementCount(shape));
  const store = storeFunction(dtype);
  const wide = dtype === "int64" || dtype === "uint64";
  values.forEach((value, i) => {
    (data as { [i: number]: number | bigint })[i] = store(wide ? BigInt(value) : value);
  });
  return { dtype, shape, data };
}

function numeric(tensor: Tensor): NumericData {
  if (tensor.dtype === "string") throw new InternalError("strings cannot be evaluated by a kernel");
  return tensor.data as NumericData;
}

/** Runs a kernel on its inputs (`undefined`: the kernel does not read it). */
export function evaluateKernel(
  kernel: Kernel,
  inputs: readonly (Tensor | undefined)[],
  types: readonly TensorType[],
): Tensor[] {
  const outputs = types.map((type) => allocate(type.dtype, elementCount(type.shape)));
  const given = inputs.map((tensor, i) => (tensor ? numeric(tensor) : allocate(kernel.buffers[i]!.dtype, 0)));
  runKernel(kernel, [...given, ...outputs]);
  return types.map((type, i) => ({ dtype: type.dtype, shape: type.shape, data: outputs[i]! }));
}

/**
 * Runs a library kernel's reference; dynamic dimensions get their real size. Inputs and outputs by position.
 *
 * @param draw what random numbers without a seed follow from in this run
 */
export function evaluateLibrary(
  call: LibraryCall,
  inputs: readonly (Tensor | undefined)[],
  types: readonly InferredType[],
  draw = 0,
): Tensor[] {
  let end = 64;
  const place = (bytes: number): number => {
    const at = end;
    end = (end + bytes + 15) & ~15;
    return at;
  };
  const inputAt = inputs.map((t) => (t ? place(numeric(t).byteLength) : 0));
  const outputAt = types.map((type) => place(elementCount(type.shape) * bytesPerElement(type.dtype)));
  const dataAt = call.arguments.map((a) => (a.kind === "data" ? place(numeric(a.tensor).byteLength) : 0));
  const scratchAt = place(call.scratchBytes);
  const memory = new ArrayBuffer(end);
  const write = (at: number, tensor: Tensor): void => {
    const data = numeric(tensor);
    new Uint8Array(memory, at, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
  };
  inputs.forEach((tensor, i) => tensor && write(inputAt[i]!, tensor));
  const values = call.arguments.map((a, i): number => {
    switch (a.kind) {
      case "input":
        return inputAt[a.position]!;
      case "output":
        return outputAt[a.position] ?? 0;
      case "scratch":
        return scratchAt + a.offset;
      case "data":
        write(dataAt[i]!, a.tensor);
        return dataAt[i]!;
      case "draw":
        return a.value ^ draw;
      default:
        return a.value;
    }
  });
  const result = call.kernel.reference(new DataView(memory), ...values);
  return types.map((type, i) => {
    const shape = type.dynamicDim === undefined ? type.shape : type.shape.map((d, k) => (k === type.dynamicDim ? result : d)); // prettier-ignore
    const view = viewOf(type.dtype, memory, outputAt[i]!, elementCount(shape));
    return { dtype: type.dtype, shape, data: view.slice() };
  });
}
