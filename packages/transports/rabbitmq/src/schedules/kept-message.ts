import type { Envelope, OutgoingMessage } from '@sluice/core/transport'

/** A message as the registry's JSON holds it. */
export interface KeptMessage extends Omit<OutgoingMessage, 'envelope'> {
  readonly envelope: Omit<Envelope, 'body'> & { readonly body: string | { readonly base64: string } }
}

export function keep({ envelope, ...rest }: OutgoingMessage): KeptMessage {
  const { body } = envelope
  return { ...rest, envelope: { ...envelope, body: typeof body === 'string' ? body : { base64: Buffer.from(body).toString('base64') } } }
}

/** The message that {@link keep} was given. */
export function restore({ envelope, ...rest }: KeptMessage): OutgoingMessage {
  const { body } = envelope
  return { ...rest, envelope: { ...envelope, body: typeof body === 'string' ? body : new Uint8Array(Buffer.from(body.base64, 'base64')) } }
}
