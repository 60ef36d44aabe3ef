/** Transports for the command to judge. */
import { memoryTransport, SluiceError, type TransportFactory } from '@sluice/core/transport'

export const sound: TransportFactory = memoryTransport

/** Forgets the subject of what it stores. */
export const losing: TransportFactory = {
  schemes: ['memory'],
  async open(url, context) {
    const transport = await memoryTransport.open(url, context)
    const send = transport.send.bind(transport)
    const forgetful: typeof send = (batch, options) =>
      send(
        batch.map(({ envelope: { subject: _, ...envelope }, ...rest }) => ({ ...rest, envelope })),
        options,
      )
    return Object.assign(transport, { send: forgetful })
  },
}

/** Never lets its process end. */
export const lingering: TransportFactory = {
  schemes: ['memory'],
  open(url, context) {
    if (process.env.NODE_TEST_CONTEXT !== undefined) setInterval(() => {}, 1_000)
    return memoryTransport.open(url, context)
  },
}

export const refusing: TransportFactory = {
  schemes: ['memory'],
  open: () => Promise.reject(new SluiceError('TRANSPORT_FAILED', 'the password is wrong', { fix: 'Correct it' })),
}
