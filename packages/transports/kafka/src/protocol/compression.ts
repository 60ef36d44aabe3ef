/** Compression of record batches: gzip and zstd both ways, snappy and lz4 as others write them. */
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { SluiceError } from '@sluice/core/transport'
import { lz4Frame } from './lz4.ts'
import { snappy } from './snappy.ts'

/** How a batch is compressed. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** One batch is not inflated beyond this, whatever it says, bytes. */
const inflatedBytesMax = 256 * 1024 * 1024

/** @throws SluiceError UNSUPPORTED for what is only read here. */
export function compress(compression: Compression, bytes: Buffer): Buffer {
  switch (compression) {
    case 'none':
      return bytes
    case 'gzip':
      return gzipSync(bytes)
    case 'zstd':
      return zstdCompressSync(bytes)
    default:
      throw new SluiceError('UNSUPPORTED', `Kafka: batches are not written with ${compression}`, { fix: 'Use zstd or gzip' })
  }
}

/** @throws RangeError or an error of node:zlib for damaged bytes, or more than 256 MiB. */
export function decompress(compression: Exclude<Compression, 'none'>, bytes: Buffer): Buffer {
  switch (compression) {
    case 'gzip':
      return gunzipSync(bytes, { maxOutputLength: inflatedBytesMax })
    case 'zstd':
      return zstdDecompressSync(bytes, { maxOutputLength: inflatedBytesMax })
    case 'snappy':
      return snappy(bytes, inflatedBytesMax)
    case 'lz4':
      return lz4Frame(bytes, inflatedBytesMax)
  }
}
