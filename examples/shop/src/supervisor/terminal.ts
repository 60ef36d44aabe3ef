/** What a run says on the terminal: everything but results goes to stderr, progress on one line that is rewritten. */
import type { Text, TextKey } from '../text/index.ts'

const rewriteEveryMs = 200
const complaintsMax = 20

/** See the head of this file. */
export class Terminal {
  readonly text: Text
  readonly #rewrite: boolean = process.stderr.isTTY
  #line = ''
  #lineMs = 0
  #open = false
  #complaints = 0

  constructor(text: Text) {
    this.text = text
  }

  /** One line, at once. */
  note(line: string): void {
    this.#finish()
    process.stderr.write(`${line}\n`)
  }

  /** One line of the dictionary. */
  say(key: TextKey, values: Readonly<Record<string, string | number>> = {}): void {
    this.note(this.text(key, values))
  }

  /** `what 1,200 of 2,000 (60%)`: rewritten on a terminal, every 2 s in a log. */
  progress(what: string, done: number, total: number): void {
    const now = Date.now()
    if (done < total && now - this.#lineMs < (this.#rewrite ? rewriteEveryMs : rewriteEveryMs * 10)) return
    const line = `${what}: ${done.toLocaleString('en')} / ${total.toLocaleString('en')} (${total === 0 ? 100 : Math.floor((done / total) * 100)}%)`
    if (line === this.#line) return
    this.#line = line
    this.#lineMs = now
    if (!this.#rewrite) process.stderr.write(`${line}\n`)
    else {
      process.stderr.write(`\r\u001b[K${line}`)
      this.#open = true
    }
  }

  /** Something went wrong in a service without stopping the run; the first few are printed. */
  complain(service: string, text: string): void {
    this.#complaints++
    if (this.#complaints <= complaintsMax) this.note(`${service}: ${text}`)
    if (this.#complaints === complaintsMax) this.note('(further complaints are not printed)')
  }

  #finish(): void {
    if (this.#open) process.stderr.write('\n')
    this.#open = false
  }
}
