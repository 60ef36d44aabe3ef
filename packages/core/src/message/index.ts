export type { Envelope } from './envelope.ts'
