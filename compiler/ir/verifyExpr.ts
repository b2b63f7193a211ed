/**
 * Checks of expressions. In: an expression and what it may refer to. Out: nothing, or InternalError naming the
 * first thing that is wrong. Invariant: what passes can be interpreted and emitted: operands have the types that
 * their operator takes, names are in scope, and coordinates that are plain sums of axes stay within their buffer.
 */
import { InternalError } from "../diagnostic.ts";
import { computeType, type ComputeType } from "./dtype.ts";
import type { BinaryExpr, Expr, LoadExpr } from "./expr.ts";
import { linear } from "./linear.ts";
import { range } from "./range.ts";
import { visit } from "./walk.ts";
import type { Buffer } from "./kernel.ts";
import { isComparison, takesBinary, takesUnary } from "./operandTypes.ts";

/** What an expression may refer to. */
export interface Scope {
  /** Where it stands, for messages. */
  readonly where: string;
  readonly buffers: readonly Buffer[];
  /** Axes in scope with the number of values that each may take. */
  readonly axes: ReadonlyMap<string, number>;
  /** Type of `acc`; absent where it may not be used. */
  readonly accumulator?: ComputeType;
  /** Kernels: an axis must have exactly its extent and coordinates must be in bounds. Nests: extents are bounds. */
  readonly exact: boolean;
}

/** Throws {@link InternalError} when `e` is not a value of `type` that makes sense in `scope`. */
export function verifyExpr(e: Expr, type: ComputeType, scope: Scope, seen: Set<Expr> = new Set()): void {
  if (e.type !== type) reject(scope, `is ${e.type} where ${type} is expected`);
  visit(e, (x) => verifyNode(x, scope), seen);
}

function reject(scope: Scope, message: string): never {
  throw new InternalError(`${scope.where}: ${message}`);
}

function verifyNode(e: Expr, scope: Scope): void {
  const expect = (holds: boolean, message: string): void => {
    if (!holds) reject(scope, message);
  };
  switch (e.kind) {
    case "const": {
      const big = e.type === "i64" || e.type === "u64";
      expect((typeof e.value === "bigint") === big, `constant ${e.value} of type ${e.type}`);
      return;
    }
    case "axis": {
      const extent = scope.axes.get(e.name);
      if (extent === undefined) reject(scope, `axis ${e.name} is not in scope`);
      const fits = scope.exact ? extent === e.extent : extent <= e.extent;
      expect(fits, `axis ${e.name} has extent ${extent}, not ${e.extent}`);
      return;
    }
    case "load":
      return verifyLoad(e, scope);
    case "acc":
      if (scope.accumulator === undefined) reject(scope, "acc without a reduction");
      expect(e.type === scope.accumulator, `acc is ${scope.accumulator}, not ${e.type}`);
      return;
    case "unary":
      expect(e.type === (e.op === "not" ? "bool" : e.a.type), `${e.op} of ${e.a.type} gives ${e.type}`);
      expect(takesUnary(e.op, e.a.type), `${e.op} of ${e.a.type}`);
      return;
    case "binary":
      expect(e.a.type === e.b.type, `${e.op} of ${e.a.type} and ${e.b.type}`);
      expect(e.type === (isComparison(e.op) ? "bool" : e.a.type), `${e.op} of ${e.a.type} gives ${e.type}`);
      expect(takesBinary(e.op, e.a.type) && dividesByConstant(e), `${e.op} of ${e.a.type}`);
      return;
    case "select":
      expect(e.condition.type === "bool", `select on ${e.condition.type}`);
      expect(
        e.a.type === e.type && e.b.type === e.type,
        `select of ${e.a.type} and ${e.b.type} gives ${e.type}`,
      );
      return;
    case "cast":
      expect(e.to !== "string", "cast to string");
      expect(e.type === (e.to === "index" ? "index" : computeType(e.to)), `cast to ${e.to} gives ${e.type}`);
      return;
    case "bitcast":
      expect(
        bitsOf(e.type) !== 0 && bitsOf(e.type) === bitsOf(e.a.type),
        `bitcast of ${e.a.type} to ${e.type}`,
      );
      return;
    default:
      reject(scope, `unknown expression ${(e satisfies never as Expr).kind}`);
  }
}

/** Width of a type that bits may be read as; 0 for the others. */
function bitsOf(type: ComputeType): number {
  if (type === "f32" || type === "i32" || type === "u32") return 32;
  return type === "f64" || type === "i64" || type === "u64" ? 64 : 0;
}

function dividesByConstant({ op, b }: BinaryExpr): boolean {
  if (op !== "floordiv" && op !== "floormod") return true;
  return b.kind === "const" && Number(b.value) > 0;
}

function verifyLoad(e: LoadExpr, scope: Scope): void {
  const buffer = scope.buffers[e.buffer];
  if (!buffer) reject(scope, `load from buffer ${e.buffer} of ${scope.buffers.length}`);
  if (e.type !== computeType(buffer.dtype))
    reject(scope, `load of ${buffer.dtype} ${buffer.name} as ${e.type}`);
  verifyIndex(buffer, e.index, scope, e.pad !== undefined);
}

/** Checks the coordinates of an access; `anywhere` allows them outside the buffer's shape. */
export function verifyIndex(buffer: Buffer, index: readonly Expr[], scope: Scope, anywhere = false): void {
  if (index.length !== buffer.shape.length) {
    reject(scope, `${buffer.name} has rank ${buffer.shape.length}, indexed by ${index.length}`);
  }
  index.forEach((e, d) => {
    if (e.type !== "index") reject(scope, `coordinate ${d} of ${buffer.name} is ${e.type}`);
    if (anywhere || !scope.exact) return;
    const { terms } = linear(e);
    // A sum of axes takes both ends of its range; of other terms the range is only a bound.
    if ([...terms.keys()].some((term) => term.kind !== "axis" || term.extent === 0)) return;
    if ([...scope.axes.values()].includes(0)) return;
    const [low, high] = sumRange(e);
    if (low < 0 || high >= buffer.shape[d]!) {
      reject(scope, `coordinate ${d} of ${buffer.name} is ${low}..${high}, its extent ${buffer.shape[d]}`);
    }
  });
}

function sumRange(e: Expr): readonly [number, number] {
  const { constant, terms } = linear(e);
  let low = constant;
  let high = constant;
  for (const [term, factor] of terms) {
    const last = range(term)[1] * factor;
    low += Math.min(0, last);
    high += Math.max(0, last);
  }
  return [low, high];
}
