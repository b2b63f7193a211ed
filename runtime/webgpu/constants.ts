/**
 * Numbers that WebGPU gives to the uses of a buffer. They are written out because not every realm with a `GPUDevice`
 * has the namespaces as globals (Node with the package `webgpu`). Source: the WebGPU specification, sections 5.1.2
 * (GPUBufferUsage), 5.3 (GPUMapMode), 6.1.3 (GPUTextureUsage) and 8.1 (GPUShaderStage).
 */
export const usage = {
  mapRead: 0x0001,
  copySource: 0x0004,
  copyDestination: 0x0008,
  uniform: 0x0040,
  storage: 0x0080,
  queryResolve: 0x0200,
} as const;

export const MAP_READ = 0x0001;

export const textureUsage = { copyDestination: 0x02, textureBinding: 0x04, renderAttachment: 0x10 } as const;

export const COMPUTE_STAGE = 0x4;
