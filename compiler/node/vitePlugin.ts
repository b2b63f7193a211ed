/**
 * `tilewright/vite`: models as modules. In: a Vite project that imports `.onnx` or `.tile` files. Out: each compiled
 * once, emitted as a file with a hash in its name, and imported as a typed function that loads and runs it. Invariant:
 * it takes no configuration: pages, workers, libraries, servers and any base get an address that holds where the
 * module runs; what cannot be compiled is shown in the page by name of the node, with what to do next.
 *
 * @example
 * // vite.config.ts
 * import { defineConfig } from "vite";
 * import tilewright from "tilewright/vite";
 * export default defineConfig({ plugins: [tilewright()] });
 * @example
 * // main.ts
 * import classify from "./digits.onnx?dims.batch=1";
 * const { probabilities } = await classify({ image: pixels });
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, posix, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { Logger, Plugin, ResolvedConfig, UserConfig } from "vite";
import { CompileError, formatDiagnostic } from "../diagnostic.ts";
import { bytesText, millisecondsText } from "../tensors/table.ts";
import { asksForModel, ownQuery, splitId, type ModelOptions } from "./importedModel.ts";
import { whenWritten } from "./modelFile.ts";
import { ModelProject, writeDeclaration, type ImportedModel } from "./modelProject.ts";
import { filesOf, type ListedFile, workerCode, type ServiceWorker } from "./serviceWorker.ts";
import { moduleOf, type AddressOf } from "./vitePluginModule.ts";

export type { ModelOptions } from "./importedModel.ts";

export interface TilewrightPluginOptions {
  /**
   * Options by file: paths from the project's root, where `*` stands for any part of a name, `**` for any folders and
   * `{a,b}` for either. The query of an import wins over these.
   *
   * @example { "src/models/*.onnx": { dims: { batch: 1 } } }
   */
  readonly models?: Readonly<Record<string, ModelOptions>>;
  /** Whether declarations for TypeScript are written beside the models. Default: true. */
  readonly types?: boolean;
  /**
   * The app's own service worker: its source, "src/sw.ts" say, which is built to one script beside the page, "sw.js",
   * that every browser can register. In it `self.__WB_MANIFEST` is the list of all files that the page may need, in
   * the form of Workbox: `precacheAndRoute(offlineModels(self.__WB_MANIFEST))`. With "vite-plugin-pwa", whose
   * `injectManifest` makes the service worker, that plugin is given the models for its list.
   */
  readonly serviceWorker?: string | ServiceWorker;
  /** Where compiled models are kept between builds, and most bytes of them. */
  readonly cache?: { readonly folder?: string; readonly mostBytes?: number };
}

/** How the command line finds the project of a plugin. */
export interface TilewrightPluginApi {
  readonly project: () => ModelProject;
}

const NAME = "tilewright";
const PACKAGE = "tilewright";
const PWA_PLUGIN = "vite-plugin-pwa";

/**
 * The plugin.
 *
 * @example
 * tilewright({ models: { "src/digits.onnx": { dims: { batch: 1 } } } });
 */
export default function tilewright(options: TilewrightPluginOptions = {}): Plugin<TilewrightPluginApi> {
  return pluginOf(options, new Set());
}

