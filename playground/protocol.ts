/**
 * What the page and the compile worker say to each other. In and out: plain data that structured cloning carries.
 * Invariant: a worker serves one model; the page ends it and starts another for the next one, so an answer can
 * never belong to a model that is gone.
 */
import type { CompileReport, ModelDescription } from "../compiler/index.ts";
import type { TensorSummary } from "../compiler/tensors/tensorSummary.ts";
import type { DeviceKind, Feature, Port } from "../runtime/index.ts";
import type { Profile } from "../runtime/profile.ts";
import type { Problem } from "./problem.ts";

/** A file that the user gave. */
export interface GivenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Shapes of inputs by name. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

export type Request =
  | {
      /** Reads the model and answers `opened`. */
      readonly kind: "open";
      readonly model: GivenFile;
      /** Files that came with it: weights that it keeps outside of itself. */
      readonly beside: readonly GivenFile[];
    }
  | ({
      /** Compiles the model that is open and runs it: `compiled`, `ran`, `measured`. */
      readonly kind: "compile";
    } & Wish)
  | ({
      /** Compiles it once more, to be timed kernel by kernel: `profiled`. */
      readonly kind: "profile";
    } & Wish);

/** What a model is compiled for, and what it is run with. */
export interface Wish {
  /** Of the inputs whose shapes the model leaves open. */
  readonly shapes: Shapes;
  /** Inputs that are to be these numbers; the others are random. */
  readonly values: Readonly<Record<string, number>>;
  readonly device: DeviceKind;
}

export interface OpenedModel {
  /** An artifact whose shapes are fixed has nothing to be compiled, and does not tell its nodes. */
  readonly format: "onnx" | "tfjs" | "tile";
  readonly name: string;
  readonly fileBytes: number;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly description?: ModelDescription;
}

export interface CompiledModel {
  /** Absent for an artifact that came compiled. */
  readonly report?: CompileReport;
  readonly artifact: Blob;
  /** Milliseconds of the whole compilation. */
  readonly milliseconds: number;
}

export interface ModelRun {
  readonly variant: Feature | "scalar" | undefined;
  /** The GPU that it ran on, if it did. */
  readonly adapter: string | undefined;
  readonly memoryBytes: number;
  /** Milliseconds from the artifact to a session that is ready. */
  readonly load: number;
  /** Milliseconds of the first run and of those after it. */
  readonly first: number;
  readonly median: number;
  readonly least: number;
  readonly runs: number;
  readonly seed: number;
  readonly inputs: readonly { readonly name: string; readonly summary: TensorSummary }[];
  readonly outputs: readonly { readonly name: string; readonly summary: TensorSummary }[];
}

/** Bytes as a web server sends them, compressed by gzip. */
export interface Measured {
  readonly artifactGzip: number;
  /** Of the code that runs here, without weights; undefined where the artifact holds no code yet. */
  readonly codeGzip: number | undefined;
}

export interface ProfiledModel {
  readonly profile: Profile;
  readonly device: DeviceKind;
  /** The same for a viewer of traces. */
  readonly trace: Blob;
}

export type Reply =
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "trace"; readonly lines: readonly string[] }
  | { readonly kind: "opened"; readonly model: OpenedModel }
  | { readonly kind: "compiled"; readonly model: CompiledModel }
  | { readonly kind: "ran"; readonly run: ModelRun }
  | { readonly kind: "measured"; readonly measured: Measured }
  | { readonly kind: "profiled"; readonly profiled: ProfiledModel }
  | { readonly kind: "failed"; readonly problem: Problem }
  /** Nothing more follows until the next request. */
  | { readonly kind: "done" };
