/**
 * Drop a model, see it compiled and run. In: files from the user. Out: the tables of the page. Invariant: one model
 * at a time has one worker; a new file, or "Stop", ends it, so nothing that a model does can hold up the page.
 */
import { DeviceChoice } from "./deviceChoice.ts";
import { filesOf, modelAmong } from "./droppedFiles.ts";
import { byId, element } from "./element.ts";
import { fileKind } from "./fileKind.ts";
import {
  kernelSection,
  operatorSection,
  overview,
  portSection,
  runSection,
  stageSection,
  traceSection,
} from "./modelView.ts";
import { type Answers, type Question, questionsOf, shapesFrom, valuesFrom } from "./openShapes.ts";
import { type Problem, problemOf } from "./problem.ts";
import { problemPanel } from "./problemPanel.ts";
import { profileOffer, profileSection } from "./profileView.ts";
import type { CompiledModel, GivenFile, Measured, ModelRun, OpenedModel, ProfiledModel, Reply, Request, Wish } from "./protocol.ts"; // prettier-ignore
import { durationText } from "./quantity.ts";
import { shapeForm } from "./shapeForm.ts";

/** What is known of the model so far. */
interface Shown {
  readonly name: string;
  opened?: OpenedModel;
  answers: Answers;
  questions: readonly Question[];
  compiled?: CompiledModel | undefined;
  run?: ModelRun | undefined;
  measured?: Measured | undefined;
  profiled?: ProfiledModel | undefined;
  /** What it was compiled for. */
  wish?: Wish | undefined;
  trace?: readonly string[] | undefined;
  problem?: Problem | undefined;
}

const REFRESH_MILLISECONDS = 100;

export class Workbench {
  readonly #results = byId("results", HTMLElement);
  readonly #progress = byId("progress", HTMLElement);
  readonly #progressText = byId("progress-text", HTMLElement);
  readonly #elapsed = byId("elapsed", HTMLElement);
  #worker: Worker | undefined;
  #shown: Shown = { name: "", answers: {}, questions: [] };
  #ticking: ReturnType<typeof setInterval> | undefined;
  /** Where the artifact of the model that is shown, and the trace of its run, can be had. */
  #downloadUrl: string | undefined;
  #traceUrl: string | undefined;
  readonly #choice = new DeviceChoice(() => this.#compile(this.#shown.answers));

