/**
 * Nests as text and back. In: a nest. Out: its buffers, then loops by mode (`vector j.i in 0..4 lanes 3 { ... }`)
 * and the statements on accumulators: `init a: f32 sum`, `update a sum = ...`, `combine a sum`,
 * `store out0[i] from a = max(acc, 0.0)`. Invariant: parsing a printed nest gives an equal one.
 */
import type { ComputeType } from "../dtype.ts";
import type { ForStatement, Nest, Statement } from "../nest.ts";
import { printExpr, readExpr, type TextScope } from "./expr.ts";
import { braces, bufferLine, readBuffers, readRange, readTarget, targetText } from "./kernel.ts";
import { nameText } from "./name.ts";
import { parseAll, type Reader } from "./token.ts";

const modes = ["serial", "grid", "group", "together", "unroll", "vector"] as const;
const reductions = ["sum", "max", "min", "prod"] as const;
const types: readonly ComputeType[] = ["f32", "f64", "i32", "u32", "i64", "u64", "bool", "index"];

/** Types of the accumulators initialised so far in program order: they say what a plain `acc` is. */
type Accumulators = Map<string, ComputeType>;

function within(scope: TextScope, variable: string, end: number): TextScope {
  return { buffers: scope.buffers, axes: new Map([...scope.axes, [variable, end]]) };
}

function reading(scope: TextScope, accumulators: Accumulators, name: string | undefined): TextScope {
  const accumulator = name === undefined ? undefined : accumulators.get(name);
  return accumulator ? { ...scope, accumulator } : scope;
}

// ---------------------------------------------------------------------------------------------------------------
// Printing

export function printNest(nest: Nest): string {
  const scope: TextScope = { buffers: nest.buffers, axes: new Map() };
  const lines = [
    ...nest.buffers.map((buffer) => bufferLine(buffer)),
    ...statementLines(nest.body, scope, new Map()),
  ];
  const workgroup = nest.workgroup === undefined ? "" : ` workgroup ${nest.workgroup}`;
  const sequence = nest.sequence ? " sequence" : "";
  return `nest ${nameText(nest.name)}${workgroup}${sequence} ${braces(lines)}`;
}

function statementLines(body: readonly Statement[], scope: TextScope, accumulators: Accumulators): string[] {
  return body.map((statement) => {
    switch (statement.kind) {
      case "for": {
        const { mode, variable, from, extent, lanes } = statement;
        const head = `${mode} ${nameText(variable)} in ${from}..${from + extent}${lanes === undefined ? "" : ` lanes ${lanes}`}`;
        return `${head} ${braces(statementLines(statement.body, within(scope, variable, from + extent), accumulators))}`;
      }
      case "init":
        accumulators.set(statement.accumulator, statement.type);
        return `init ${nameText(statement.accumulator)}: ${statement.type} ${statement.op}`;
      case "update":
        return `update ${nameText(statement.accumulator)} ${statement.op} = ${printExpr(statement.body, scope)}`;
      case "combine":
        return `combine ${nameText(statement.accumulator)} ${statement.op}${statement.over ? ` over ${statement.over}` : ""}`;
      case "barrier":
        return "barrier";
      case "store": {
        const { accumulator, buffer, index, value } = statement;
        const from = accumulator === undefined ? "" : ` from ${nameText(accumulator)}`;
        const text = printExpr(value, reading(scope, accumulators, accumulator));
        return `store ${targetText(scope, buffer, index)}${from} = ${text}`;
      }
      default:
        return statement satisfies never;
    }
  });
}

// ---------------------------------------------------------------------------------------------------------------
// Parsing

/** Parses what {@link printNest} printed. Throws CompileError where the text is malformed. */
export function parseNest(text: string): Nest {
  return parseAll(text, (reader) => {
    reader.expect("nest");
    const name = reader.name();
    const workgroup = reader.accept("workgroup") ? reader.integer() : undefined;
    const sequence = reader.accept("sequence");
    reader.expect("{");
    const buffers = readBuffers(reader);
    const accumulators: Accumulators = new Map();
    const scope: TextScope = { buffers, axes: new Map() };
    const body = reader.until("}", () => readStatement(reader, scope, accumulators));
    return {
      name,
      buffers,
      body,
      ...(workgroup === undefined ? {} : { workgroup }),
      ...(sequence ? { sequence } : {}),
    };
  });
}

function readStatement(reader: Reader, scope: TextScope, accumulators: Accumulators): Statement {
  const kind = reader.choice([...modes, "init", "update", "combine", "barrier", "store"] as const);
  switch (kind) {
    case "init": {
      const accumulator = reader.name();
      reader.expect(":");
      const type = reader.choice(types);
      accumulators.set(accumulator, type);
      return { kind, accumulator, type, op: reader.choice(reductions) };
    }
    case "update": {
      const accumulator = reader.name();
      const op = reader.choice(reductions);
      reader.expect("=");
      return { kind, accumulator, op, body: readExpr(reader, scope) };
    }
    case "combine": {
      const [accumulator, op] = [reader.name(), reader.choice(reductions)];
      if (!reader.accept("over")) return { kind, accumulator, op };
      return { kind, accumulator, op, over: reader.choice(["group", "subgroup"] as const) };
    }
    case "barrier":
      return { kind };
    case "store": {
      const { out, index } = readTarget(reader, scope);
      const accumulator = reader.accept("from") ? reader.name() : undefined;
      reader.expect("=");
      const value = readExpr(reader, reading(scope, accumulators, accumulator));
      return { kind, buffer: out, index, value, ...(accumulator === undefined ? {} : { accumulator }) };
    }
    default:
      return readFor(reader, kind, scope, accumulators);
  }
}

function readFor(
  reader: Reader,
  mode: ForStatement["mode"],
  scope: TextScope,
  accumulators: Accumulators,
): ForStatement {
  const { name: variable, from, extent } = readRange(reader);
  const lanes = reader.accept("lanes") ? reader.integer() : undefined;
  const inner = within(scope, variable, from + extent);
  reader.expect("{");
  const body = reader.until("}", () => readStatement(reader, inner, accumulators));
  return { kind: "for", mode, variable, from, extent, ...(lanes === undefined ? {} : { lanes }), body };
}
