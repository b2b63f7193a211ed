/**
 * The table of library kernels: AssemblyScript modules for what no static loop nest can do. In: a kernel's name.
 * Out: its WebAssembly export, its arguments in order with what each means, its scratch, what its return value
 * tells, and a reference that does the same on a DataView. Invariant: `parameters` has the names and the order of
 * the AssemblyScript source (a test compares them), so a call that is right here is right there.
 */
import { InternalError } from "../../diagnostic.ts";
import { absent } from "./memory.ts";
import type { LibraryRoutine } from "../../ir/program.ts";
import { libraryTable } from "./table.ts";

export { absent, libraryDtypes, type LibraryDType } from "./memory.ts";
export { libraryModuleBytes } from "./module.ts";
export type { LibraryReference } from "./reference.ts";
export { packTrees, type PackedTrees, type TreeNode } from "./treeNodes.ts";

/**
 * What an argument is. `input`, `output` and `scratch` are byte addresses of dense row-major data that the kernel
 * reads, writes, or uses as it likes; `integers` is the address of constant i32 such as dims; `dtype` a code of
 * {@link libraryDtypes}; `integer` a size or flag; `real` an f64.
 */
export type ParameterKind = "input" | "output" | "scratch" | "integers" | "dtype" | "integer" | "real";

export interface LibraryParameter {
  readonly name: string;
  readonly kind: ParameterKind;
  /** Whether the address may be {@link absent}. */
  readonly optional: boolean;
  readonly doc: string;
}

/** Arguments by parameter name. */
export type NamedArguments = Readonly<Record<string, number>>;

export interface LibraryKernel extends LibraryRoutine {
  readonly doc: string;
  readonly parameters: readonly LibraryParameter[];
  /** Bytes that `scratch` must point at (8-byte aligned), from the other arguments; 0 when it needs none. */
  scratchBytes(sizes: NamedArguments): number;
  /**
   * What the returned i32 is: `count` is the size of the output's data-dependent dimension, `faults` how many
   * elements were skipped because an index was out of range, `size` a number known beforehand.
   */
  readonly returns: "count" | "faults" | "size";
}

/** Every library kernel, by name. */
export const libraryKernels: Readonly<Record<string, LibraryKernel>> = libraryTable;

/** Orders named arguments as the kernel takes them; optional ones that are not given become {@link absent}. */
export function orderArguments(kernel: LibraryKernel, named: NamedArguments): number[] {
  const names = new Set(kernel.parameters.map((parameter) => parameter.name));
  for (const name of Object.keys(named)) {
    if (!names.has(name)) throw new InternalError(`${kernel.name} has no parameter "${name}"`);
  }
  return kernel.parameters.map(({ name, kind, optional }) => {
    const value = named[name];
    if (value !== undefined) return value;
    if (optional) return absent;
    if (kind === "scratch" && kernel.scratchBytes(named) === 0) return 0;
    throw new InternalError(`${kernel.name} needs "${name}"`);
  });
}
