/**
 * What the bus does with a contract at run time: check what is sent, make its key, bring older data up to date, check
 * what is delivered. All of it works on the erased types, synchronously wherever the schema is synchronous: no promise
 * is made for a message then.
 */
import { SluiceError } from '../errors/index.ts'
import type { Contract, RequestContract } from './contract.ts'
import { validationFailed } from './issues.ts'
import { checkKey } from './names.ts'
import type { StandardResult, StandardSchema, StandardSuccess } from './standard-schema.ts'

/** A checked value: `value` is the schema's output. A promise only where the schema is asynchronous. */
export type Checked = StandardSuccess<unknown> | Promise<StandardSuccess<unknown>>

/**
 * Validates what a producer passes. Its output is for the key; what is sent is the input, unchanged.
 * Throws (or rejects with) VALIDATION_FAILED.
 */
export function checkInput(contract: Contract, data: unknown): Checked {
  return check(contract.schema, data, contract.name, 'data')
}

/**
 * Makes delivered data what the handler expects: upcasts it from `schemaversion` (absent: 1), then validates it. The
 * output goes to the handler. Throws (or rejects with) NEWER_VERSION, NO_UPCAST, UPCAST_FAILED, VALIDATION_FAILED.
 */
export function checkDelivered(contract: Contract, data: unknown, schemaversion: number | undefined): Checked {
  const written = schemaversion ?? 1
  const current = written === contract.version ? data : upcast(contract, data, written)
  return check(contract.schema, current, contract.name, 'data')
}

/** Validates what the handler of a request returned; the input is sent. Throws (or rejects with) VALIDATION_FAILED. */
export function checkReplyInput(contract: RequestContract, data: unknown): Checked {
  return check(contract.reply, data, contract.name, 'reply')
}

/** Validates a reply that came back; the output goes to the requester. Throws (or rejects with) VALIDATION_FAILED. */
export function checkReplyOutput(contract: RequestContract, data: unknown): Checked {
  return check(contract.reply, data, contract.name, 'reply')
}

/**
 * The ordering key of a message, from the producer's output: a string of 1–255 bytes, or undefined for none. Throws
 * INVALID_ATTRIBUTE; the error never holds the key.
 */
export function keyOf(contract: Contract, output: unknown): string | undefined {
  const make = contract.key as ((output: unknown) => unknown) | undefined
  if (make === undefined) return undefined
  let key: unknown
  try {
    key = make(output)
  } catch (cause) {
    throw new SluiceError('INVALID_ATTRIBUTE', `the key function of ${contract.name} threw`, {
      cause,
      fix: 'Let it return undefined where the data has no key',
      details: { contract: contract.name },
    })
  }
  if (key === undefined) return undefined
  try {
    return checkKey(key)
  } catch (cause) {
    const { message, code, fix = '' } = cause as SluiceError
    const why = message.slice(code.length + 2, message.length - fix.length - 2)
    throw new SluiceError('INVALID_ATTRIBUTE', `the key function of ${contract.name} returned no usable key: ${why}`, {
      cause,
      fix,
      details: { contract: contract.name },
    })
  }
}

function check(schema: StandardSchema, data: unknown, contract: string, what: 'data' | 'reply'): Checked {
  let result: StandardResult<unknown> | Promise<StandardResult<unknown>>
  try {
    result = schema['~standard'].validate(data)
  } catch (cause) {
    throw schemaThrew(cause, contract, what)
  }
  if (isThenable(result)) return settle(result, schema, data, contract, what)
  return judge(result, schema, data, contract, what)
}

async function settle(
  pending: PromiseLike<StandardResult<unknown>>,
  schema: StandardSchema,
  data: unknown,
  contract: string,
  what: 'data' | 'reply',
): Promise<StandardSuccess<unknown>> {
  let result: StandardResult<unknown>
  try {
    result = await pending
  } catch (cause) {
    throw schemaThrew(cause, contract, what)
  }
  return judge(result, schema, data, contract, what)
}

function judge(
  result: { readonly value?: unknown; readonly issues?: unknown },
  schema: StandardSchema,
  data: unknown,
  contract: string,
  what: 'data' | 'reply',
): StandardSuccess<unknown> {
  let issues: unknown
  try {
    issues = result.issues
    if (!issues && (result.value !== undefined || 'value' in result)) return result as StandardSuccess<unknown>
  } catch (cause) {
    throw schemaThrew(cause, contract, what)
  }
  if (!Array.isArray(issues)) throw schemaThrew(new TypeError('the schema returned neither a value nor issues'), contract, what)
  throw validationFailed(`the ${what} of ${contract}`, contract, data, issues, schema['~standard'].vendor)
}

/** Promises of another realm or library count too; results have no `then`. */
function isThenable(value: unknown): value is PromiseLike<StandardResult<unknown>> {
  return typeof value === 'object' && value !== null && typeof (value as { readonly then?: unknown }).then === 'function'
}

function schemaThrew(cause: unknown, contract: string, what: 'data' | 'reply'): SluiceError {
  return new SluiceError('VALIDATION_FAILED', `the schema of ${contract} threw while it checked the ${what}`, {
    cause,
    fix: 'Let transforms and refinements report an issue instead of throwing',
    details: { contract, issues: [], issueCount: 0 },
  })
}

function upcast(contract: Contract, data: unknown, written: number): unknown {
  const { name, version } = contract
  const details = { contract: name, messageVersion: written, contractVersion: version }
  if (written > version) {
    throw new SluiceError('NEWER_VERSION', `a message of ${name} has version ${written}, this contract reads up to ${version}`, {
      fix: 'Deploy the newer contract to this service; onNewerVersion says what happens to the message until then',
      details,
    })
  }
  if (!Number.isInteger(written) || written < 1) {
    throw new SluiceError('NO_UPCAST', `a message of ${name} has a version that is not a whole number from 1 on`, {
      fix: 'Discard the dead letter, or mend its producer',
      details: { contract: name, contractVersion: version },
    })
  }
  let current = data
  for (let from = written; from < version; from++) {
    const step = contract.upcast[from] as ((data: unknown) => unknown) | undefined
    if (step === undefined) {
      throw new SluiceError('NO_UPCAST', `a message of ${name} has version ${written}, and no upcaster leads from version ${from} to ${from + 1}`, {
        fix: `Add upcast: { ${from}: (old: …) => … } to the contract, then redrive the message`,
        details,
      })
    }
    try {
      current = step(current)
    } catch (cause) {
      throw new SluiceError('UPCAST_FAILED', `the upcaster of ${name} from version ${from} to ${from + 1} threw`, {
        cause,
        fix: 'Mend the upcaster, then redrive the message',
        details,
      })
    }
  }
  return current
}
