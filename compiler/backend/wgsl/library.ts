/**
 * Functions that WGSL lacks. In: names. Out: their text, with what they need of one another. Invariant: results are those
 * of ir/interpOperator.ts to the last bit for integers; conversions saturate and take NaN to 0, whatever the machine does
 * with either (WGSL leaves it open, section 15.7.6). `T` stands for a scalar or for four lanes.
 *
 * 64-bit integers are two words, the low one first. Division goes bit by bit: models divide few of them.
 */
import { InternalError } from "../../diagnostic.ts";
import { DOT, packedDot } from "./packed.ts";

interface Routine {
  readonly needs?: readonly string[];
  readonly text: string;
}

/** Texts for a scalar; `F`, `I`, `U` and `B` are its types. The same text serves for vectors. */
const generic: Readonly<Record<string, Routine>> = {
  isNan: { text: "fn NAME(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u); }" },
  toInt: {
    text: "fn NAME(x: F) -> I { let y = select(I(clamp(x, F(-2147483648f), F(2147483520f))), I(2147483647), x >= F(2147483648f)); return select(y, I(0), ISNAN(x)); }",
    needs: ["isNan"],
  },
  toUint: {
    text: "fn NAME(x: F) -> U { let y = select(U(clamp(x, F(0f), F(4294967040f))), U(4294967295u), x >= F(4294967296f)); return select(y, U(0u), ISNAN(x)); }",
    needs: ["isNan"],
  },
  maxF: {
    text: "fn NAME(a: F, b: F) -> F { return select(select(a, b, a < b), b, ISNAN(b)); }",
    needs: ["isNan"],
  },
  minF: {
    text: "fn NAME(a: F, b: F) -> F { return select(select(a, b, a > b), b, ISNAN(b)); }",
    needs: ["isNan"],
  },
  // i32 division by 0 gives 0 here; WGSL gives the dividend. The smallest by -1 wraps in both.
  divI: { text: "fn NAME(a: I, b: I) -> I { return select(a / b, I(0), b == I(0)); }" },
  // Bytes of words, by shifts; see packed.ts for devices that have an instruction.
  dot4: {
    text: `fn NAME(a: I, b: I) -> I {
 return ((a << U(24u)) >> U(24u)) * ((b << U(24u)) >> U(24u)) + ((a << U(16u)) >> U(24u)) * ((b << U(16u)) >> U(24u))
 + ((a << U(8u)) >> U(24u)) * ((b << U(8u)) >> U(24u)) + (a >> U(24u)) * (b >> U(24u));
}`,
  },
  divU: { text: "fn NAME(a: U, b: U) -> U { return select(a / b, U(0u), b == U(0u)); }" },
};