/** @param told what has been said already: the worker bundles' instance says nothing twice */
function pluginOf(options: TilewrightPluginOptions, told: Set<string>): Plugin<TilewrightPluginApi> {
  let config: ResolvedConfig | undefined;
  let project: ModelProject | undefined;
  /** Artifacts that lie beside the code of a library or a server, by what stands for their addresses. */
  const artifacts = new Map<string, { readonly fileName: string; readonly file: string }>();

  const projectOf = (): ModelProject =>
    (project ??= new ModelProject({
      root: config?.root ?? process.cwd(),
      models: options.models,
      cacheFolder: options.cache?.folder,
      cacheBytes: options.cache?.mostBytes,
      alias: config?.resolve.alias.map(({ find, replacement }) => ({ find, replacement })),
    }));

  return {
    name: NAME,
    enforce: "pre",
    api: { project: projectOf },

    config(user: UserConfig) {
      // Plugins of the project are not those of its workers' bundles; and those may need more than one chunk.
      const { worker } = user;
      const plugins = worker?.plugins;
      user.worker = {
        ...worker,
        format: worker?.format ?? "es",
        plugins: () => {
          const present = plugins?.() ?? [];
          return present.flat().some((plugin) => plugin && "name" in plugin && plugin.name === NAME)
            ? present
            : [...present, pluginOf(withoutServiceWorker(options), told)];
        },
      };
      // Bundled ahead, the runtime would not find its own workers.
      return { optimizeDeps: { exclude: [PACKAGE] }, ssr: { noExternal: [PACKAGE] } };
    },

    configResolved(resolved) {
      config = resolved;
    },

    load: {
      filter: { id: /\.(?:onnx|tile)(?:\?|$)|[?&]tile(?:&|$)/ },
      async handler(id) {
        if (!asksForModel(id)) return null;
        const { path, query } = splitId(id);
        const { consumer, command, isLibrary } = surroundings(this.environment?.config ?? config);
        if (command === "serve") await whenWritten(path);
        let model: ImportedModel;
        try {
          model = projectOf().imported(path, ownQuery(query));
        } catch (error) {
          this.addWatchFile(path);
          return this.error(problem(error, path, projectOf().root));
        }
        for (const file of model.sources) this.addWatchFile(file);
        if (config !== undefined) tell(config.logger, model, path, config.root, told);
        if (options.types !== false) writeTypes(projectOf(), path, model, (text) => this.warn(text));

        let address: AddressOf;
        if (consumer === "server" && command === "serve") {
          address = { kind: "expression", text: JSON.stringify(pathToFileURL(model.file).href) };
        } else if (consumer === "server" || isLibrary) {
          const { mark, fileName } = beside(model);
          artifacts.set(mark, { fileName, file: model.file });
          if (consumer === "client")
            this.emitFile({ type: "asset", fileName, source: readFileSync(model.file) });
          address = { kind: "expression", text: mark };
        } else {
          address = { kind: "import", specifier: `${model.file.split(sep).join("/")}?url&no-inline` };
        }
        return {
          code: moduleOf(model, address, command === "serve" && consumer === "client"),
          map: null,
          moduleSideEffects: false,
        };
      },
    },

    renderChunk(code, { fileName: chunk }, { format }) {
      const marks = [...artifacts.keys()].filter((mark) => code.includes(mark));
      if (marks.length === 0) return null;
      const address = (mark: string): string =>
        addressFrom(posix.relative(posix.dirname(chunk), artifacts.get(mark)!.fileName), format);
      return { code: marks.reduce((text, mark) => text.replaceAll(mark, address(mark)), code), map: null };
    },

    generateBundle: {
      // After the pages have been written into the bundle.
      order: "post",
      async handler(_, bundle) {
        const { serviceWorker } = options;
        if (serviceWorker === undefined || config === undefined) return;
        const { consumer, isLibrary } = surroundings(this.environment?.config ?? config);
        if (consumer === "server" || isLibrary) return;
        if (serviceWorker === PWA_PLUGIN) {
          const models = filesOf(bundle, config).filter(({ url }) => url.endsWith(".tile"));
          extendManifest(config, models, (text) => this.error(text));
          return;
        }
        const plugins = [pluginOf(withoutServiceWorker(options), told)];
        const emitted = await workerCode(serviceWorker, bundle, config, plugins);
        for (const { fileName, source } of emitted)
          if (!(fileName in bundle)) this.emitFile({ type: "asset", fileName, source });
      },
    },

    // Vite leaves assets out of what it builds for a server, where it takes them to be the client's.
    async writeBundle({ dir }) {
      for (const { fileName, file } of artifacts.values()) {
        if (dir === undefined || existsSync(join(dir, fileName))) continue;
        await mkdir(dirname(join(dir, fileName)), { recursive: true });
        await writeFile(join(dir, fileName), readFileSync(file));
      }
    },
  };
}

/** For the bundles inside of a build. */
function withoutServiceWorker({
  serviceWorker: _,
  ...options
}: TilewrightPluginOptions): TilewrightPluginOptions {
  return options;
}

/** What vite-plugin-pwa offers to other plugins. */
interface PwaPluginApi {
  extendManifestEntries(extend: (entries: readonly ListedFile[]) => readonly ListedFile[]): void;
}

/** Puts models into the list that vite-plugin-pwa writes into its service worker. */
function extendManifest(
  { plugins }: ResolvedConfig,
  models: readonly ListedFile[],
  fail: (text: string) => never,
): void {
  const pwa = plugins.find(({ name }) => name === PWA_PLUGIN)?.api as PwaPluginApi | undefined;
  if (pwa === undefined)
    return fail(
      `serviceWorker: "${PWA_PLUGIN}" needs that plugin; without it, name the source of a service worker`,
    );
  const listed = new Set(models.map(({ url }) => url));
  pwa.extendManifestEntries((entries) => [
    ...entries.filter((entry) => !listed.has(typeof entry === "string" ? entry : entry.url)),
    ...models,
  ]);
}

