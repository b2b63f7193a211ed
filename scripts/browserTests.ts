/**
 * `npm run test:browser`: the tests of `test/browser` in real browsers. In: `--browser chromium|firefox|all` (default:
 * all), and whatever @web/test-runner takes, such as `--files test/browser/cache.test.ts`. Out: its output and its exit
 * status.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BROWSERS } from "./launchBrowser.ts";

const { values, tokens } = parseArgs({
  options: { browser: { type: "string", default: "all" } },
  strict: false,
  tokens: true,
});
const chosen = values.browser as string;
if (chosen !== "all" && !(BROWSERS as readonly string[]).includes(chosen)) {
  console.error(`--browser takes ${[...BROWSERS, "all"].join(", ")}, not ${chosen}`);
  process.exit(2);
}
// What is ours is taken out; the rest goes on as it came.
const own = tokens.find((token) => token.kind === "option" && token.name === "browser");
const rest = process.argv.slice(2);
if (own?.kind === "option") rest.splice(own.index, own.inlineValue === true ? 1 : 2);
const runner = fileURLToPath(new URL("../node_modules/@web/test-runner/dist/bin.js", import.meta.url));
const { status } = spawnSync(process.execPath, [runner, ...rest], {
  stdio: "inherit",
  env: { ...process.env, TILEWRIGHT_TEST_BROWSER: chosen },
});
process.exitCode = status ?? 1;
