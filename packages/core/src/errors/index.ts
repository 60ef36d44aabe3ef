export { type ErrorCode, type ErrorScope, errorCodes } from './codes.ts'
export { classifyError, describeError, type ErrorClass, type ErrorRecord, fingerprintOf } from './describe.ts'
export { isSluiceError, SluiceError, type SluiceErrorOptions, toError } from './error.ts'
export { redactError, redactUrl, redactUrls } from './redact.ts'
