// Reshape_node_0 + Transpose_node_0 + Reshape_node_1 + Slice_node_0 + Gather_node_0 + Pad_node_0 + Exp_node_0 + Mul_node_0 + Sigmoid_node_0 + Mul_node_1 + Concat_node_0: module 0, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<vec2u, 6>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32, 168>;
@group(0) @binding(2) var<storage, read> b2: array<f32, 16>;
@group(0) @binding(3) var<storage, read_write> b3: array<f32, 56>;
@group(0) @binding(4) var<storage, read_write> b4: array<f32, 140>;
fn main0part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 11;
 let l1 = point / 11;
 let p3 = ((l0 * (-2)) + 6);
 let p4 = ((p3 + 14) / 7 - 2);
 let p6 = ((p3 + 14) % 7);
 let p7 = p4 * 28 + p6;
 let p8 = l1 * 11 + l0;
 let v1 = bitcast<i32>(b0[l1].x);
 let v2 = min(max(select(v1, (v1 + 8), (v1 < 0)), 0), 7);
 let a0 = v2;
 let a5 = v2;
 b3[p8] = b1[p7 + (a0 >> 2u) * 84 + (a5 & 3) * 7 + 56];
}
fn main1part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 36 + lane;
 if (point >= 70) { return; }
 let l0 = (point) % 14;
 let l1 = point / 14;
 let p9 = ((l0 + (-1)) >= 0);
 let p10 = ((l0 + (-1)) < 11);
 let p11 = min(max((l0 + (-1)), 0), 10);
 let p12 = l1 * 11 + p11;
 let p18 = l1 * 14 + l0;
 let v13 = (select(0f, b3[p12], (p9 & p10)) * b2[l0]);
 let v14 = select(v13, 88f, v13 > 88f);
 let v15 = select(v14, (-89f), v14 < (-89f));
 let v16 = round((v15 * (-1.442695f)));
 let v17 = ((v16 * (-0.00021219444f)) + ((v16 * 0.6933594f) + v15));
 b4[p18] = (v13 / ((((((((((((((0.0013814539f * v17) + (-0.008368745f)) * v17) + 0.04166839f) * v17) + (-0.16666521f)) * v17) + 0.49999994f) * v17) + (-1f)) * v17) + 1f) * bitcast<f32>(((bitcast<i32>((v16 + 12582912f)) << 23u) + 1065353216))) + 1f));
}
fn main1part1(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 36 + lane;
 if (point >= 70) { return; }
 let l0 = (point) % 14;
 let l1 = point / 14;
 let p19 = ((l0 + (-1)) >= 0);
 let p20 = ((l0 + (-1)) < 11);
 let p21 = min(max((l0 + (-1)), 0), 10);
 let p22 = l1 * 11 + p21;
 let p30 = l1 * 14 + l0;
 let v23 = select(0f, b3[p22], (p19 & p20));
 let v24 = select(v23, 89f, v23 > 89f);
 let v25 = select(v24, (-104f), v24 < (-104f));
 let v26 = round((v25 * 1.442695f));
 let v27 = ((v26 * 0.00021219444f) + ((v26 * (-0.6933594f)) + v25));
 let v28 = (bitcast<i32>((v26 + 12582912f)) - 1262485504);
 let v29 = (v28 >> 1u);
 b4[p30 + 70] = (((((((((((((0.0013814539f * v27) + 0.008368745f) * v27) + 0.04166839f) * v27) + 0.16666521f) * v27) + 0.49999994f) * (v27 * v27)) + v27) + 1f) * bitcast<f32>(((v29 << 23u) + 1065353216))) * bitcast<f32>((((v28 - v29) << 23u) + 1065353216)));
}
@compute @workgroup_size(55)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 main0part0(vec3u(), index);
 workgroupBarrier(); storageBarrier();
 for (var g = 0u; g < 2u; g++) { if (index < 36u) { main1part0(vec3u(g, 0u, 0u), index); } }
 for (var g = 0u; g < 2u; g++) { if (index < 36u) { main1part1(vec3u(g, 0u, 0u), index); } }
}
