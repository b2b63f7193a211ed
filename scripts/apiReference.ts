/** `npm run docs`: writes docs/api.md from what the sources say. A test fails while the page says something else. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { referencePage } from "./api/markdown.ts";
import { publicApi, root } from "./api/publicApi.ts";

const entries = publicApi();
writeFileSync(join(root, "docs/api.md"), referencePage(entries));
console.log(entries.map(({ specifier, exports }) => `${specifier}: ${exports.length} exports`).join("\n"));
