/**
 * Commands in RESP, the protocol of Redis: `*<words>`, then each word as `$<bytes>` and the word itself. Text is kept as
 * text until it is written, so that a batch of messages becomes one string and one write.
 */
import { Buffer } from 'node:buffer'

/** A word of a command. Numbers are written as decimal digits. */
export type Word = string | number | Uint8Array

/** One or several commands, encoded; `replies` says how many answers come back. */
export class Commands {
  replies = 0
  /** Bytes so far, about: what a buffer of waiting commands is bounded by. */
  bytes = 0
  #text = ''
  readonly #parts: (string | Uint8Array)[] = []

  /** Adds a command. */
  add(...words: readonly Word[]): this {
    this.begin(words.length)
    for (const word of words) this.word(word)
    return this
  }

  /** Begins a command of `words` words, which follow by {@link word} and {@link raw}. */
  begin(words: number): void {
    this.replies++
    this.#text += `*${words}\r\n`
  }

  word(word: Word): void {
    if (typeof word === 'string') {
      const bytes = Buffer.byteLength(word)
      this.bytes += bytes
      this.#text += `$${bytes}\r\n${word}\r\n`
    } else if (typeof word === 'number') this.word(String(word))
    else {
      this.bytes += word.byteLength
      this.#text += `$${word.byteLength}\r\n`
      this.#parts.push(this.#text, word)
      this.#text = '\r\n'
    }
  }

  /** Words that were encoded before. */
  raw(encoded: string): void {
    this.#text += encoded
  }

  /** What is to be written, in order. */
  parts(): readonly (string | Uint8Array)[] {
    return this.#text === '' ? this.#parts : [...this.#parts, this.#text]
  }
}

/** A word, encoded once for many commands. */
export function encodeWord(word: string): string {
  return `$${Buffer.byteLength(word)}\r\n${word}\r\n`
}
