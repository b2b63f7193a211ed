/**
 * Lists and arrays of tensors, which TF loops write one element at a time. In: a call on a TensorList, or on the flow
 * of a TensorArray, which carries its content. Out: the sequence operators of ai.onnx, which exist while binding only.
 * Invariant: a list that is reserved has its length from the start; what was not written yet is a scalar zero.
 */
import { typeNumber } from "../../../ir/dataType.ts";
import type { ValueId } from "../../../ir/graph.ts";
import type { Call } from "../call.ts";
import type { Conversions } from "./conversion.ts";

/** A list of so many zeros. */
function reserved(call: Call, count: ValueId): ValueId {
  const type = call.type(call.node.attributes.has("element_dtype") ? "elementDType" : "dtype");
  const zeros = call.emit("Expand", [call.scalar(0, type), count]);
  return elements(call, zeros);
}

function elements(call: Call, tensor: ValueId): ValueId {
  return call.emit("SplitToSequence", [tensor], { axis: 0, keepdims: 0 });
}

function written(call: Call, list: ValueId, index: ValueId, value: ValueId): ValueId {
  return call.emit("SequenceInsert", [call.emit("SequenceErase", [list, index]), value, index]);
}

function stacked(call: Call, list: ValueId): ValueId {
  return call.emit("ConcatFromSequence", [list], { axis: 0, new_axis: 1 });
}

function chosen(call: Call, list: ValueId, indices: ValueId): ValueId {
  return call.emit("Gather", [stacked(call, list), indices], { axis: 0 });
}

/** Elements of a tensor at the places that `indices` gives. */
function scattered(call: Call): ValueId {
  const places = call.numbers("indices");
  const order = Array.from({ length: Math.max(-1, ...places) + 1 }, (_, place) => places.indexOf(place));
  if (order.includes(-1))
    return call.fail("op-unsupported", "a list with places that are never written is not supported");
  return elements(call, call.emit("Gather", [call.input("tensor"), call.ints(order)], { axis: 0 }));
}

function joined(call: Call, list: ValueId): ValueId[] {
  const whole = call.emit("ConcatFromSequence", [list], { axis: 0, new_axis: 0 });
  return [whole];
}

function lengthOf(call: Call, list: ValueId): ValueId {
  return call.cast(call.emit("SequenceLength", [list]), "int32");
}

function split(call: Call, tensor: ValueId): ValueId {
  return call.emit("SplitToSequence", [tensor, call.intsOf("lengths")], { axis: 0 });
}

export const listOps: Conversions = {
  TensorListReserve: (call) => reserved(call, call.intsOf("numElements")),
  EmptyTensorList: (call) => {
    const type = call.type("elementDType");
    return call.emit("SequenceEmpty", [], { dtype: typeNumber(type === "complex64" ? "float32" : type) });
  },
  TensorListFromTensor: (call) => elements(call, call.input("tensor")),
  TensorListScatter: scattered,
  TensorListScatterV2: scattered,
  TensorListSplit: (call) => split(call, call.input("tensor")),
  TensorListGetItem: (call) => call.emit("SequenceAt", [call.input("tensorListId"), call.intOf("index")]),
  TensorListSetItem: (call) =>
    written(call, call.input("tensorListId"), call.intOf("index"), call.input("tensor")),
  TensorListPushBack: (call) =>
    call.emit("SequenceInsert", [call.input("tensorListId"), call.input("tensor")]),
  TensorListPopBack: (call) => {
    const list = call.input("tensorListId");
    return [call.emit("SequenceErase", [list]), call.emit("SequenceAt", [list, call.int(-1)])];
  },
  TensorListStack: (call) => stacked(call, call.input("tensorListId")),
  TensorListGather: (call) => chosen(call, call.input("tensorListId"), call.intsOf("indices")),
  TensorListConcat: (call) => joined(call, call.input("tensorListId")),
  TensorListConcatV2: (call) => joined(call, call.input("tensorListId")),
  TensorListLength: (call) => lengthOf(call, call.input("tensorListId")),

  // The handle of a TensorArray stands for nothing here; its flow is the list.
  TensorArrayV3: (call) => {
    const list = reserved(call, call.intsOf("size"));
    return [list, list];
  },
  TensorArrayWriteV3: (call) =>
    written(call, call.input("flowIn"), call.intOf("index"), call.input("tensor")),
  TensorArrayReadV3: (call) => call.emit("SequenceAt", [call.input("flowIn"), call.intOf("index")]),
  TensorArrayGatherV3: (call) => chosen(call, call.input("flowIn"), call.intsOf("indices")),
  TensorArrayScatterV3: scattered,
  TensorArrayConcatV3: (call) => joined(call, call.input("flowIn")),
  TensorArraySplitV3: (call) => split(call, call.input("tensor")),
  TensorArraySizeV3: (call) => lengthOf(call, call.input("flowIn")),
};
