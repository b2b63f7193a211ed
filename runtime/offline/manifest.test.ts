/** The list of a build's files, with and without its models. */
import { expect, it } from "vitest";
import { splitManifest } from "./manifest.ts";

it("takes the models out, each once, at the address that pages ask for", () => {
  const manifest = [
    { url: "index.html", revision: "1" },
    "assets/main-abcdefgh.js",
    { url: "assets/digits-abcdefgh.tile", revision: null },
    { url: "/assets/digits-abcdefgh.tile", revision: null },
    { url: "models/fixed.tile", revision: "2" },
    { url: "https://cdn.example/other.tile?v=1", revision: null },
    { url: "about.tile.html", revision: "3" },
  ];
  expect(splitManifest(manifest, "https://app.example/sw.js")).toEqual({
    models: {
      "https://app.example/assets/digits-abcdefgh.tile": null,
      "https://app.example/models/fixed.tile": "2",
      "https://cdn.example/other.tile?v=1": null,
    },
    files: [manifest[0], manifest[1], manifest[6]],
  });
});