const scalar: Readonly<Record<string, Routine>> = {
  powI: {
    text: `fn powI(a: i32, b: i32) -> i32 {
 if (b < 0) { return select(select(0, select(1, -1, (b & 1) != 0), a == -1), 1, a == 1); }
 var r = 1; var s = a; var n = b;
 while (n > 0) { if ((n & 1) != 0) { r *= s; } s *= s; n >>= 1u; }
 return r;
}`,
  },
  powU: {
    text: `fn powU(a: u32, b: u32) -> u32 {
 var r = 1u; var s = a; var n = b;
 while (n > 0u) { if ((n & 1u) != 0u) { r *= s; } s *= s; n >>= 1u; }
 return r;
}`,
  },
  // The remainder of the magnitudes by shifting and subtracting: exact, as fmod is.
  remF: {
    text: `fn remF(x: f32, y: f32) -> f32 {
 var a = bitcast<u32>(x) & 0x7fffffffu; let b = bitcast<u32>(y) & 0x7fffffffu; let sign = bitcast<u32>(x) & 0x80000000u;
 if (a >= 0x7f800000u || b > 0x7f800000u || b == 0u) { return bitcast<f32>(a | 0x7fc00000u | b); }
 if (a < b) { return x; }
 if (a == b) { return bitcast<f32>(sign); }
 var ea = i32(a >> 23u); var eb = i32(b >> 23u); var ma = a & 0x7fffffu; var mb = b & 0x7fffffu;
 if (ea == 0) { ea = 1; } else { ma |= 0x800000u; }
 if (eb == 0) { eb = 1; } else { mb |= 0x800000u; }
 while (ea > eb) { if (ma >= mb) { ma -= mb; } ma <<= 1u; ea--; }
 if (ma >= mb) { ma -= mb; }
 if (ma == 0u) { return bitcast<f32>(sign); }
 while (ma < 0x800000u && ea > 1) { ma <<= 1u; ea--; }
 return bitcast<f32>(sign | select(ma, (ma - 0x800000u) | (u32(ea) << 23u), ma >= 0x800000u));
}`,
  },
  add64: {
    text: "fn add64(a: vec2u, b: vec2u) -> vec2u { let l = a.x + b.x; return vec2u(l, a.y + b.y + select(0u, 1u, l < a.x)); }",
  },
  sub64: {
    text: "fn sub64(a: vec2u, b: vec2u) -> vec2u { return vec2u(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x)); }",
  },
  neg64: {
    text: "fn neg64(a: vec2u) -> vec2u { return vec2u(~a.x + 1u, ~a.y + select(0u, 1u, a.x == 0u)); }",
  },
  abs64: {
    text: "fn abs64(a: vec2u) -> vec2u { if (a.y >= 0x80000000u) { return neg64(a); } return a; }",
    needs: ["neg64"],
  },
  wide32: {
    text: `fn wide32(a: u32, b: u32) -> vec2u {
 let p = (a & 0xffffu) * (b & 0xffffu); let q = (a >> 16u) * (b & 0xffffu); let r = (a & 0xffffu) * (b >> 16u);
 let m = (p >> 16u) + (q & 0xffffu) + (r & 0xffffu);
 return vec2u((p & 0xffffu) | (m << 16u), (a >> 16u) * (b >> 16u) + (q >> 16u) + (r >> 16u) + (m >> 16u));
}`,
  },
  mul64: {
    text: "fn mul64(a: vec2u, b: vec2u) -> vec2u { let p = wide32(a.x, b.x); return vec2u(p.x, p.y + a.x * b.y + a.y * b.x); }",
    needs: ["wide32"],
  },
  ltU64: { text: "fn ltU64(a: vec2u, b: vec2u) -> bool { return a.y < b.y || (a.y == b.y && a.x < b.x); }" },
  ltI64: {
    text: "fn ltI64(a: vec2u, b: vec2u) -> bool { return bitcast<i32>(a.y) < bitcast<i32>(b.y) || (a.y == b.y && a.x < b.x); }",
  },
  shl64: {
    text: `fn shl64(a: vec2u, by: u32) -> vec2u {
 let n = by & 63u; if (n == 0u) { return a; } if (n >= 32u) { return vec2u(0u, a.x << (n - 32u)); }
 return vec2u(a.x << n, (a.y << n) | (a.x >> (32u - n)));
}`,
  },
  shrU64: {
    text: `fn shrU64(a: vec2u, by: u32) -> vec2u {
 let n = by & 63u; if (n == 0u) { return a; } if (n >= 32u) { return vec2u(a.y >> (n - 32u), 0u); }
 return vec2u((a.x >> n) | (a.y << (32u - n)), a.y >> n);
}`,
  },
  shrI64: {
    text: `fn shrI64(a: vec2u, by: u32) -> vec2u {
 let n = by & 63u; let h = bitcast<i32>(a.y); if (n == 0u) { return a; }
 if (n >= 32u) { return vec2u(bitcast<u32>(h >> (n - 32u)), bitcast<u32>(h >> 31u)); }
 return vec2u((a.x >> n) | (a.y << (32u - n)), bitcast<u32>(h >> n));
}`,
  },
  // Quotient and remainder, in that order.
  long64: {
    text: `fn long64(a: vec2u, b: vec2u) -> vec4u {
 if (b.x == 0u && b.y == 0u) { return vec4u(); }
 if (a.y == 0u && b.y == 0u) { return vec4u(a.x / b.x, 0u, a.x % b.x, 0u); }
 var q = vec2u(); var r = vec2u();
 for (var i = 0u; i < 64u; i++) {
  let over = r.y >= 0x80000000u; let bit = select(a.x >> (63u - i), a.y >> (31u - i), i < 32u) & 1u;
  r = vec2u((r.x << 1u) | bit, (r.y << 1u) | (r.x >> 31u)); q = vec2u(q.x << 1u, (q.y << 1u) | (q.x >> 31u));
  if (over || !ltU64(r, b)) { r = sub64(r, b); q.x |= 1u; }
 }
 return vec4u(q, r);
}`,
    needs: ["ltU64", "sub64"],
  },
  divU64: { text: "fn divU64(a: vec2u, b: vec2u) -> vec2u { return long64(a, b).xy; }", needs: ["long64"] },
  remU64: { text: "fn remU64(a: vec2u, b: vec2u) -> vec2u { return long64(a, b).zw; }", needs: ["long64"] },
  divI64: {
    text: "fn divI64(a: vec2u, b: vec2u) -> vec2u { let q = long64(abs64(a), abs64(b)).xy; if (((a.y ^ b.y) >> 31u) != 0u) { return neg64(q); } return q; }",
    needs: ["long64", "abs64"],
  },
  remI64: {
    text: "fn remI64(a: vec2u, b: vec2u) -> vec2u { let r = long64(abs64(a), abs64(b)).zw; if ((a.y >> 31u) != 0u) { return neg64(r); } return r; }",
    needs: ["long64", "abs64"],
  },
  powU64: {
    text: `fn powU64(a: vec2u, b: vec2u) -> vec2u {
 var r = vec2u(1u, 0u); var s = a; var n = b;
 while (n.x != 0u || n.y != 0u) { if ((n.x & 1u) != 0u) { r = mul64(r, s); } s = mul64(s, s); n = shrU64(n, 1u); }
 return r;
}`,
    needs: ["mul64", "shrU64"],
  },
  powI64: {
    text: `fn powI64(a: vec2u, b: vec2u) -> vec2u {
 if ((b.y >> 31u) != 0u) {
  if (all(a == vec2u(1u, 0u))) { return a; }
  if (all(a == vec2u(0xffffffffu))) { return select(vec2u(1u, 0u), a, (b.x & 1u) != 0u); }
  return vec2u();
 }
 return powU64(a, b);
}`,
    needs: ["powU64"],
  },
  // To nearest, ties to even: the 32 leading bits, the last of which is set too if any of those dropped is.
  floatU64: {
    text: `fn floatU64(a: vec2u) -> f32 {
 if (a.y == 0u) { return f32(a.x); }
 let z = countLeadingZeros(a.y); let s = shl64(a, z);
 return f32(s.y | select(0u, 1u, s.x != 0u)) * bitcast<f32>((159u - z) << 23u);
}`,
    needs: ["shl64"],
  },
  floatI64: {
    text: "fn floatI64(a: vec2u) -> f32 { let f = floatU64(abs64(a)); return select(f, -f, (a.y >> 31u) != 0u); }",
    needs: ["floatU64", "abs64"],
  },
  toU64: {
    text: `fn toU64(x: f32) -> vec2u {
 if (!(x >= 1f)) { return vec2u(); }
 let e = (bitcast<u32>(x) >> 23u) - 127u; let m = vec2u((bitcast<u32>(x) & 0x7fffffu) | 0x800000u, 0u);
 if (e >= 64u) { return vec2u(0xffffffffu); }
 if (e <= 23u) { return shrU64(m, 23u - e); }
 return shl64(m, e - 23u);
}`,
    needs: ["shrU64", "shl64"],
  },
  toI64: {
    text: `fn toI64(x: f32) -> vec2u {
 if (x >= 9223372036854775808f) { return vec2u(0xffffffffu, 0x7fffffffu); }
 if (x <= -9223372036854775808f) { return vec2u(0u, 0x80000000u); }
 let m = toU64(abs(x)); if (x < 0f) { return neg64(m); } return m;
}`,
    needs: ["toU64", "neg64"],
  },
};

