export { type AttributeKind, type AttributeName, attributeKinds, attributeNames, checkAttribute, isRfc3339, validateEnvelope } from './attributes.ts'
export type { ReadOptions } from './cloudevents/attribute-text.ts'
export { type BinaryMessage, type BinaryPrefix, fromBinary, type ReceivedMessage, toBinary } from './cloudevents/binary.ts'
export { attributesFromJson, attributesToJson, fromStructured, structuredContentType, toStructured } from './cloudevents/structured.ts'
export { bytesCodec, type Codec, CodecRegistry, type EncodedData, type EncodeOptions, jsonCodec, textCodec } from './codec.ts'
export { type CompressionOptions, type ContentEncoding, compressBody, compressionThresholdBytesDefault, decompressBody } from './compression.ts'
export type { Envelope } from './envelope.ts'
export { checkHeaders } from './headers.ts'
export {
  headerCountMax,
  headerNameBytesMax,
  headerTotalBytesMax,
  identifierBytesMax,
  jsonDepthMax,
  messageBytesMaxDefault,
  tagBytesMax,
  tagCountMax,
} from './limits.ts'
export { ProducerOrder, type ProducerOrderOptions, type ProducerOrderOutput, type ProducerOrderStats } from './producer-order.ts'
export { checkBatchSize, checkSize, sizeOf } from './size.ts'