  constructor() {
    byId("stop", HTMLButtonElement).addEventListener("click", () => this.#stop());
  }

  /** Opens the first model among the files; the others are what it may refer to. */
  async open(files: readonly File[]): Promise<void> {
    this.#end();
    const model = modelAmong(files);
    if (model === undefined) return;
    this.#show({ name: model.name, answers: {}, questions: [] });
    this.#begin("Reading the file");
    const shown = this.#shown;
    let given: readonly GivenFile[];
    try {
      given = await Promise.all(files.map(readFile));
    } catch (error) {
      if (this.#shown === shown) this.#fail(unreadable(model.name, error));
      return;
    }
    // Meanwhile it may have been stopped, or another file have been dropped.
    if (this.#shown !== shown || shown.problem !== undefined) return;
    const at = files.indexOf(model);
    this.#openBytes(
      given[at]!,
      given.filter((_, index) => index !== at),
    );
  }

  /** Tells why what was dropped could not be read. */
  refuse(error: unknown): void {
    this.#end();
    this.#show({ name: "The folder", answers: {}, questions: [], problem: unreadable("the folder", error) });
  }

  #openBytes(model: GivenFile, beside: readonly GivenFile[]): void {
    const kind = fileKind(model.name, model.bytes);
    if (kind.kind === "other") {
      this.#fail({
        kind: "file",
        title: "This is not a model",
        explanation: `${model.name} is ${kind.what}. ${kind.advice}`,
        diagnostics: [],
      });
      return;
    }
    const worker = new Worker(new URL("./compileWorker.ts", import.meta.url), { type: "module" });
    this.#worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => {
      if (worker === this.#worker) this.#hear(data);
    });
    worker.addEventListener("error", (event) => {
      if (worker !== this.#worker) return;
      const reason = event.message || "it could not be loaded, or ran out of memory";
      this.#fail({
        kind: "bug",
        title: "The compiler has stopped",
        explanation: "Its worker ended without an answer. Try again; if it happens again, please report it.",
        diagnostics: [{ code: "worker-ended", message: reason }],
      });
    });
    this.#ask({ kind: "open", model, beside });
  }

  #ask(request: Request): void {
    this.#worker?.postMessage(request);
  }

  #hear(reply: Reply): void {
    switch (reply.kind) {
      case "progress":
        this.#progressText.textContent = reply.text;
        return;
      case "opened":
        this.#shown.opened = reply.model;
        this.#shown.questions = questionsOf(reply.model.inputs);
        break;
      case "trace":
        this.#shown.trace = reply.lines;
        break;
      case "compiled":
        this.#shown.compiled = reply.model;
        this.#downloadUrl = URL.createObjectURL(reply.model.artifact);
        break;
      case "ran":
        this.#shown.run = reply.run;
        break;
      case "measured":
        this.#shown.measured = reply.measured;
        break;
      case "profiled":
        this.#shown.profiled = reply.profiled;
        this.#traceUrl = URL.createObjectURL(reply.profiled.trace);
        break;
      case "failed":
        this.#shown.problem = reply.problem;
        break;
      case "done": {
        const { opened, compiled, problem } = this.#shown;
        this.#rest();
        if (opened !== undefined && compiled === undefined && problem === undefined) this.#compile({});
        else this.#render();
        return;
      }
      default:
        reply satisfies never;
    }
    this.#render();
  }

  /** Compiles the model that is open, with these sizes for what it leaves open. */
  #compile(answers: Answers): void {
    const { opened, name, questions } = this.#shown;
    // Without a worker, the model was stopped and its bytes are gone.
    if (opened === undefined || this.#worker === undefined) return;
    const wish: Wish = {
      shapes: shapesFrom(opened.inputs, answers),
      values: valuesFrom(opened.inputs, answers),
      device: this.#choice.device,
    };
    this.#show({ name, opened, questions, answers, wish });
    this.#begin("Compiling");
    this.#ask({ kind: "compile", ...wish });
  }

  /** Times the model that is shown, kernel by kernel. */
  #profile(wish: Wish): void {
    this.#begin("Compiling it to be timed");
    this.#ask({ kind: "profile", ...wish });
    this.#render();
  }

  #fail(problem: Problem): void {
    this.#end();
    this.#shown.problem = problem;
    this.#render();
  }

  #stop(): void {
    const text = "It was stopped before it was done. Choose the file again to start anew.";
    this.#fail({ kind: "file", title: "Stopped", explanation: text, diagnostics: [] });
  }

  #begin(text: string): void {
    const start = performance.now();
    this.#progress.hidden = false;
    this.#progressText.textContent = text;
    const tick = (): void => {
      this.#elapsed.textContent = durationText(Math.round(performance.now() - start) || 1);
    };
    clearInterval(this.#ticking);
    this.#ticking = setInterval(tick, REFRESH_MILLISECONDS);
    tick();
  }

  #rest(): void {
    clearInterval(this.#ticking);
    this.#progress.hidden = true;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#rest();
  }

  /** Forgets what was shown, and shows this. */
  #show(shown: Shown): void {
    for (const url of [this.#downloadUrl, this.#traceUrl]) if (url !== undefined) URL.revokeObjectURL(url);
    this.#downloadUrl = undefined;
    this.#traceUrl = undefined;
    this.#shown = shown;
    this.#render();
  }

  #render(): void {
    let parts: readonly (HTMLElement | undefined)[];
    try {
      parts = this.#parts();
    } catch (error) {
      // Better told than a page that has stopped at what was there before.
      parts = [problemPanel(problemOf(error, "compile"), false)];
    }
    this.#results.replaceChildren(...parts.filter((part) => part !== undefined));
    this.#results.hidden = false;
  }

  /** The sections that can be shown by now, in order. */
  #parts(): readonly (HTMLElement | undefined)[] {
    const { name, opened, questions, answers, compiled, run, measured, trace, problem } = this.#shown;
    const report = compiled?.report;
    const description = opened?.description;
    return [
      overview({ name, opened, compiled, run, measured, downloadUrl: this.#downloadUrl }),
      questions.length > 0 ? this.#form(questions, answers) : undefined,
      problem && problemPanel(problem, questions.length > 0),
      run && runSection(run),
      this.#timeSection(),
      report && report.kernels.length > 0 ? kernelSection(report) : undefined,
      opened && portSection(opened, run),
      description &&
        element(
          "div",
          { className: "side-by-side" },
          operatorSection(description),
          report && stageSection(report),
        ),
      trace && trace.length > 0 ? traceSection(trace) : undefined,
    ];
  }

  /** Where the time of a run goes, or the offer to find out: of programs that were compiled here for fixed shapes. */
  #timeSection(): HTMLElement | undefined {
    const { run, compiled, profiled, wish } = this.#shown;
    if (profiled) return profileSection(profiled, this.#traceUrl);
    if (run === undefined || wish === undefined || compiled?.report?.kind !== "bound") return undefined;
    return profileOffer(this.#progress.hidden && this.#worker ? () => this.#profile(wish) : undefined);
  }

  /** A new form, or the one that the user is typing in. */
  #form(questions: readonly Question[], answers: Answers): HTMLElement {
    const form = this.#results.querySelector("form");
    if (form !== null && form.contains(document.activeElement)) return form;
    return shapeForm(questions, answers, (given) => this.#compile(given));
  }
}

async function readFile(file: File): Promise<GivenFile> {
  return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
}

function unreadable(name: string, error: unknown): Problem {
  const reason = error instanceof Error ? error.message : String(error);
  return {
    kind: "file",
    title: "This file cannot be read",
    explanation: `The browser could not read ${name}. If it is larger than two gigabytes, it is too large for a page.`,
    diagnostics: [{ code: "file-unreadable", message: reason }],
  };
}

/** Lets files be dropped anywhere on the page, chosen with a button, or taken from the sample. */
export function acceptFiles(workbench: Workbench, sampleUrl: string): void {
  const chooser = byId("chooser", HTMLInputElement);
  const show = (files: readonly File[]): void => {
    void workbench.open(files);
    byId("workbench", HTMLElement).scrollIntoView({ block: "start" });
  };
  byId("choose", HTMLButtonElement).addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    show([...(chooser.files ?? [])]);
    chooser.value = ""; // the same file may be chosen again
  });
  byId("use-sample", HTMLButtonElement).addEventListener("click", async () => {
    const response = await fetch(sampleUrl);
    show([new File([await response.blob()], "digits.onnx")]);
  });

  const veil = element("div", { className: "veil", hidden: true }, element("p", {}, "Drop it to compile it"));
  document.body.append(veil);
  let drops = 0;
  // Moving over an inner element leaves the outer one, so the entries are counted.
  let depth = 0;
  const over = (change: number): void => {
    depth = change === 0 ? 0 : Math.max(0, depth + change);
    veil.hidden = depth === 0;
  };
  const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => hasFiles(event) && over(1));
  addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(0);
    const files = event.dataTransfer ? filesOf(event.dataTransfer.items) : [];
    const mine = ++drops;
    if (!(files instanceof Promise)) return show(files);
    // A folder takes a while; what is dropped meanwhile counts.
    files.then(
      (all) => mine === drops && show(all),
      (error: unknown) => mine === drops && workbench.refuse(error),
    );
  });
}
