export { MemoryTransport, memoryTransport } from './transport.ts'
