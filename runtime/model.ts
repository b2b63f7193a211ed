/**
 * A model as a function. In: where its artifact is, and how to load it. Out: a function that loads it once, when it
 * is first called, and runs it. Invariant: at most one session is kept; a load that failed is tried again by the next
 * call; a session that is replaced is freed when the last of its runs is over. This is what `tilewright/vite` makes
 * of `import classify from "./digits.onnx"`.
 */
import { load, type LoadOptions } from "./load.ts";
import {
  type AnyModelTypes,
  type InputsOf,
  type ModelTypes,
  type OutputsOf,
  type TypedSession,
} from "./modelTypes.ts";
import { type Inputs, type RunOptions } from "./session.ts";
import { type Source } from "./source.ts";

/** Where a model may come from that is loaded perhaps more than once: everything but streams, which end. */
export type ModelSource = Exclude<Source, Response | ReadableStream>;

/** A model that loads itself. */
export interface Model<M extends ModelTypes = AnyModelTypes> {
  /**
   * One inference; the first call loads the model.
   *
   * @throws TilewrightError as `load` and `Session.run`
   */
  (inputs: InputsOf<M>, options?: RunOptions): Promise<OutputsOf<M>>;
  /** Where the model is loaded from. */
  readonly source: ModelSource;
  /**
   * Loads the model ahead of the first call, or says how far that has come; gives the session that calls share. The
   * options count for a load that this call begins.
   *
   * @example
   * await classify.load({ progress: ({ loaded, total }) => bar.show(loaded, total) });
   */
  load(options?: LoadOptions): Promise<TypedSession<M>>;
  /**
   * Loads the model from elsewhere and goes over to that when it is there. Calls are answered throughout.
   *
   * @throws TilewrightError as `load`; the old session then stays
   */
  replace(source: ModelSource, options?: LoadOptions): Promise<void>;
  /** Frees the session; the next call loads again. */
  dispose(): void;
}

/**
 * A model that is loaded by its first call.
 *
 * @param options as for `load`; those of `model.load(options)` win over these
 * @example
 * const classify = model("/models/digits.tile");
 * const { probabilities } = await classify({ image: new Float32Array(28 * 28) });
 */
export function model<M extends ModelTypes = AnyModelTypes>(
  source: ModelSource,
  options: LoadOptions = {},
): Model<M> {
  let from = source;
  let defaults = options;
  /** The session that calls share, or its load. */
  let current: Promise<TypedSession<M>> | undefined;
  let replacements = 0;
  /** How many runs each session is at. */
  const running = new Map<TypedSession<M>, number>();
  /** What is to be freed when its runs are over. */
  const leaving = new Set<TypedSession<M>>();

  // What the types say beyond `Session` is what the file beside the model promises; runs check it.
  const begin = (where: ModelSource, how: LoadOptions): Promise<TypedSession<M>> =>
    load(where, how) as Promise<unknown> as Promise<TypedSession<M>>;

  /** What is wrong with the inputs of one call is not wrong with the model that others wait for. */
  const beginWith = (inputs: Inputs, how: LoadOptions): Promise<TypedSession<M>> =>
    begin(from, { ...how, firstRun: inputs }).catch((error: unknown) => {
      const { code = "" } = error as { readonly code?: string };
      if (!/^(input-|run-failed)/.test(code)) throw error;
      return begin(from, how);
    });

  const shared = (more?: LoadOptions, first?: Inputs): Promise<TypedSession<M>> => {
    if (current === undefined) {
      const how = { ...defaults, ...more };
      const loading = (current = first === undefined ? begin(from, how) : beginWith(first, how));
      loading.catch(() => {
        if (current === loading) current = undefined;
      });
    }
    return current;
  };

  /** Frees a session now, or when its last run is over. */
  const release = (session: TypedSession<M>): void => {
    if (running.has(session)) leaving.add(session);
    else session.dispose();
  };

  const call = async (inputs: InputsOf<M>, runOptions?: RunOptions): Promise<OutputsOf<M>> => {
    // What is asked for before there is anything is computed while it comes.
    const isFirst = current === undefined && runOptions === undefined && defaults.firstRun === undefined;
    const session = await shared(undefined, isFirst ? (inputs as Inputs) : undefined);
    const { firstOutputs } = session;
    if (isFirst && firstOutputs !== undefined) {
      session.firstOutputs = undefined;
      return firstOutputs;
    }
    running.set(session, (running.get(session) ?? 0) + 1);
    try {
      return await session.run(inputs, runOptions);
    } finally {
      const left = running.get(session)! - 1;
      if (left > 0) running.set(session, left);
      else {
        running.delete(session);
        if (leaving.delete(session)) session.dispose();
      }
    }
  };

  const members: PropertyDescriptorMap = {
    source: { get: () => from },
    load: { value: (more?: LoadOptions) => shared(more) },
    replace: {
      value: async (next: ModelSource, nextOptions: LoadOptions = defaults): Promise<void> => {
        const turn = ++replacements;
        const loading = current && begin(next, nextOptions);
        const session = await loading;
        // Somebody may have replaced it again meanwhile, and that is what counts.
        if (turn !== replacements) return session?.dispose();
        from = next;
        defaults = nextOptions;
        if (session === undefined) return;
        if (current === undefined) return session.dispose();
        const old = current;
        current = loading;
        void old.then(release, () => {});
      },
    },
    dispose: {
      value: (): void => {
        const old = current;
        current = undefined;
        void old?.then(release, () => {});
      },
    },
  };
  return Object.defineProperties(call, members) as Model<M>;
}