const LANES: Readonly<Record<string, string>> = { F: "vec4f", I: "vec4i", U: "vec4u", B: "vec4<bool>" };
const SINGLE: Readonly<Record<string, string>> = { F: "f32", I: "i32", U: "u32", B: "bool" };

/** The functions that a module uses. */
export class Library {
  private readonly texts = new Map<string, string>();
  private readonly packedDots: boolean;

  /** @param packedDots whether the device has the packed dot product */
  constructor(packedDots: boolean) {
    this.packedDots = packedDots;
  }

  /** The name to call a function by; for four lanes where `vector`. */
  use(name: string, vector = false): string {
    const routine = generic[name];
    if (!routine) {
      const own = scalar[name];
      if (!own || vector) throw new InternalError(`no function ${name} in WGSL`);
      for (const need of own.needs ?? []) this.use(need);
      this.texts.set(name, own.text);
      return name;
    }
    const called = vector ? `${name}4` : name;
    if (name === DOT && this.packedDots) {
      this.texts.set(called, packedDot(called, vector));
      return called;
    }
    for (const need of routine.needs ?? []) this.use(need, vector);
    const types = vector ? LANES : SINGLE;
    const text = routine.text
      .replaceAll("NAME", called)
      .replaceAll("ISNAN", vector ? "isNan4" : "isNan")
      .replaceAll(/\b[FIUB]\b/g, (letter) => types[letter]!);
    this.texts.set(called, text);
    return called;
  }

  /** The texts of all that was used, in a fixed order. */
  text(): string[] {
    return [...this.texts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  }
}
