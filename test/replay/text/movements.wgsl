// Reshape_node_0 + Transpose_node_0 + Reshape_node_1 + Slice_node_0 + Gather_node_0: module 0, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<vec2u, 6>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32, 168>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32, 56>;
@compute @workgroup_size(55)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 11;
 let l1 = point / 11;
 let p0 = ((l0 * (-2)) + 6);
 let p1 = ((p0 + 14) / 7 - 2);
 let p2 = ((p0 + 14) % 7);
 let p7 = p1 * 28 + p2;
 let p8 = l0 + l1 * 11;
 let v4 = bitcast<i32>(b0[l1].x);
 let v5 = min(max(select(v4, (v4 + 8), (v4 < 0)), 0), 7);
 let a3 = v5;
 let a6 = v5;
 b2[p8] = b1[p7 + (a3 >> 2u) * 84 + (a6 & 3) * 7 + 56];
}

// Pad_node_0 + Exp_node_0 + Mul_node_0 + Sigmoid_node_0 + Mul_node_1 + Concat_node_0: module 1, main, 4 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<f32, 56>;
@group(0) @binding(1) var<storage, read> b1: array<f32, 16>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32, 140>;
fn mainpart0(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 36 + lane;
 if (point >= 70) { return; }
 let l0 = (point) % 14;
 let l1 = point / 14;
 let p0 = ((l0 + (-1)) >= 0);
 let p1 = ((l0 + (-1)) < 11);
 let p2 = min(max((l0 + (-1)), 0), 10);
 let p3 = l1 * 11 + p2;
 let p9 = l1 * 14 + l0;
 let v4 = (select(0f, b0[p3], (p0 & p1)) * b1[l0]);
 let v5 = select(v4, 88f, v4 > 88f);
 let v6 = select(v5, (-89f), v5 < (-89f));
 let v7 = round((v6 * (-1.442695f)));
 let v8 = ((v7 * (-0.00021219444f)) + ((v7 * 0.6933594f) + v6));
 b2[p9] = (v4 / ((((((((((((((0.0013814539f * v8) + (-0.008368745f)) * v8) + 0.04166839f) * v8) + (-0.16666521f)) * v8) + 0.49999994f) * v8) + (-1f)) * v8) + 1f) * bitcast<f32>(((bitcast<i32>((v7 + 12582912f)) << 23u) + 1065353216))) + 1f));
}
fn mainpart1(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 36 + lane;
 if (point >= 70) { return; }
 let l0 = (point) % 14;
 let l1 = point / 14;
 let p10 = ((l0 + (-1)) >= 0);
 let p11 = ((l0 + (-1)) < 11);
 let p12 = min(max((l0 + (-1)), 0), 10);
 let p13 = l1 * 11 + p12;
 let p21 = l1 * 14 + l0;
 let v14 = select(0f, b0[p13], (p10 & p11));
 let v15 = select(v14, 89f, v14 > 89f);
 let v16 = select(v15, (-104f), v15 < (-104f));
 let v17 = round((v16 * 1.442695f));
 let v18 = ((v17 * 0.00021219444f) + ((v17 * (-0.6933594f)) + v16));
 let v19 = (bitcast<i32>((v17 + 12582912f)) - 1262485504);
 let v20 = (v19 >> 1u);
 b2[p21 + 70] = (((((((((((((0.0013814539f * v18) + 0.008368745f) * v18) + 0.04166839f) * v18) + 0.16666521f) * v18) + 0.49999994f) * (v18 * v18)) + v18) + 1f) * bitcast<f32>(((v20 << 23u) + 1065353216))) * bitcast<f32>((((v19 - v20) << 23u) + 1065353216)));
}
@compute @workgroup_size(36)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 if (group.x < 2u) { mainpart0(vec3u(group.x, 0u, 0u), index); return; }
 if (group.x < 4u) { mainpart1(vec3u(group.x - 2u, 0u, 0u), index); return; }
}
