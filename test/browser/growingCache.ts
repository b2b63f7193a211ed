/** A model whose cache grows by one with each run, for tests of late sessions. In: how wide it is. Out: the model, and inputs. */
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { type Inputs } from "../../runtime/index.ts";

/** Attention of one token, whose key is appended to a cache of any length, over all of them. */
export function growingCache(width: number): Uint8Array {
  const b = onnxModel("decoder", { opset: 18 });
  const token = b.input("token", "float32", [1, width]);
  const past = b.input("past", "float32", ["n", width]);
  const weights = Float32Array.from({ length: width * width }, (_, i) => Math.sin(i) / 16);
  const key = b.node("MatMul", [token, b.initializer("float32", [width, width], weights)]);
  const keys = b.node("Concat", [past, key], { axis: 0 });
  const shares = b.node("Softmax", [b.node("MatMul", [token, b.node("Transpose", [keys])])]);
  b.output(b.node("MatMul", [shares, keys]), "float32", undefined, "y");
  b.output(keys, "float32", undefined, "present");
  return b.toBytes();
}

export function cacheInputs(width: number, past: number): Inputs {
  return {
    token: { dtype: "float32", shape: [1, width], data: new Float32Array(width).fill(0.25) },
    past: {
      dtype: "float32",
      shape: [past, width],
      data: Float32Array.from({ length: past * width }, (_, i) => Math.cos(i)),
    },
  };
}
