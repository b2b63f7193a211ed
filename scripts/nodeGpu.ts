/**
 * WebGPU in Node, on the package `webgpu` (Dawn, as Chromium has it). In: the machine. Out: a source of adapters, or in
 * plain words what is missing and how to get it. Invariant: a driver of the machine comes first; where there is none, the
 * software adapter that Chromium carries serves. Nothing is installed.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { findChrome } from "./chrome.ts";

export type NodeGpu = { readonly gpu: GPU; readonly software: boolean } | { readonly missing: string };

/** Drivers of Vulkan by a file that names one; the loader reads these variables when an adapter is asked for. */
const DRIVER_VARIABLES = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
const SOFTWARE_DRIVER = "vk_swiftshader_icd.json";

interface Package {
  readonly create: (options: readonly string[]) => GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

let opened: Promise<NodeGpu> | undefined;

/** One for the process: the package keeps threads of its own. */
export function nodeGpu(): Promise<NodeGpu> {
  return (opened ??= open());
}

async function open(): Promise<NodeGpu> {
  let dawn: Package;
  try {
    // By a name that is not known while compiling: the package's types are those of another version of WebGPU.
    const name: string = "webgpu";
    dawn = (await import(name)) as Package;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return { missing: `the package "webgpu" cannot be used (${reason}): npm install --no-save webgpu` };
  }
  Object.assign(globalThis, dawn.globals);
  const attempt = async (): Promise<NodeGpu | undefined> => {
    const gpu = dawn.create([]);
    const adapter = await gpu.requestAdapter();
    if (!adapter) return undefined;
    const { vendor, architecture, description } = adapter.info;
    return { gpu, software: /swiftshader|llvmpipe/i.test(`${vendor} ${architecture} ${description}`) };
  };
  const own = await attempt();
  if (own) return own;
  const driver = softwareDriver();
  if (driver !== undefined && DRIVER_VARIABLES.every((name) => process.env[name] === undefined)) {
    process.env["VK_ICD_FILENAMES"] = driver;
    const software = await attempt();
    if (software) return software;
  }
  return {
    missing:
      "no WebGPU adapter: a driver for Vulkan is needed, and its loader. On Debian: apt-get install libvulkan1 " +
      "mesa-vulkan-drivers (from bookworm-backports: 22.3 is too old for Dawn); or set VK_ICD_FILENAMES to a driver's file",
  };
}

/** The driver that lies beside Chromium. */
function softwareDriver(): string | undefined {
  const chrome = findChrome();
  const folders = [...(chrome === undefined ? [] : [dirname(chrome)]), "/usr/lib/chromium"];
  return folders.map((folder) => join(folder, SOFTWARE_DRIVER)).find((path) => existsSync(path));
}
