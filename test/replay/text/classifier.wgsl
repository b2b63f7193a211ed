// Gemm_node_0 + Tanh_node_0: module 0, main, 2 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32, 32>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32, 80>;
@group(0) @binding(2) var<storage, read> b2: array<f32, 600>;
@group(0) @binding(3) var<storage, read_write> b3: array<f32, 120>;
@compute @workgroup_size(60)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 60 + lane;
 let l0 = (point) % 30;
 let l1 = point / 30;
 let p2 = l1 * 20;
 let p12 = l1 * 30 + l0;
 var r0: f32 = 0f;
 for (var k1 = 0; k1 < 20; k1++) {
  let p3 = p2 + k1;
  let p4 = l0 + k1 * 30;
  r0 += (b1[p3] * b2[p4]);
 }
 let v5 = (r0 + b0[l0]);
 let v6 = abs(v5);
 let v7 = (v6 + v6);
 let v8 = select(v7, 88f, v7 > 88f);
 let v9 = round((v8 * 1.442695f));
 let v10 = ((v9 * 0.00021219444f) + ((v9 * (-0.6933594f)) + v8));
 let v11 = (v5 * v5);
 b3[p12] = bitcast<f32>((bitcast<i32>(select((1f - (2f / ((((((((((((((0.0013814539f * v10) + 0.008368745f) * v10) + 0.04166839f) * v10) + 0.16666521f) * v10) + 0.49999994f) * v10) + 1f) * v10) + 1f) * bitcast<f32>(((bitcast<i32>((v9 + 12582912f)) << 23u) + 1065353216))) + 1f))), ((((((((((((-0.0057049887f) * v11) + 0.020639088f) * v11) + (-0.053739715f)) * v11) + 0.13331442f) * v11) + (-0.3333328f)) * v11) * v6) + v6), (v6 < 0.625f))) | (bitcast<i32>(v5) & i32(-2147483648))));
}

// Gemm_node_1: module 1, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32, 12>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32, 120>;
@group(0) @binding(2) var<storage, read> b2: array<f32, 300>;
@group(0) @binding(3) var<storage, read_write> b3: array<f32, 40>;
@compute @workgroup_size(40)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 10;
 let l1 = point / 10;
 let p2 = l1 * 30;
 let p4 = l0 * 30;
 let p6 = l1 * 10 + l0;
 var r0: f32 = 0f;
 for (var k1 = 0; k1 < 30; k1++) {
  let p3 = p2 + k1;
  let p5 = p4 + k1;
  r0 += (b1[p3] * b2[p5]);
 }
 b3[p6] = (r0 + b0[l0]);
}

// Softmax_node_0 + Identity_node_0: module 2, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<f32, 40>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32, 40>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32, 4>;
@group(0) @binding(3) var<storage, read_write> b3: array<f32, 40>;
@group(0) @binding(4) var<storage, read_write> b4: array<f32, 4>;
var<private> bits0: u32 = 4286578688u;
@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p2 = l0 * 10;
 var r0: f32 = bitcast<f32>(bits0);
 for (var k1 = 0; k1 < 10; k1++) {
  let p3 = p2 + k1;
  let v4 = b0[p3];
  r0 = select(r0, v4, v4 > r0);
 }
 b2[l0] = r0;
}
@compute @workgroup_size(16)
fn main1(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 16 + lane;
 if (point >= 40) { return; }
 let l0 = (point) % 10;
 let l1 = point / 10;
 let p5 = l1 * 10 + l0;
 let v6 = (b0[p5] - b2[l1]);
 let v7 = select(v6, 0f, v6 > 0f);
 let v8 = select(v7, (-88f), v7 < (-88f));
 let v9 = round((v8 * 1.442695f));
 let v10 = ((v9 * 0.00021219444f) + ((v9 * (-0.6933594f)) + v8));
 b3[p5] = (((((((((((((0.0013814539f * v10) + 0.008368745f) * v10) + 0.04166839f) * v10) + 0.16666521f) * v10) + 0.49999994f) * v10) + 1f) * v10) + 1f) * bitcast<f32>(((bitcast<i32>((v9 + 12582912f)) << 23u) + 1065353216)));
}
@compute @workgroup_size(4)
fn main2(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p13 = l0 * 10;
 var r11: f32 = 0f;
 for (var k12 = 0; k12 < 10; k12++) {
  let p14 = p13 + k12;
  r11 += b3[p14];
 }
 b4[l0] = (1f / r11);
}
@compute @workgroup_size(16)
fn main3(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 16 + lane;
 if (point >= 40) { return; }
 let l0 = (point) % 10;
 let l1 = point / 10;
 let p15 = l1 * 10 + l0;
 b1[p15] = (b3[p15] * b4[l1]);
}

// Softmax_node_0 + Identity_node_0: module 2, main1, 3 x 1 x 1 workgroups
// Softmax_node_0 + Identity_node_0: module 2, main2, 1 x 1 x 1 workgroups
// Softmax_node_0 + Identity_node_0: module 2, main3, 3 x 1 x 1 workgroups