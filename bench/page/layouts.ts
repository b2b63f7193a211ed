/**
 * Tensors of the same network in another runtime's form. In: the ports that one side has and the tensors of the
 * other. Out: for each port its tensor, in the port's layout. Invariant: nothing is guessed where shapes do not fit:
 * a port takes the tensor of its name, else the first one that is left with as many elements; images of rank 4 are
 * transposed between channels first and channels last; any other difference of shape is one of dimensions of 1.
 */
import { elementCount, type Tensor } from "../../runtime/dtype.ts";
import { rmsError, type Tensors } from "../agreement.ts";

export interface LayoutPort {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface MatchedPort {
  readonly port: LayoutPort;
  readonly tensor: Tensor;
}

/** @throws Error when a port finds no tensor */
export function matchPorts(ports: readonly LayoutPort[], tensors: Tensors): readonly MatchedPort[] {
  const left = new Map(Object.entries(tensors));
  return ports.map((port) => {
    const count = elementCount(port.shape);
    const fits = ({ shape }: Tensor): boolean => elementCount(shape) === count;
    const named = left.get(port.name);
    const name =
      named !== undefined && fits(named) ? port.name : [...left].find(([, tensor]) => fits(tensor))?.[0];
    if (name === undefined) throw new Error(`no tensor fits ${port.name} of shape [${port.shape.join()}]`);
    const tensor = left.get(name)!;
    left.delete(name);
    return { port, tensor: inLayout(tensor, port.shape) };
  });
}

/**
 * The outputs `given` under the names and in the layout of `expected`. Where several have as many elements, each name
 * takes the one that is nearest to what is expected of it: that tells which output it is, not whether it is right.
 *
 * @throws Error when an expected output finds none
 */
export function matchOutputs(given: readonly Tensor[], expected: Tensors): Tensors {
  const left = new Set(given);
  return Object.fromEntries(
    Object.entries(expected).map(([name, wanted]) => {
      const count = elementCount(wanted.shape);
      const candidates = [...left]
        .filter(({ data }) => data.length === count)
        .map((source) => ({ source, tensor: inLayout(source, wanted.shape) }));
      const distances = candidates.map(({ tensor }) => rmsError({ [name]: tensor }, { [name]: wanted }));
      const nearest = candidates[distances.indexOf(Math.min(...distances))];
      if (nearest === undefined) throw new Error(`no output fits ${name} of shape [${wanted.shape.join()}]`);
      left.delete(nearest.source);
      return [name, nearest.tensor];
    }),
  );
}

/** The same elements in the shape `shape`, transposed if that is what the shapes say. */
export function inLayout(tensor: Tensor, shape: readonly number[]): Tensor {
  const from = tensor.shape;
  if (from.join() === shape.join() || from.length !== 4 || shape.length !== 4) return { ...tensor, shape };
  const [n, a, b, c] = from as readonly [number, number, number, number];
  const data = tensor.data as Float32Array;
  // [n, c, h, w] to [n, h, w, c]: rows of the image are the columns of the result, and the other way round.
  if (shape.join() === [n, b, c, a].join()) return { ...tensor, shape, data: transposed(data, n, a, b * c) };
  if (shape.join() === [n, c, a, b].join()) return { ...tensor, shape, data: transposed(data, n, a * b, c) };
  return { ...tensor, shape };
}

/** `count` matrices of `rows` x `columns`, each transposed. */
function transposed(data: Float32Array, count: number, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let i = 0; i < count; i++) {
    const start = i * rows * columns;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        result[start + column * rows + row] = data[start + row * columns + column]!;
      }
    }
  }
  return result;
}
