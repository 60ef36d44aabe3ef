export { type ErrorCode, errorCodes, isSluiceError, SluiceError, type SluiceErrorOptions } from './errors/index.ts'