/** Where an artifact lies that a library or a server takes along, and what stands for its address until then. */
function beside({ file, hash }: ImportedModel): { readonly mark: string; readonly fileName: string } {
  const short = hash.slice(0, 8);
  return {
    mark: `__TILEWRIGHT_ARTIFACT_${short}__`,
    fileName: `assets/${basename(file, ".tile")}-${short}.tile`,
  };
}

/** An expression for the address of a file beside the code that says it: a library knows no base, a server has files. */
function addressFrom(path: string, format: string): string {
  const text = JSON.stringify(path.startsWith(".") ? path : `./${path}`);
  if (format === "cjs")
    return `require("node:url").pathToFileURL(require("node:path").join(__dirname, ${text})).href`;
  if (format === "umd" || format === "iife")
    return `new URL(${text}, document.currentScript?.src || document.baseURI).href`;
  return `new URL(${text}, import.meta.url).href`;
}

interface Surroundings {
  readonly consumer: "client" | "server";
  readonly command: "build" | "serve";
  readonly isLibrary: boolean;
}

/** Where the module will run. */
function surroundings(
  config:
    | {
        readonly consumer?: "client" | "server";
        readonly command?: "build" | "serve";
        readonly build: { readonly lib?: unknown; readonly ssr?: unknown };
      }
    | undefined,
): Surroundings {
  return {
    consumer: config?.consumer ?? (config?.build.ssr ? "server" : "client"),
    command: config?.command ?? "build",
    isLibrary: Boolean(config?.build.lib),
  };
}

/** An error for Vite's overlay and the terminal: one line for each thing that is wrong, and where. */
function problem(
  error: unknown,
  path: string,
  root: string,
): { message: string; id: string; frame?: string } {
  const file = relative(root, path);
  if (!(error instanceof CompileError)) {
    const reason = error instanceof Error ? error.message : String(error);
    return { message: `${file} cannot be read: ${reason}`, id: path };
  }
  const [first, ...more] = error.diagnostics.map(formatDiagnostic);
  const others = more.length === 0 ? "" : ` - and ${more.length} more`;
  return {
    message: `${file} cannot be compiled: ${first}${others}`,
    id: path,
    ...(more.length === 0 ? {} : { frame: [first, ...more].join("\n") }),
  };
}

/** One line for each model that was compiled, and what to do about dimensions that are open. */
function tell(logger: Logger, model: ImportedModel, path: string, root: string, told: Set<string>): void {
  const { hash, bytes, kernels, milliseconds, kind, open } = model;
  const once = (key: string, say: () => void): void => {
    if (told.has(key)) return;
    told.add(key);
    say();
  };
  const name = relative(root, path);
  if (milliseconds !== undefined) {
    const made = kind === "late" ? "shapes open" : `${kernels} kernels`;
    const line = `tilewright: ${name}: ${made}, ${bytesText(bytes)}, compiled in ${millisecondsText(milliseconds)}`;
    once(`${path} ${hash}`, () => logger.info(line, { timestamp: true }));
  }
  const dims = [...new Set(open.flatMap((input) => input.dims))].filter((dim) => /^[A-Za-z_]\w*$/.test(dim));
  const named = dims.filter((dim) => dim !== "shape" && dim !== "length");
  if (named.length === 0) return;
  const query = named.map((dim) => `dims.${dim}=1`).join("&");
  const line =
    `tilewright: ${name}: ${named.join(", ")} ${named.length === 1 ? "is" : "are"} open, so the page loads the ` +
    `compiler too and compiles at the first run. To compile now: import "./${basename(path)}?${query}", or ` +
    `models: { "${name.split(sep).join("/")}": { dims: { ${named.map((dim) => `${dim}: 1`).join(", ")} } } } in the plugin.`;
  once(`open ${path}`, () => logger.info(line, { timestamp: true }));
}

/** Keeps the declarations true; that TypeScript learns less is no reason for a page not to work. */
function writeTypes(
  project: ModelProject,
  path: string,
  model: ImportedModel,
  warn: (text: string) => void,
): void {
  try {
    const beside = model.own ? undefined : project.declarationOf(path, model);
    const files = model.own ? project.declarations().files : beside === undefined ? [] : [beside];
    for (const file of files) writeDeclaration(file);
  } catch (error) {
    warn(`types were not written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
