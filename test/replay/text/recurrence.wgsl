// LSTM_node_0: module 0, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<vec4f, 8>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32, 32>;
@group(0) @binding(2) var<storage, read> b2: array<vec4f, 48>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4f, 40>;
@compute @workgroup_size(40)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 8;
 let l1 = point / 8;
 let p1 = l1 * 6;
 let p2 = l0 * 6;
 let p9 = l1 * 8 + l0;
 var r0: vec4f = vec4f(0f);
 let q3 = b2[p2];
 r0 += (b1[p1] * q3);
 let q4 = b2[p2 + 1];
 r0 += (b1[p1 + 1] * q4);
 let q5 = b2[p2 + 2];
 r0 += (b1[p1 + 2] * q5);
 let q6 = b2[p2 + 3];
 r0 += (b1[p1 + 3] * q6);
 let q7 = b2[p2 + 4];
 r0 += (b1[p1 + 4] * q7);
 let q8 = b2[p2 + 5];
 r0 += (b1[p1 + 5] * q8);
 let q10 = b0[l0];
 b3[p9] = (r0 + q10);
}

// LSTM_node_0: module 1, main, 2 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<f32, 160>;
@group(0) @binding(1) var<storage, read> b1: array<f32, 256>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32, 40>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4f, 2>;
@group(0) @binding(4) var<storage, read_write> b4: array<vec4f, 2>;
@group(0) @binding(5) var<storage, read_write> b5: array<f32, 8>;
@group(0) @binding(6) var<storage, read_write> b6: array<f32, 8>;
var<workgroup> t6: array<f32, 32>;
fn mainpart0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p1 = l0 * 4;
 let v0 = vec4f(0f);
 b5[p1] = v0.x;
 b5[p1 + 1] = v0.y;
 b5[p1 + 2] = v0.z;
 b5[p1 + 3] = v0.w;
}
fn mainpart1(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p3 = l0 * 4;
 let v2 = vec4f(0f);
 b6[p3] = v2.x;
 b6[p3 + 1] = v2.y;
 b6[p3 + 2] = v2.z;
 b6[p3 + 3] = v2.w;
}
@compute @workgroup_size(2)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 if (group.x < 1u) { mainpart0(vec3u(group.x, 0u, 0u), index); return; }
 if (group.x < 2u) { mainpart1(vec3u(group.x - 1u, 0u, 0u), index); return; }
}
@compute @workgroup_size(16)
fn main1(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 for (var k4 = 0; k4 < 5; k4++) {
  let p10 = k4 * 32;
  let p44 = k4 * 8;
  workgroupBarrier();
  storageBarrier();
  for (var k5 = lane; k5 < 32; k5 += 16) {
   let p8 = k5 * 8;
   let p11 = p10 + k5;
   var r6: f32 = 0f;
   for (var k7 = 0; k7 < 8; k7++) {
    let p9 = p8 + k7;
    r6 += (b5[k7] * b1[p9]);
   }
   t6[k5] = (r6 + b0[p11]);
  }
  workgroupBarrier();
  storageBarrier();
  if (lane < 8) {
   let k12 = lane;
   let v13 = t6[k12 + 16];
   let v14 = select(v13, 88f, v13 > 88f);
   let v15 = select(v14, (-89f), v14 < (-89f));
   let v16 = round((v15 * (-1.442695f)));
   let v17 = ((v16 * (-0.00021219444f)) + ((v16 * 0.6933594f) + v15));
   let v18 = t6[k12 + 24];
   let v19 = abs(v18);
   let v20 = (v19 + v19);
   let v21 = select(v20, 88f, v20 > 88f);
   let v22 = round((v21 * 1.442695f));
   let v23 = ((v22 * 0.00021219444f) + ((v22 * (-0.6933594f)) + v21));
   let v24 = (v18 * v18);
   let v25 = t6[k12];
   let v26 = select(v25, 88f, v25 > 88f);
   let v27 = select(v26, (-89f), v26 < (-89f));
   let v28 = round((v27 * (-1.442695f)));
   let v29 = ((v28 * (-0.00021219444f)) + ((v28 * 0.6933594f) + v27));
   b6[k12] = ((b6[k12] / ((((((((((((((0.0013814539f * v17) + (-0.008368745f)) * v17) + 0.04166839f) * v17) + (-0.16666521f)) * v17) + 0.49999994f) * v17) + (-1f)) * v17) + 1f) * bitcast<f32>(((bitcast<i32>((v16 + 12582912f)) << 23u) + 1065353216))) + 1f)) + (bitcast<f32>((bitcast<i32>(select((1f - (2f / ((((((((((((((0.0013814539f * v23) + 0.008368745f) * v23) + 0.04166839f) * v23) + 0.16666521f) * v23) + 0.49999994f) * v23) + 1f) * v23) + 1f) * bitcast<f32>(((bitcast<i32>((v22 + 12582912f)) << 23u) + 1065353216))) + 1f))), ((((((((((((-0.0057049887f) * v24) + 0.020639088f) * v24) + (-0.053739715f)) * v24) + 0.13331442f) * v24) + (-0.3333328f)) * v24) * v19) + v19), (v19 < 0.625f))) | (bitcast<i32>(v18) & i32(-2147483648)))) / ((((((((((((((0.0013814539f * v29) + (-0.008368745f)) * v29) + 0.04166839f) * v29) + (-0.16666521f)) * v29) + 0.49999994f) * v29) + (-1f)) * v29) + 1f) * bitcast<f32>(((bitcast<i32>((v28 + 12582912f)) << 23u) + 1065353216))) + 1f)));
  }
  workgroupBarrier();
  storageBarrier();
  if (lane < 8) {
   let k30 = lane;
   let v31 = b6[k30];
   let v32 = abs(v31);
   let v33 = (v32 + v32);
   let v34 = select(v33, 88f, v33 > 88f);
   let v35 = round((v34 * 1.442695f));
   let v36 = ((v35 * 0.00021219444f) + ((v35 * (-0.6933594f)) + v34));
   let v37 = (v31 * v31);
   let v38 = t6[k30 + 8];
   let v39 = select(v38, 88f, v38 > 88f);
   let v40 = select(v39, (-89f), v39 < (-89f));
   let v41 = round((v40 * (-1.442695f)));
   let v42 = ((v41 * (-0.00021219444f)) + ((v41 * 0.6933594f) + v40));
   b5[k30] = (bitcast<f32>((bitcast<i32>(select((1f - (2f / ((((((((((((((0.0013814539f * v36) + 0.008368745f) * v36) + 0.04166839f) * v36) + 0.16666521f) * v36) + 0.49999994f) * v36) + 1f) * v36) + 1f) * bitcast<f32>(((bitcast<i32>((v35 + 12582912f)) << 23u) + 1065353216))) + 1f))), ((((((((((((-0.0057049887f) * v37) + 0.020639088f) * v37) + (-0.053739715f)) * v37) + 0.13331442f) * v37) + (-0.3333328f)) * v37) * v32) + v32), (v32 < 0.625f))) | (bitcast<i32>(v31) & i32(-2147483648)))) / ((((((((((((((0.0013814539f * v42) + (-0.008368745f)) * v42) + 0.04166839f) * v42) + (-0.16666521f)) * v42) + 0.49999994f) * v42) + (-1f)) * v42) + 1f) * bitcast<f32>(((bitcast<i32>((v41 + 12582912f)) << 23u) + 1065353216))) + 1f));
  }
  workgroupBarrier();
  storageBarrier();
  if (lane < 8) {
   let k43 = lane;
   let p45 = p44 + k43;
   b2[p45] = b5[k43];
  }
 }
}
fn main2part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p46 = l0 * 4;
 b3[l0] = vec4f(b5[p46], b5[p46 + 1], b5[p46 + 2], b5[p46 + 3]);
}
fn main2part1(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p47 = l0 * 4;
 b4[l0] = vec4f(b6[p47], b6[p47 + 1], b6[p47 + 2], b6[p47 + 3]);
}
@compute @workgroup_size(2)
fn main2(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 if (group.x < 1u) { main2part0(vec3u(group.x, 0u, 0u), index); return; }
 if (group.x < 2u) { main2part1(vec3u(group.x - 1u, 0u, 0u), index); return; }
}

// LSTM_node_0: module 1, main1, 1 x 1 x 1 workgroups
// LSTM_node_0: module 1, main2, 2 x 1 x 1 workgroups
// Squeeze_node_0 + Identity_node_0: module 2, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<vec4f, 10>;
@group(0) @binding(1) var<storage, read_write> b1: array<vec4f, 10>;
@compute @workgroup_size(10)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let q0 = b0[l0];
 b1[l0] = q0;
}
