// Gemm_node_0 + Tanh_node_0 + Gemm_node_1 + Softmax_node_0 + Identity_node_0: module 0, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32, 32>;
@group(0) @binding(1) var<storage, read> b1: array<f32, 600>;
@group(0) @binding(2) var<storage, read> b2: array<f32, 332>;
@group(0) @binding(3) var<storage, read_write> b3: array<f32, 208>;
@group(0) @binding(4) var<storage, read_write> b4: array<f32, 68>;
@group(0) @binding(5) var<storage, read_write> b5: array<f32, 40>;
@group(0) @binding(6) var<storage, read_write> b6: array<f32, 4>;
@group(0) @binding(7) var<storage, read_write> b7: array<f32, 40>;
var<private> bits0: u32 = 4286578688u;
fn main0part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 16 + lane;
 if (point >= 120) { return; }
 let l0 = (point) % 30;
 let l1 = point / 30;
 let p2 = l1 * 20;
 let p12 = l1 * 30 + l0;
 var r0: f32 = 0f;
 for (var k1 = 0; k1 < 20; k1++) {
  let p3 = p2 + k1;
  let p4 = l0 + k1 * 30;
  r0 += (b3[p3 + 128] * b1[p4]);
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
fn main1part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 16 + lane;
 if (point >= 40) { return; }
 let l0 = (point) % 10;
 let l1 = point / 10;
 let p15 = l1 * 30;
 let p17 = l0 * 30;
 let p19 = l1 * 10 + l0;
 var r13: f32 = 0f;
 for (var k14 = 0; k14 < 30; k14++) {
  let p16 = p15 + k14;
  let p18 = p17 + k14;
  r13 += (b3[p16] * b2[p18]);
 }
 b4[p19] = (r13 + b2[l0 + 320]);
}
fn main2part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p22 = l0 * 10;
 var r20: f32 = bitcast<f32>(bits0);
 for (var k21 = 0; k21 < 10; k21++) {
  let p23 = p22 + k21;
  let v24 = b4[p23];
  r20 = select(r20, v24, v24 > r20);
 }
 b6[l0] = r20;
}
fn main3part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 16 + lane;
 if (point >= 40) { return; }
 let l0 = (point) % 10;
 let l1 = point / 10;
 let p25 = l1 * 10 + l0;
 let v26 = (b4[p25] - b6[l1]);
 let v27 = select(v26, 0f, v26 > 0f);
 let v28 = select(v27, (-88f), v27 < (-88f));
 let v29 = round((v28 * 1.442695f));
 let v30 = ((v29 * 0.00021219444f) + ((v29 * (-0.6933594f)) + v28));
 b7[p25] = (((((((((((((0.0013814539f * v30) + 0.008368745f) * v30) + 0.04166839f) * v30) + 0.16666521f) * v30) + 0.49999994f) * v30) + 1f) * v30) + 1f) * bitcast<f32>(((bitcast<i32>((v29 + 12582912f)) << 23u) + 1065353216)));
}
fn main4part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p33 = l0 * 10;
 var r31: f32 = 0f;
 for (var k32 = 0; k32 < 10; k32++) {
  let p34 = p33 + k32;
  r31 += b7[p34];
 }
 b4[l0 + 64] = (1f / r31);
}
fn main5part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 16 + lane;
 if (point >= 40) { return; }
 let l0 = (point) % 10;
 let l1 = point / 10;
 let p35 = l1 * 10 + l0;
 b5[p35] = (b7[p35] * b4[l1 + 64]);
}
@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 for (var g = 0u; g < 8u; g++) { main0part0(vec3u(g, 0u, 0u), index); }
 workgroupBarrier(); storageBarrier();
 for (var g = 0u; g < 3u; g++) { main1part0(vec3u(g, 0u, 0u), index); }
 workgroupBarrier(); storageBarrier();
 if (index < 4u) { main2part0(vec3u(), index); }
 workgroupBarrier(); storageBarrier();
 for (var g = 0u; g < 3u; g++) { main3part0(vec3u(g, 0u, 0u), index); }
 workgroupBarrier(); storageBarrier();
 if (index < 4u) { main4part0(vec3u(), index); }
 workgroupBarrier(); storageBarrier();
 for (var g = 0u; g < 3u; g++) { main5part0(vec3u(g, 0u, 0u), index); }
}
