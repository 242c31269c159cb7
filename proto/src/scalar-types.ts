// The scalar types of the contract, by their numbers in google.protobuf.FieldDescriptorProto.Type.
import type { ScalarType } from "@bufbuild/protobuf";

export const UINT64: ScalarType.UINT64 = 4;
export const BOOL: ScalarType.BOOL = 8;
export const STRING: ScalarType.STRING = 9;
export const BYTES: ScalarType.BYTES = 12;
export const UINT32: ScalarType.UINT32 = 13;
