// LSTM_node_0 + LSTM_node_0 + Squeeze_node_0 + Identity_node_0: module 0, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<f32, 32>;
@group(0) @binding(1) var<storage, read> b1: array<vec4f, 48>;
@group(0) @binding(2) var<storage, read> b2: array<f32, 288>;
@group(0) @binding(3) var<storage, read_write> b3: array<f32, 264>;
@group(0) @binding(4) var<storage, read_write> b4: array<vec4f, 2>;
@group(0) @binding(5) var<storage, read_write> b5: array<vec4f, 10>;
@group(0) @binding(6) var<storage, read_write> b6: array<f32, 8>;
@group(0) @binding(7) var<storage, read_write> b7: array<f32, 8>;
var<workgroup> t10: array<f32, 32>;
fn main0part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 16 + lane;
 if (point >= 40) { return; }
 let l0 = (point) % 8;
 let l1 = point / 8;
 let p1 = l1 * 6;
 let p2 = l0 * 6;
 let p9 = l0 * 4;
 let p11 = l1 * 32 + l0 * 4;
 var r0: vec4f = vec4f(0f);
 let q3 = b1[p2];
 r0 += (b0[p1] * q3);
 let q4 = b1[p2 + 1];
 r0 += (b0[p1 + 1] * q4);
 let q5 = b1[p2 + 2];
 r0 += (b0[p1 + 2] * q5);
 let q6 = b1[p2 + 3];
 r0 += (b0[p1 + 3] * q6);
 let q7 = b1[p2 + 4];
 r0 += (b0[p1 + 4] * q7);
 let q8 = b1[p2 + 5];
 r0 += (b0[p1 + 5] * q8);
 let v10 = (r0 + vec4f(b2[p9 + 256], b2[p9 + 257], b2[p9 + 258], b2[p9 + 259]));
 b3[p11] = v10.x;
 b3[p11 + 1] = v10.y;
 b3[p11 + 2] = v10.z;
 b3[p11 + 3] = v10.w;
}
fn main0part1(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p13 = l0 * 4;
 let v12 = vec4f(0f);
 b6[p13] = v12.x;
 b6[p13 + 1] = v12.y;
 b6[p13 + 2] = v12.z;
 b6[p13 + 3] = v12.w;
}
fn main0part2(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p15 = l0 * 4;
 let v14 = vec4f(0f);
 b7[p15] = v14.x;
 b7[p15 + 1] = v14.y;
 b7[p15 + 2] = v14.z;
 b7[p15 + 3] = v14.w;
}
fn main1part0(group: vec3u, index: u32) {
 let lane = i32(index);
 for (var k16 = 0; k16 < 5; k16++) {
  let p22 = k16 * 32;
  let p56 = k16 * 8;
  workgroupBarrier();
  storageBarrier();
  for (var k17 = lane; k17 < 32; k17 += 16) {
   let p20 = k17 * 8;
   let p23 = p22 + k17;
   var r18: f32 = 0f;
   for (var k19 = 0; k19 < 8; k19++) {
    let p21 = p20 + k19;
    r18 += (b6[k19] * b2[p21]);
   }
   t10[k17] = (r18 + b3[p23]);
  }
  workgroupBarrier();
  storageBarrier();
  if (lane < 8) {
   let k24 = lane;
   let v25 = t10[k24 + 16];
   let v26 = select(v25, 88f, v25 > 88f);
   let v27 = select(v26, (-89f), v26 < (-89f));
   let v28 = round((v27 * (-1.442695f)));
   let v29 = ((v28 * (-0.00021219444f)) + ((v28 * 0.6933594f) + v27));
   let v30 = t10[k24 + 24];
   let v31 = abs(v30);
   let v32 = (v31 + v31);
   let v33 = select(v32, 88f, v32 > 88f);
   let v34 = round((v33 * 1.442695f));
   let v35 = ((v34 * 0.00021219444f) + ((v34 * (-0.6933594f)) + v33));
   let v36 = (v30 * v30);
   let v37 = t10[k24];
   let v38 = select(v37, 88f, v37 > 88f);
   let v39 = select(v38, (-89f), v38 < (-89f));
   let v40 = round((v39 * (-1.442695f)));
   let v41 = ((v40 * (-0.00021219444f)) + ((v40 * 0.6933594f) + v39));
   b7[k24] = ((b7[k24] / ((((((((((((((0.0013814539f * v29) + (-0.008368745f)) * v29) + 0.04166839f) * v29) + (-0.16666521f)) * v29) + 0.49999994f) * v29) + (-1f)) * v29) + 1f) * bitcast<f32>(((bitcast<i32>((v28 + 12582912f)) << 23u) + 1065353216))) + 1f)) + (bitcast<f32>((bitcast<i32>(select((1f - (2f / ((((((((((((((0.0013814539f * v35) + 0.008368745f) * v35) + 0.04166839f) * v35) + 0.16666521f) * v35) + 0.49999994f) * v35) + 1f) * v35) + 1f) * bitcast<f32>(((bitcast<i32>((v34 + 12582912f)) << 23u) + 1065353216))) + 1f))), ((((((((((((-0.0057049887f) * v36) + 0.020639088f) * v36) + (-0.053739715f)) * v36) + 0.13331442f) * v36) + (-0.3333328f)) * v36) * v31) + v31), (v31 < 0.625f))) | (bitcast<i32>(v30) & i32(-2147483648)))) / ((((((((((((((0.0013814539f * v41) + (-0.008368745f)) * v41) + 0.04166839f) * v41) + (-0.16666521f)) * v41) + 0.49999994f) * v41) + (-1f)) * v41) + 1f) * bitcast<f32>(((bitcast<i32>((v40 + 12582912f)) << 23u) + 1065353216))) + 1f)));
  }
  workgroupBarrier();
  storageBarrier();
  if (lane < 8) {
   let k42 = lane;
   let v43 = b7[k42];
   let v44 = abs(v43);
   let v45 = (v44 + v44);
   let v46 = select(v45, 88f, v45 > 88f);
   let v47 = round((v46 * 1.442695f));
   let v48 = ((v47 * 0.00021219444f) + ((v47 * (-0.6933594f)) + v46));
   let v49 = (v43 * v43);
   let v50 = t10[k42 + 8];
   let v51 = select(v50, 88f, v50 > 88f);
   let v52 = select(v51, (-89f), v51 < (-89f));
   let v53 = round((v52 * (-1.442695f)));
   let v54 = ((v53 * (-0.00021219444f)) + ((v53 * 0.6933594f) + v52));
   b6[k42] = (bitcast<f32>((bitcast<i32>(select((1f - (2f / ((((((((((((((0.0013814539f * v48) + 0.008368745f) * v48) + 0.04166839f) * v48) + 0.16666521f) * v48) + 0.49999994f) * v48) + 1f) * v48) + 1f) * bitcast<f32>(((bitcast<i32>((v47 + 12582912f)) << 23u) + 1065353216))) + 1f))), ((((((((((((-0.0057049887f) * v49) + 0.020639088f) * v49) + (-0.053739715f)) * v49) + 0.13331442f) * v49) + (-0.3333328f)) * v49) * v44) + v44), (v44 < 0.625f))) | (bitcast<i32>(v43) & i32(-2147483648)))) / ((((((((((((((0.0013814539f * v54) + (-0.008368745f)) * v54) + 0.04166839f) * v54) + (-0.16666521f)) * v54) + 0.49999994f) * v54) + (-1f)) * v54) + 1f) * bitcast<f32>(((bitcast<i32>((v53 + 12582912f)) << 23u) + 1065353216))) + 1f));
  }
  workgroupBarrier();
  storageBarrier();
  if (lane < 8) {
   let k55 = lane;
   let p57 = p56 + k55;
   b3[p57 + 192] = b6[k55];
  }
 }
}
fn main2part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p58 = l0 * 4;
 let v59 = vec4f(b6[p58], b6[p58 + 1], b6[p58 + 2], b6[p58 + 3]);
 b3[p58 + 256] = v59.x;
 b3[p58 + 257] = v59.y;
 b3[p58 + 258] = v59.z;
 b3[p58 + 259] = v59.w;
}
fn main2part1(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p60 = l0 * 4;
 b4[l0] = vec4f(b7[p60], b7[p60 + 1], b7[p60 + 2], b7[p60 + 3]);
}
fn main2part2(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p61 = l0 * 4;
 b5[l0] = vec4f(b3[p61 + 192], b3[p61 + 193], b3[p61 + 194], b3[p61 + 195]);
}
@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 for (var g = 0u; g < 3u; g++) { main0part0(vec3u(g, 0u, 0u), index); }
 if (index < 2u) { main0part1(vec3u(), index); }
 if (index < 2u) { main0part2(vec3u(), index); }
 workgroupBarrier(); storageBarrier();
 main1part0(vec3u(), index); workgroupBarrier(); storageBarrier();
 workgroupBarrier(); storageBarrier();
 if (index < 2u) { main2part0(vec3u(), index); }
 if (index < 2u) { main2part1(vec3u(), index); }
 if (index < 10u) { main2part2(vec3u(), index); }
}
