// layout of x + Conv_node_0 + Relu_node_0 + Conv_node_1 + Clip_node_0 + Conv_node_2 + Add_node_0 + MaxPool_node_0 + GlobalAveragePool_node_0 + Identity_node_0: module 0, main, 1 x 1 x 1 workgroups
@group(0) @binding(0) var<storage, read_write> b0: array<f32, 1928>;
@group(0) @binding(1) var<storage, read> b1: array<vec4f, 2>;
@group(0) @binding(2) var<storage, read> b2: array<vec4f, 54>;
@group(0) @binding(3) var<storage, read> b3: array<vec4f, 18>;
@group(0) @binding(4) var<storage, read> b4: array<vec4f, 2>;
@group(0) @binding(5) var<storage, read> b5: array<vec4f, 16>;
@group(0) @binding(6) var<storage, read_write> b6: array<f32, 868>;
@group(0) @binding(7) var<storage, read_write> b7: array<vec4f, 200>;
var<private> bits0: u32 = 4286578688u;
fn main0part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let block = i32(group.x);
 let point = block * 64 + lane;
 let l0 = (point) % 3;
 let l1 = (point / 3) % 16;
 let l2 = point / 48;
 let p0 = l0 * 256 + l2 * 16 + l1;
 let p1 = l0 + l2 * 51 + l1 * 3;
 b6[p1 + 54] = b0[p0];
}
fn main1part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 2;
 let l1 = (point / 2) % 4;
 let l2 = point / 8;
 let p6 = l2 * 102 + l1 * 12;
 let p9 = l0 * 27;
 let p13 = l2 * 20 + l1 * 4 + l0;
 var r2: vec4f = vec4f(0f);
 var r3: vec4f = vec4f(0f);
 for (var k4 = 0; k4 < 3; k4++) {
  let p7 = p6 + k4 * 51;
  let p10 = p9 + k4 * 9;
  for (var k5 = 0; k5 < 9; k5++) {
   let p8 = p7 + k5;
   let p11 = p10 + k5;
   let q12 = b2[p11];
   r2 += (b6[p8] * q12);
   r3 += (b6[p8 + 6] * q12);
  }
 }
 let q14 = b1[l0];
 let v15 = (r2 + q14);
 b7[p13 + 22] = select(v15, vec4f(0f), v15 < vec4f(0f));
 let v16 = (r3 + q14);
 b7[p13 + 24] = select(v16, vec4f(0f), v16 < vec4f(0f));
}
fn main2part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 2;
 let l1 = (point / 2) % 4;
 let l2 = point / 8;
 let p19 = l2 * 20 + l1 * 4 + l0;
 let p21 = l0 * 9;
 let p44 = l2 * 64 + l1 * 16 + l0 * 4;
 var r17: vec4f = vec4f(0f);
 var r18: vec4f = vec4f(0f);
 let q20 = b7[p19];
 let q22 = b3[p21];
 r17 += (q20 * q22);
 let q23 = b7[p19 + 2];
 r18 += (q23 * q22);
 let q24 = b3[p21 + 1];
 r17 += (q23 * q24);
 let q25 = b7[p19 + 4];
 r18 += (q25 * q24);
 let q26 = b3[p21 + 2];
 r17 += (q25 * q26);
 let q27 = b7[p19 + 6];
 r18 += (q27 * q26);
 let q28 = b7[p19 + 20];
 let q29 = b3[p21 + 3];
 r17 += (q28 * q29);
 let q30 = b7[p19 + 22];
 r18 += (q30 * q29);
 let q31 = b3[p21 + 4];
 r17 += (q30 * q31);
 let q32 = b7[p19 + 24];
 r18 += (q32 * q31);
 let q33 = b3[p21 + 5];
 r17 += (q32 * q33);
 let q34 = b7[p19 + 26];
 r18 += (q34 * q33);
 let q35 = b7[p19 + 40];
 let q36 = b3[p21 + 6];
 r17 += (q35 * q36);
 let q37 = b7[p19 + 42];
 r18 += (q37 * q36);
 let q38 = b3[p21 + 7];
 r17 += (q37 * q38);
 let q39 = b7[p19 + 44];
 r18 += (q39 * q38);
 let q40 = b3[p21 + 8];
 r17 += (q39 * q40);
 let q41 = b7[p19 + 46];
 r18 += (q41 * q40);
 let v42 = select(r17, vec4f(0f), r17 < vec4f(0f));
 let v43 = select(v42, vec4f(6f), v42 > vec4f(6f));
 b0[p44 + 768] = v43.x;
 b0[p44 + 769] = v43.y;
 b0[p44 + 770] = v43.z;
 b0[p44 + 771] = v43.w;
 let v45 = select(r18, vec4f(0f), r18 < vec4f(0f));
 let v46 = select(v45, vec4f(6f), v45 > vec4f(6f));
 b0[p44 + 776] = v46.x;
 b0[p44 + 777] = v46.y;
 b0[p44 + 778] = v46.z;
 b0[p44 + 779] = v46.w;
}
fn main3part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 2;
 let l1 = point / 2;
 let p49 = l1 * 16;
 let p50 = l0 * 8;
 let p61 = l1 * 16 + l0 * 4;
 var r47: vec4f = vec4f(0f);
 var r48: vec4f = vec4f(0f);
 let q51 = b5[p50];
 r47 += (b0[p49 + 768] * q51);
 r48 += (b0[p49 + 776] * q51);
 let q52 = b5[p50 + 1];
 r47 += (b0[p49 + 769] * q52);
 r48 += (b0[p49 + 777] * q52);
 let q53 = b5[p50 + 2];
 r47 += (b0[p49 + 770] * q53);
 r48 += (b0[p49 + 778] * q53);
 let q54 = b5[p50 + 3];
 r47 += (b0[p49 + 771] * q54);
 r48 += (b0[p49 + 779] * q54);
 let q55 = b5[p50 + 4];
 r47 += (b0[p49 + 772] * q55);
 r48 += (b0[p49 + 780] * q55);
 let q56 = b5[p50 + 5];
 r47 += (b0[p49 + 773] * q56);
 r48 += (b0[p49 + 781] * q56);
 let q57 = b5[p50 + 6];
 r47 += (b0[p49 + 774] * q57);
 r48 += (b0[p49 + 782] * q57);
 let q58 = b5[p50 + 7];
 r47 += (b0[p49 + 775] * q58);
 r48 += (b0[p49 + 783] * q58);
 let q59 = b4[l0];
 let v60 = (r47 + q59);
 b0[p61 + 1280] = v60.x;
 b0[p61 + 1281] = v60.y;
 b0[p61 + 1282] = v60.z;
 b0[p61 + 1283] = v60.w;
 let v62 = (r48 + q59);
 b0[p61 + 1288] = v62.x;
 b0[p61 + 1289] = v62.y;
 b0[p61 + 1290] = v62.z;
 b0[p61 + 1291] = v62.w;
}
fn main4part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = (point) % 2;
 let l1 = (point / 2) % 4;
 let l2 = point / 8;
 let p64 = l2 * 128 + l1 * 16 + l0 * 4;
 let p65 = l2 * 40 + l1 * 4 + l0;
 let p74 = l2 * 32 + l1 * 8 + l0 * 4;
 var r63: vec4f = vec4f(bitcast<f32>(bits0));
 let q66 = b7[p65 + 22];
 let v67 = (vec4f(b0[p64 + 1280], b0[p64 + 1281], b0[p64 + 1282], b0[p64 + 1283]) + q66);
 r63 = select(r63, v67, v67 > r63);
 let q68 = b7[p65 + 24];
 let v69 = (vec4f(b0[p64 + 1288], b0[p64 + 1289], b0[p64 + 1290], b0[p64 + 1291]) + q68);
 r63 = select(r63, v69, v69 > r63);
 let q70 = b7[p65 + 42];
 let v71 = (vec4f(b0[p64 + 1344], b0[p64 + 1345], b0[p64 + 1346], b0[p64 + 1347]) + q70);
 r63 = select(r63, v71, v71 > r63);
 let q72 = b7[p65 + 44];
 let v73 = (vec4f(b0[p64 + 1352], b0[p64 + 1353], b0[p64 + 1354], b0[p64 + 1355]) + q72);
 r63 = select(r63, v73, v73 > r63);
 b0[p74 + 1792] = r63.x;
 b0[p74 + 1793] = r63.y;
 b0[p74 + 1794] = r63.z;
 b0[p74 + 1795] = r63.w;
}
fn main5part0(group: vec3u, index: u32) {
 let lane = i32(index);
 let point = lane;
 let l0 = point;
 let p77 = l0 * 4;
 var r75: vec4f = vec4f(0f);
 for (var k76 = 0; k76 < 16; k76++) {
  let p78 = p77 + k76 * 8;
  r75 += vec4f(b0[p78 + 1792], b0[p78 + 1793], b0[p78 + 1794], b0[p78 + 1795]);
 }
 let v79 = (r75 * 0.0625f);
 b0[p77 + 1920] = v79.x;
 b0[p77 + 1921] = v79.y;
 b0[p77 + 1922] = v79.z;
 b0[p77 + 1923] = v79.w;
}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
 for (var g = 0u; g < 12u; g++) { main0part0(vec3u(g, 0u, 0u), index); }
 workgroupBarrier(); storageBarrier();
 main1part0(vec3u(), index);
 workgroupBarrier(); storageBarrier();
 main2part0(vec3u(), index);
 workgroupBarrier(); storageBarrier();
 main3part0(vec3u(), index);
 workgroupBarrier(); storageBarrier();
 if (index < 32u) { main4part0(vec3u(), index); }
 workgroupBarrier(); storageBarrier();
 if (index < 2u) { main5part0(vec3u(), index); }
}
