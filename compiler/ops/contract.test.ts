/** Contractions on small cases, against sums written out by hand or by loops. */
import { describe, expect, it } from "vitest";
import { counting, runOperator, tensor } from "../../test/operator.ts";
import { CompileError } from "../diagnostic.ts";
import type { Tensor } from "../ir/dtype.ts";

const values = (t: Tensor): number[] => Array.from(t.data as Iterable<number>, Number);

describe("MatMul", () => {
  it("multiplies matrices", () => {
    const [y] = runOperator({ op: "MatMul", inputs: [counting([2, 3]), counting([3, 2])] });
    expect(y!.shape).toEqual([2, 2]);
    expect(values(y!)).toEqual([22, 28, 49, 64]);
  });

  it("takes vectors as a row and a column", () => {
    expect(runOperator({ op: "MatMul", inputs: [counting([3]), counting([3, 2])] })[0]).toMatchObject({
      shape: [2],
    });
    expect(runOperator({ op: "MatMul", inputs: [counting([2, 3]), counting([3])] })[0]).toMatchObject({
      shape: [2],
    });
    const [dot] = runOperator({ op: "MatMul", inputs: [counting([3]), counting([3])] });
    expect(dot!.shape).toEqual([]);
    expect(values(dot!)).toEqual([14]);
  });

  it("broadcasts leading dimensions", () => {
    const [y] = runOperator({ op: "MatMul", inputs: [counting([2, 1, 1, 2]), counting([3, 2, 1])] });
    expect(y!.shape).toEqual([2, 3, 1, 1]);
    expect(values(y!)).toEqual([5, 11, 17, 11, 25, 39]);
  });

  it("sums nothing to zero", () => {
    const [y] = runOperator({ op: "MatMul", inputs: [counting([2, 0]), counting([0, 1])] });
    expect(values(y!)).toEqual([0, 0]);
  });

  it("refuses inner dimensions that differ", () => {
    expect(() => runOperator({ op: "MatMul", inputs: [counting([2, 3]), counting([2, 3])] })).toThrow(
      CompileError,
    );
  });
});

describe("Gemm", () => {
  it("transposes, scales and adds a broadcast C", () => {
    const [y] = runOperator({
      op: "Gemm",
      inputs: [counting([3, 2]), counting([2, 3]), counting([2])],
      attributes: { transA: 1, transB: 1, alpha: { float: 0.5 }, beta: { float: 2 } },
    });
    // A' = [[1,3,5],[2,4,6]], B' = [[1,4],[2,5],[3,6]]
    expect(values(y!)).toEqual([22 / 2 + 2, 49 / 2 + 4, 28 / 2 + 2, 64 / 2 + 4]);
  });
});

describe("Einsum", () => {
  const run = (equation: string, inputs: Tensor[]): Tensor =>
    runOperator({ op: "Einsum", inputs, attributes: { equation } })[0]!;

  it("sums, transposes and takes diagonals", () => {
    expect(values(run("ij->i", [counting([2, 2])]))).toEqual([3, 7]);
    expect(values(run("ij->ji", [counting([2, 2])]))).toEqual([1, 3, 2, 4]);
    expect(values(run("ii->i", [counting([2, 2])]))).toEqual([1, 4]);
    expect(run("ii", [counting([2, 2])])).toMatchObject({ shape: [] });
  });

  it("broadcasts ellipses", () => {
    const y = run("...ij,...jk->...ik", [counting([2, 1, 2]), counting([2, 1])]);
    expect(y.shape).toEqual([2, 1, 1]);
    expect(values(y)).toEqual([5, 11]);
  });
});

describe("quantized products", () => {
  it("takes zero points off by row and column", () => {
    const [y] = runOperator({
      op: "MatMulInteger",
      inputs: [
        tensor("uint8", [2, 2], [1, 2, 3, 4]),
        tensor("int8", [2, 2], [1, -1, 2, -2]),
        tensor("uint8", [2], [1, 0]),
        tensor("int8", [2], [0, 1]),
      ],
    });
    // rows (0,1), (3,4); columns (1,2), (-2,-3)
    expect(values(y!)).toEqual([2, -3, 11, -18]);
  });

  it("rounds half to even and saturates", () => {
    const one = tensor("float32", [], [1]);
    const [y] = runOperator({
      op: "QLinearMatMul",
      inputs: [
        tensor("uint8", [1, 1], [5]),
        tensor("float32", [], [0.5]),
        tensor("uint8", [], [0]),
        tensor("uint8", [1, 3], [1, 3, 255]),
        one,
        tensor("uint8", [], [0]),
        one,
        tensor("uint8", [], [0]),
      ],
    });
    expect(values(y!)).toEqual([2, 8, 255]);
  });
});
