/** Writes Kafka's wire types into one growing buffer. */
export class Writer {
  #bytes: Buffer
  #at = 0

  constructor(size = 512) {
    this.#bytes = Buffer.allocUnsafe(size)
  }

  get length(): number {
    return this.#at
  }

  /** Begins anew in the same memory. */
  clear(): void {
    this.#at = 0
  }

  /** What was written so far; shares memory with the writer. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  int8(value: number): this {
    this.#room(1)
    this.#at = this.#bytes.writeInt8(value, this.#at)
    return this
  }

  bool(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  int16(value: number): this {
    this.#room(2)
    this.#at = this.#bytes.writeInt16BE(value, this.#at)
    return this
  }

  int32(value: number): this {
    this.#room(4)
    this.#at = this.#bytes.writeInt32BE(value, this.#at)
    return this
  }

  /** A whole number that fits into 53 bits, negative ones included. */
  int64(value: number): this {
    this.#room(8)
    this.#bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), this.#at)
    this.#bytes.writeUInt32BE(value >>> 0, this.#at + 4)
    this.#at += 8
    return this
  }

  big(value: bigint): this {
    this.#room(8)
    this.#at = this.#bytes.writeBigInt64BE(value, this.#at)
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  /** Length in two bytes; null is −1. */
  string(text: string | null): this {
    if (text === null) return this.int16(-1)
    const length = Buffer.byteLength(text)
    return this.int16(length).#text(text, length)
  }

  /** Length in four bytes; null is −1. */
  bytes(bytes: Uint8Array | null): this {
    return bytes === null ? this.int32(-1) : this.int32(bytes.length).raw(bytes)
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  /** Unsigned, seven bits a byte. */
  uvarint(value: number): this {
    this.#room(5)
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#at++] = rest
    return this
  }

  /** Signed, in zigzag; within 32 bits. */
  varint(value: number): this {
    return this.uvarint((value << 1) ^ (value >> 31))
  }

  /** Signed, in zigzag; within 52 bits. */
  varlong(value: number): this {
    this.#room(10)
    let rest = value < 0 ? -value * 2 - 1 : value * 2
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#at++] = rest
    return this
  }

  /** Of the newer, "flexible" requests. */
  compactString(text: string | null): this {
    if (text === null) return this.uvarint(0)
    const length = Buffer.byteLength(text)
    return this.uvarint(length + 1).#text(text, length)
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.uvarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  /** No tagged fields. */
  tags(): this {
    return this.uvarint(0)
  }

  /** Bytes of a record: their length as a varint; null is −1. */
  field(value: Uint8Array | string | null): this {
    if (value === null) return this.varint(-1)
    if (typeof value !== 'string') return this.varint(value.length).raw(value)
    const length = Buffer.byteLength(value)
    return this.varint(length).#text(value, length)
  }

  /** Overwrites four bytes that were written before. */
  patch32(at: number, value: number): void {
    this.#bytes.writeInt32BE(value | 0, at)
  }

  #text(text: string, length: number): this {
    this.#room(length)
    if (length < 24 && length === text.length) for (let i = 0; i < length; i++) this.#bytes[this.#at + i] = text.charCodeAt(i)
    else this.#bytes.write(text, this.#at, length)
    this.#at += length
    return this
  }

  #room(count: number): void {
    const needed = this.#at + count
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}
