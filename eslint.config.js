/**
 * Lint rules. Types are `tsc`'s business, layout is prettier's; here stay the rules that neither can see. The
 * compiler, the runtime and the page may not write to the console or evaluate text as code.
 */
import js from "@eslint/js";
import globals from "globals";
import tseslint from "typescript-eslint";

export default tseslint.config(
  {
    // AssemblyScript sources look like TypeScript but are not: `asc` checks them.
    ignores: [
      "node_modules/",
      "dist/",
      "dist-playground/",
      "build/",
      "coverage/",
      "kernels/**/*.ts",
      "**/*.generated.ts",
      "**/*.onnx.d.ts",
      "**/tilewright-env.d.ts",
      "!kernels/**/*.test.ts",
    ],
  },
  js.configs.recommended,
  tseslint.configs.recommended,
  {
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-var": "error",
      "prefer-const": "error",
      "object-shorthand": "error",
      // `for (;;)` and `while (true)` with a `break` read better than a flag.
      "no-constant-condition": ["error", { checkLoops: false }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrorsIgnorePattern: "^_" },
      ],
    },
  },
  {
    files: ["compiler/**/*.ts", "runtime/**/*.ts"],
    ignores: ["compiler/node/**", "**/*.test.ts"],
    rules: { "no-console": "error" },
  },
);
