// layout of x: module 0, main, 12 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<f32, 768>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32, 868>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 64 + lane;
 let l0 = (point) % 3;
 let l1 = (point / 3) % 16;
 let l2 = point / 48;
 let p0 = l0 * 256 + l2 * 16 + l1;
 let p1 = l0 + l2 * 51 + l1 * 3;
 b1[p1 + 54] = b0[p0];
}

// Conv_node_0 + Relu_node_0: module 1, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<vec4f, 2>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32, 868>;
@group(0) @binding(2) var<storage, read> b2: array<vec4f, 54>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4f, 200>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 2;
 let l1 = (point / 2) % 4;
 let l2 = point / 8;
 let p4 = l2 * 102 + l1 * 12;
 let p7 = l0 * 27;
 let p11 = l2 * 20 + l1 * 4 + l0;
 var r0: vec4f = vec4f(0f);
 var r1: vec4f = vec4f(0f);
 for (var k2 = 0; k2 < 3; k2++) {
  let p5 = p4 + k2 * 51;
  let p8 = p7 + k2 * 9;
  for (var k3 = 0; k3 < 9; k3++) {
   let p6 = p5 + k3;
   let p9 = p8 + k3;
   let q10 = b2[p9];
   r0 += (b1[p6] * q10);
   r1 += (b1[p6 + 6] * q10);
  }
 }
 let q12 = b0[l0];
 let v13 = (r0 + q12);
 b3[p11 + 22] = select(v13, vec4f(0f), v13 < vec4f(0f));
 let v14 = (r1 + q12);
 b3[p11 + 24] = select(v14, vec4f(0f), v14 < vec4f(0f));
}

// Conv_node_1 + Clip_node_0: module 2, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<vec4f, 200>;
@group(0) @binding(1) var<storage, read> b1: array<vec4f, 18>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4f, 128>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 2;
 let l1 = (point / 2) % 4;
 let l2 = point / 8;
 let p2 = l2 * 20 + l0 + l1 * 4;
 let p4 = l0 * 9;
 let p25 = l2 * 16 + l0 + l1 * 4;
 var r0: vec4f = vec4f(0f);
 var r1: vec4f = vec4f(0f);
 let q3 = b0[p2];
 let q5 = b1[p4];
 r0 += (q3 * q5);
 let q6 = b0[p2 + 2];
 r1 += (q6 * q5);
 let q7 = b1[p4 + 1];
 r0 += (q6 * q7);
 let q8 = b0[p2 + 4];
 r1 += (q8 * q7);
 let q9 = b1[p4 + 2];
 r0 += (q8 * q9);
 let q10 = b0[p2 + 6];
 r1 += (q10 * q9);
 let q11 = b0[p2 + 20];
 let q12 = b1[p4 + 3];
 r0 += (q11 * q12);
 let q13 = b0[p2 + 22];
 r1 += (q13 * q12);
 let q14 = b1[p4 + 4];
 r0 += (q13 * q14);
 let q15 = b0[p2 + 24];
 r1 += (q15 * q14);
 let q16 = b1[p4 + 5];
 r0 += (q15 * q16);
 let q17 = b0[p2 + 26];
 r1 += (q17 * q16);
 let q18 = b0[p2 + 40];
 let q19 = b1[p4 + 6];
 r0 += (q18 * q19);
 let q20 = b0[p2 + 42];
 r1 += (q20 * q19);
 let q21 = b1[p4 + 7];
 r0 += (q20 * q21);
 let q22 = b0[p2 + 44];
 r1 += (q22 * q21);
 let q23 = b1[p4 + 8];
 r0 += (q22 * q23);
 let q24 = b0[p2 + 46];
 r1 += (q24 * q23);
 let v26 = select(r0, vec4f(0f), r0 < vec4f(0f));
 b2[p25] = select(v26, vec4f(6f), v26 > vec4f(6f));
 let v27 = select(r1, vec4f(0f), r1 < vec4f(0f));
 b2[p25 + 2] = select(v27, vec4f(6f), v27 > vec4f(6f));
}

// Conv_node_2: module 3, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<vec4f, 2>;
@group(0) @binding(1) var<storage, read_write> b1: array<vec4f, 128>;
@group(0) @binding(2) var<storage, read> b2: array<vec4f, 16>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4f, 128>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 2;
 let l1 = point / 2;
 let p2 = l1 * 4;
 let p4 = l0 * 8;
 let p16 = l0 + l1 * 4;
 var r0: vec4f = vec4f(0f);
 var r1: vec4f = vec4f(0f);
 let q3 = b1[p2];
 let q5 = b2[p4];
 r0 += (q3.x * q5);
 let q6 = b1[p2 + 2];
 r1 += (q6.x * q5);
 let q7 = b2[p4 + 1];
 r0 += (q3.y * q7);
 r1 += (q6.y * q7);
 let q8 = b2[p4 + 2];
 r0 += (q3.z * q8);
 r1 += (q6.z * q8);
 let q9 = b2[p4 + 3];
 r0 += (q3.w * q9);
 r1 += (q6.w * q9);
 let q10 = b1[p2 + 1];
 let q11 = b2[p4 + 4];
 r0 += (q10.x * q11);
 let q12 = b1[p2 + 3];
 r1 += (q12.x * q11);
 let q13 = b2[p4 + 5];
 r0 += (q10.y * q13);
 r1 += (q12.y * q13);
 let q14 = b2[p4 + 6];
 r0 += (q10.z * q14);
 r1 += (q12.z * q14);
 let q15 = b2[p4 + 7];
 r0 += (q10.w * q15);
 r1 += (q12.w * q15);
 let q17 = b0[l0];
 b3[p16] = (r0 + q17);
 b3[p16 + 2] = (r1 + q17);
}

// Add_node_0 + MaxPool_node_0: module 4, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<vec4f, 128>;
@group(0) @binding(1) var<storage, read_write> b1: array<vec4f, 200>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4f, 32>;
var<private> bits0: u32 = 4286578688u;
@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 2;
 let l1 = (point / 2) % 4;
 let l2 = point / 8;
 let p1 = l2 * 32 + l1 * 4 + l0;
 let p3 = l2 * 40 + l1 * 4 + l0;
 let p15 = l2 * 8 + l1 * 2 + l0;
 var r0: vec4f = vec4f(bitcast<f32>(bits0));
 let q2 = b0[p1];
 let q4 = b1[p3 + 22];
 let v5 = (q2 + q4);
 r0 = select(r0, v5, v5 > r0);
 let q6 = b0[p1 + 2];
 let q7 = b1[p3 + 24];
 let v8 = (q6 + q7);
 r0 = select(r0, v8, v8 > r0);
 let q9 = b0[p1 + 16];
 let q10 = b1[p3 + 42];
 let v11 = (q9 + q10);
 r0 = select(r0, v11, v11 > r0);
 let q12 = b0[p1 + 18];
 let q13 = b1[p3 + 44];
 let v14 = (q12 + q13);
 r0 = select(r0, v14, v14 > r0);
 b2[p15] = r0;
}

// GlobalAveragePool_node_0 + Identity_node_0: module 5, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<vec4f, 32>;
@group(0) @binding(1) var<storage, read_write> b1: array<vec4f, 2>;
@compute @workgroup_size(2)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 var r0: vec4f = vec4f(0f);
 for (var k1 = 0; k1 < 16; k1++) {
  let p2 = l0 + k1 * 2;
  let q3 = b0[p2];
  r0 += q3;
 }
 b1[l0] = (r0 * 0.0625f);
}
