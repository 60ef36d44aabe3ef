/** Reply channels: one an instance and transport, made when the first request is sent, gone with the instance. */
export const replyChannelPrefix = 'sluice.reply.'

/** Type of an answer. Replies travel in reply channels only, so the type cannot clash with a contract's. */
export function replyType(requestType: string): string {
  return `${requestType}.reply`
}

/** Type of a refusal; its data is `{ code, message }`. */
export function replyRejectedType(requestType: string): string {
  return `${requestType}.rejected`
}
