/** Reads Kafka's wire types. Whoever reads past the end gets a RangeError. */
export class Reader {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.at = at
  }

  get left(): number {
    return this.#bytes.length - this.at
  }

  int8(): number {
    return this.#bytes.readInt8(this.at++)
  }

  bool(): boolean {
    return this.int8() !== 0
  }

  int16(): number {
    this.at += 2
    return this.#bytes.readInt16BE(this.at - 2)
  }

  int32(): number {
    this.at += 4
    return this.#bytes.readInt32BE(this.at - 4)
  }

  /** Within 53 bits. */
  int64(): number {
    this.at += 8
    return this.#bytes.readInt32BE(this.at - 8) * 0x1_0000_0000 + this.#bytes.readUInt32BE(this.at - 4)
  }

  big(): bigint {
    this.at += 8
    return this.#bytes.readBigInt64BE(this.at - 8)
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.raw(length).toString()
  }

  /** Shares memory with what is read. */
  bytes(): Buffer {
    return this.raw(Math.max(0, this.int32()))
  }

  raw(length: number): Buffer {
    if (length < 0 || length > this.left) throw new RangeError(`${length} bytes of ${this.left}`)
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  array<T>(read: () => T): T[] {
    return this.#items(this.int32(), read)
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes.readUInt8(this.at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new RangeError('a number has too many bytes')
  }

  varint(): number {
    const value = this.uvarint()
    return (value >>> 1) ^ -(value & 1)
  }

  varlong(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count++) {
      const byte = this.#bytes.readUInt8(this.at++)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      scale *= 0x80
    }
    throw new RangeError('a number has too many bytes')
  }

  /** Bytes of a record. */
  field(): Buffer | null {
    const length = this.varint()
    return length < 0 ? null : this.raw(length)
  }

  compactString(): string {
    return this.compactNullableString() ?? ''
  }

  compactNullableString(): string | null {
    const length = this.uvarint()
    return length === 0 ? null : this.raw(length - 1).toString()
  }

  compactArray<T>(read: () => T): T[] {
    return this.#items(this.uvarint() - 1, read)
  }

  /** Skips tagged fields. */
  tags(): void {
    for (let count = this.uvarint(); count > 0; count--) {
      this.uvarint()
      this.raw(this.uvarint())
    }
  }

  #items<T>(count: number, read: () => T): T[] {
    if (count > this.left) throw new RangeError(`${count} items in ${this.left} bytes`)
    const items: T[] = []
    for (let i = 0; i < count; i++) items.push(read())
    return items
  }
}
