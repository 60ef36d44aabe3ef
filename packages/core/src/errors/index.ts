export { type ErrorCode, errorCodes } from './codes.ts'
export { isSluiceError, SluiceError, type SluiceErrorOptions, toError } from './error.ts'
