/**
 * The progress of a load in all its parts, wherever it goes on: from the network, the cache, in a worker, with shapes
 * that are bound here; and the element that shows it.
 */
import { onnxModel } from "../../compiler/frontend/onnx/write.ts";
import { whenSettled } from "../../runtime/cache.ts";
import {
  load,
  type LoadOptions,
  type LoadPart,
  type Progress,
  type WorkerOptions,
} from "../../runtime/index.ts";
import { defineProgress } from "../../runtime/progressElement.ts";
import { scalingArtifact } from "../programs.ts";
import { expect } from "./expect.ts";

const PARTS: readonly LoadPart[] = ["download", "verify", "compile", "upload", "run"];
let count = 0;

function address(bytes = 3_000_000): string {
  return `${location.origin}/models/progress${Date.now().toString(36)}${count++}?bytes=${bytes}`;
}

async function reportsOf(
  source: string | Uint8Array,
  options: LoadOptions & { readonly worker?: boolean | WorkerOptions } = {},
): Promise<readonly Progress[]> {
  const seen: Progress[] = [];
  const session = await load(source, { ...options, progress: (report) => seen.push(report) });
  session.dispose();
  await whenSettled();
  return seen;
}

/** All that is promised of a stream of reports, but what it amounts to. */
function expectWhole(seen: readonly Progress[], what: string): void {
  const text = (report: Progress | undefined): string => `${what}: ${JSON.stringify(report)}`;
  const last = seen.at(-1);
  expect(last?.phase === "ready" && last.fraction === 1, text(last));
  // From the header on, which comes with the first bytes, it is known how much there is to do.
  const known = seen.findIndex(({ fraction }) => fraction !== undefined);
  expect(
    known >= 0 && known <= seen.length / 2 + 1,
    `${what}: totals are known with report ${known} of ${seen.length}`,
  );
  for (const [at, report] of seen.entries()) {
    const before = seen[at - 1];
    for (const part of PARTS) {
      const { done, total } = report.parts[part];
      expect(total === undefined || done <= total, text(report));
      expect(before === undefined || done >= before.parts[part].done, `${part} goes back: ${text(report)}`);
      if (at > known && at < seen.length)
        expect(total === before!.parts[part].total, `the total of ${part} changes: ${text(report)}`);
    }
    expect(before?.fraction === undefined || report.fraction! >= before.fraction, text(report));
  }
}

/** The parts that there is something to do for. */
function busy(seen: readonly Progress[]): string {
  return PARTS.filter((part) => seen.at(-1)!.parts[part].total! > 0).join();
}

describe("progress", () => {
  it("covers a load from the network, from the cache, and the first run", async () => {
    const url = address();
    const cache = { database: `progress-${Date.now()}` };
    for (const what of ["miss", "hit"]) {
      const seen = await reportsOf(url, { cache, firstRun: true });
      expectWhole(seen, what);
      expect(busy(seen) === PARTS.join(), `${what}: ${busy(seen)}`);
      expect(seen.at(-1)!.parts.upload.done > 3_000_000, `${what}: too little was uploaded`);
    }
    const plain = await reportsOf(address());
    expectWhole(plain, "no cache");
    expect(busy(plain) === "download,verify,compile,upload", busy(plain));
  });

  it("covers a load in a worker", async () => {
    const seen = await reportsOf(address(), { worker: true, cache: { database: `progress-w${Date.now()}` } });
    expectWhole(seen, "worker");
    expect(busy(seen) === "download,verify,compile,upload", busy(seen));
  });

  it("covers models that are bound here, and those that have been", async () => {
    const b = onnxModel("twice", { opset: 22 });
    const x = b.input("x", "float32", [1000]);
    b.output(b.node("Add", [x, x]), "float32", undefined, "y");
    const url = URL.createObjectURL(new Blob([b.toBytes() as BlobPart]));
    const cache = { database: `progress-l${Date.now()}`, revalidate: "never" } as const;
    for (const what of ["bound here", "bound before"]) {
      const seen = await reportsOf(url, { cache, compiler: () => import("../../compiler/index.ts") });
      expectWhole(seen, what);
      expect(busy(seen) === "download,compile", `${what}: ${busy(seen)}`);
    }
  });
});

describe("<tilewright-progress>", () => {
  it("shows a load from its beginning to its end", async () => {
    defineProgress();
    defineProgress(); // again, by another part of the page
    const element = document.createElement("tilewright-progress");
    document.body.append(element);
    const bar = element.querySelector("progress")!;
    const values: number[] = [];
    const states = new Set<string>();
    let ready = 0;
    element.addEventListener("ready", () => ready++);
    const session = await load(address(), {
      firstRun: true,
      progress: (report) => {
        element.show(report);
        if (bar.hasAttribute("value")) values.push(bar.value);
        states.add(element.getAttribute("state")!);
        if (report.phase === "download" && report.total !== undefined)
          expect(
            /Downloading the model, \d\.\d MB of 3\.0 MB/.test(element.textContent!),
            element.textContent!,
          );
      },
    });
    session.dispose();
    expect(values.length > 3 && values.at(-1) === 1, `the bar: ${values.join()}`);
    expect(
      values.every((value, at) => at === 0 || value >= values[at - 1]!),
      `the bar goes back: ${values.join()}`,
    );
    expect([...states].join() === "download,compile,run,ready", [...states].join());
    expect(ready === 1 && element.textContent!.trim() === "Ready", `${ready} ${element.textContent}`);
    expect(element.querySelector("[role=status]") !== null, "nothing is told to screen readers");
    element.remove();
  });

  it("speaks the page's language, keeps what it shows when it is moved, and tells a failure", async () => {
    defineProgress("model-load");
    const element = document.createElement("model-load") as HTMLElementTagNameMap["tilewright-progress"];
    document.body.append(element);
    element.words = {
      download: "Lade",
      compile: "Bereite vor",
      run: "Erster Lauf",
      ready: "Bereit",
      failed: "Fehler",
    };
    const session = await load(scalingArtifact(), { progress: element.show });
    session.dispose();
    expect(element.textContent!.trim() === "Bereit", element.textContent!);
    document.body.prepend(element);
    expect(element.querySelectorAll("progress").length === 1, "there are two bars");
    await load(new Uint8Array(100), { progress: element.show }).catch((error: unknown) =>
      element.fail(error),
    );
    expect(element.getAttribute("state") === "failed", element.getAttribute("state")!);
    expect(element.textContent!.includes("Fehler: "), element.textContent!);
    element.remove();
  });
});
