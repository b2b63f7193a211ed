/**
 * Compiles a model of the shared collection ahead of time and measures the artifact. In: the folder of the shared
 * data and the model's name. Out: its sizes, or nothing where the model is not there. Invariant: the artifact is
 * what a user gets from `tilewright compile MODEL.onnx -o OUT.tile` without further options, because that command
 * line makes it.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { measureArtifact, type ArtifactSize } from "./artifactSize.ts";

const COMMAND_LINE = fileURLToPath(new URL("../compiler/node/cli.ts", import.meta.url));

/**
 * The sizes of model `name`, found in `data` itself or in its folder `models`; `undefined` where neither has it.
 *
 * @throws Error when the compiler fails; its own message has been printed.
 */
export function measureModel(data: string, name: string): ArtifactSize | undefined {
  const model = [data, join(data, "models")]
    .map((folder) => join(folder, name, "model.onnx"))
    .find((path) => existsSync(path));
  if (model === undefined) return undefined;

  const folder = mkdtempSync(join(tmpdir(), "tilewright-size-"));
  try {
    const artifact = join(folder, "model.tile");
    // `process.execArgv` holds the loader that lets this process run TypeScript; the command line needs it too.
    execFileSync(process.execPath, [...process.execArgv, COMMAND_LINE, "compile", model, "-o", artifact], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return measureArtifact(readFileSync(artifact));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
